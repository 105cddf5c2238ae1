// Named network namespaces, where `ip netns` finds them too (/run/netns).
#pragma once

#include <string>

#include "firmware/base/fd.h"

namespace fedge::netlink {

class NetworkNamespace {
 public:
  NetworkNamespace() = default;

  // The calling thread's.
  static Result<NetworkNamespace> current();
  // The one of that name; made when there is none. Needs root.
  static Result<NetworkNamespace> open(const std::string& name);
  // Takes the name away; the namespace ends with its last socket and process. Physical ports
  // return to the machine by themselves then, virtual ones die: move them out before.
  static Status remove(const std::string& name);
  static bool exists(const std::string& name);

  int fd() const { return fd_.get(); }
  explicit operator bool() const { return static_cast<bool>(fd_); }

 private:
  explicit NetworkNamespace(Fd fd) : fd_(std::move(fd)) {}
  Fd fd_;
};

// The calling thread is inside the namespace for as long as this lives: what it opens meanwhile
// (sockets, taps, /proc/sys/net) belongs there.
class Inside {
 public:
  explicit Inside(const NetworkNamespace& there);
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  // Aborts when there is no way back: nothing after that would be where it is thought to be.
  ~Inside();

  // Whether the thread is inside; otherwise why not.
  const Status& status() const { return status_; }

 private:
  Fd home_;
  Status status_;
};

}  // namespace fedge::netlink
