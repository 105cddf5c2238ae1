// One rtnetlink socket: requests with the kernel's answer in words, dumps. Blocking, for
// init's use; what follows events without blocking is Monitor (monitor.h).
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "firmware/base/fd.h"
#include "firmware/net/address.h"

namespace fedge::netlink {

using MacAddress = std::array<uint8_t, 6>;
std::string text_of(const MacAddress& mac);

// A message being built, in memory of its own.
class Request {
 public:
  // `family_size`: of the fixed structure behind the header, zeroed.
  Request(uint16_t type, uint16_t flags, size_t family_size);

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(bytes_.data()); }
  const nlmsghdr* header() const { return reinterpret_cast<const nlmsghdr*>(bytes_.data()); }
  template <class T>
  T& body() {
    return *reinterpret_cast<T*>(bytes_.data() + NLMSG_HDRLEN);
  }
  void put(uint16_t attribute, uint32_t value);
  void put(uint16_t attribute, Bytes value);
  void put(uint16_t attribute, const std::string& text);  // with its zero
  void put(uint16_t attribute, const IpAddress& address);

 private:
  alignas(nlmsghdr) std::array<char, 1024> bytes_{};
};

class Socket {
 public:
  // In the calling thread's network namespace. `groups`: RTMGRP_… bits to follow.
  static Result<Socket> open(uint32_t groups = 0, bool non_blocking = false);

  // Sends and waits for the acknowledgement. `doing` begins the error: "cannot add the address
  // 10.0.0.1/24 to outside". errno is the kernel's when it fails.
  Status request(Request& request, const std::string& doing);
  // Calls `each` for every message of the answer.
  Status dump(Request& request, const std::string& doing,
              const std::function<void(const nlmsghdr&)>& each);

  int fd() const { return fd_.get(); }
  Fd release() { return std::move(fd_); }

 private:
  Status send(Request& request, const std::string& doing);
  Fd fd_;
  uint32_t sequence_ = 0;
};

// Large enough for every message the kernel sends in one read.
inline constexpr size_t kReadSize = 32 * 1024;

// The kernel's error message as a failure: its number, and its text where it gave one.
std::unexpected<Error> fail_netlink(const std::string& doing, const nlmsghdr& error);

}  // namespace fedge::netlink
