#include "firmware/init/management.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "firmware/base/log.h"

namespace fedge::init {

namespace {

constexpr int kBacklog = 128;

Result<Fd> open_listener(const Endpoint& endpoint) {
  const std::string where = "management " + endpoint.text();
  sockaddr_storage address{};
  const socklen_t size = endpoint.to_sockaddr(address);
  Fd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(where, "cannot open a socket");
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (endpoint.address.is_v6()) {
    ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  }
  const auto* where_to = reinterpret_cast<const sockaddr*>(&address);
  int result = ::bind(fd.get(), where_to, size);
  if (result != 0 && errno == EADDRNOTAVAIL) {
    log::warning("management", "{} is no address of this machine yet: served when it is",
                 endpoint.address.text());
    ::setsockopt(fd.get(), endpoint.address.is_v6() ? SOL_IPV6 : SOL_IP,
                 endpoint.address.is_v6() ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on);
    result = ::bind(fd.get(), where_to, size);
  }
  if (result != 0) {
    return fail_errno(where, "cannot bind", "another program may hold the port: see `ss -ltnp`");
  }
  if (::listen(fd.get(), kBacklog) != 0) return fail_errno(where, "cannot listen");
  return fd;
}

}  // namespace

Status ManagementSockets::open(std::span<const Endpoint> endpoints) {
  std::map<Endpoint, Fd> added;
  for (const Endpoint& endpoint : endpoints) {
    if (sockets_.contains(endpoint) || added.contains(endpoint)) continue;
    auto fd = open_listener(endpoint);
    if (!fd) return std::unexpected(fd.error());
    added.emplace(endpoint, std::move(*fd));
  }
  for (auto& [endpoint, fd] : added) {
    log::info("management", "listening on {}", endpoint.text());
    sockets_.emplace(endpoint, std::move(fd));
  }
  return {};
}

void ManagementSockets::close_others(std::span<const Endpoint> endpoints) {
  std::erase_if(sockets_, [&](auto& item) {
    if (std::ranges::find(endpoints, item.first) != endpoints.end()) return false;
    // The process it was passed to holds it too: this ends it for both.
    ::shutdown(item.second.get(), SHUT_RDWR);
    log::info("management", "{} is closed", item.first.text());
    return true;
  });
}

void ManagementSockets::tell_all(const std::function<void(const Endpoint&, int)>& each) const {
  for (const auto& [endpoint, fd] : sockets_) each(endpoint, fd.get());
}

}  // namespace fedge::init
