#include "firmware/net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>

namespace fedge {

namespace {

constexpr int kBacklog = 4096;
// What the kernel may hold unsent of one connection; the rest waits in our own queue, where it is
// counted and bounded.
constexpr int kMostUnsent = 256 * 1024;
// After so long without an acknowledgement the connection breaks. The kernel's own patience, a
// quarter of an hour, would keep a next hop that went dark in use.
constexpr int kUnacknowledgedMs = 15000;
// Nothing waits longer for us, or its sender has given up.
constexpr Duration kMostWait = 60s;

bool set_option(int fd, int level, int name, int value) {
  return ::setsockopt(fd, level, name, &value, sizeof value) == 0;
}

Result<Fd> open_socket(const IpAddress& address, const SocketOptions& options) {
  const std::string where = address.text();
  Fd fd(::socket(address.is_v6() ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 IPPROTO_TCP));
  if (!fd) return fail_errno(where, "cannot open a socket");
  if (!options.device.empty() &&
      ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, options.device.data(),
                   static_cast<socklen_t>(options.device.size())) != 0) {
    return fail_errno(where, "cannot bind to interface " + options.device,
                      "the realm's tap must exist first");
  }
  set_option(fd.get(), IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(fd.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT, kMostUnsent);
  set_option(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, kUnacknowledgedMs);
  set_option(fd.get(), SOL_SOCKET, SO_TIMESTAMPNS, 1);  // accepted connections inherit it
  if (address.is_v6()) {
    set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd.get(), IPPROTO_IPV6, IPV6_FREEBIND, 1);
  } else {
    set_option(fd.get(), IPPROTO_IP, IP_FREEBIND, 1);
  }
  if (options.shares_port) set_option(fd.get(), SOL_SOCKET, SO_REUSEPORT, 1);
  mark_socket(fd.get(), address, options.dscp);
  return fd;
}

Status bind_socket(int fd, const Endpoint& endpoint) {
  sockaddr_storage address{};
  const socklen_t size = endpoint.to_sockaddr(address);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    return fail_errno(endpoint.text(), "cannot bind");
  }
  return {};
}

}  // namespace

void mark_socket(int fd, const IpAddress& address, uint8_t dscp) {
  const int traffic_class = dscp << 2;
  if (address.is_v6()) {
    set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, traffic_class);
  } else {
    set_option(fd, IPPROTO_IP, IP_TOS, traffic_class);
  }
}

Result<Fd> open_listening_socket(const Endpoint& endpoint, const SocketOptions& options) {
  auto fd = open_socket(endpoint.address, options);
  if (!fd) return fd;
  set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (auto bound = bind_socket(fd->get(), endpoint); !bound) {
    return std::unexpected(bound.error());
  }
  if (::listen(fd->get(), kBacklog) != 0) return fail_errno(endpoint.text(), "cannot listen");
  return fd;
}

Result<Fd> open_connecting_socket(const IpAddress& source, const Endpoint& remote,
                                  const SocketOptions& options) {
  return open_connecting_socket(Endpoint{source, 0}, remote, options);
}

Result<Fd> open_connecting_socket(const Endpoint& source, const Endpoint& remote,
                                  const SocketOptions& options) {
  auto fd = open_socket(remote.address, options);
  if (!fd) return fd;
  if (source.port == 0) {
    // The port is chosen at connect(), so that one address serves many destinations.
    set_option(fd->get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  } else {
    set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, 1);
  }
  if (source.address) {
    if (auto bound = bind_socket(fd->get(), source); !bound) {
      return std::unexpected(bound.error());
    }
  }
  sockaddr_storage address{};
  const socklen_t size = remote.to_sockaddr(address);
  if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 &&
      errno != EINPROGRESS) {
    return fail_errno(remote.text(), "cannot connect");
  }
  return fd;
}

ssize_t receive(int fd, MutableBytes room, Duration& waited) {
  iovec piece{room.data(), room.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(timespec))> control;
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT);
  waited = {};
  if (n <= 0) return n;
  const cmsghdr* const head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_type != SCM_TIMESTAMPNS) return n;
  timespec arrived;
  std::memcpy(&arrived, CMSG_DATA(head), sizeof arrived);
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  // Both by the wall clock: while somebody sets it, nothing that lies in between is believed.
  const auto age = std::chrono::seconds(now.tv_sec - arrived.tv_sec) +
                   std::chrono::nanoseconds(now.tv_nsec - arrived.tv_nsec);
  if (age > Duration{0} && age < kMostWait) waited = age;
  return n;
}

int socket_error(int fd) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
  return error;
}

Endpoint local_endpoint(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return Endpoint::from_sockaddr(address);
}

}  // namespace fedge
