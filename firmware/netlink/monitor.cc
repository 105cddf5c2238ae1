#include "firmware/netlink/monitor.h"

#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

namespace fedge::netlink {

Result<Fd> open_monitor_socket() {
  auto socket =
      Socket::open(RTMGRP_LINK | RTMGRP_NEIGH | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE, true);
  if (!socket) return std::unexpected(socket.error());
  return socket->release();
}

Monitor::Monitor(Fd socket)
    : socket_(std::move(socket)), buffer_(std::make_unique<char[]>(kReadSize)) {}

// One dump at a time: a socket has no more.
Status Monitor::ask(Stage stage) {
  const auto request = [stage] {
    switch (stage) {
      case Stage::links:
        return Request(RTM_GETLINK, NLM_F_DUMP, sizeof(ifinfomsg));
      case Stage::neighbours:
        return Request(RTM_GETNEIGH, NLM_F_DUMP, sizeof(ndmsg));
      default:
        return Request(RTM_GETROUTE, NLM_F_DUMP, sizeof(rtmsg));
    }
  };
  Request r = request();
  if (stage == Stage::routes_v4) r.body<rtmsg>().rtm_family = AF_INET;
  if (stage == Stage::routes_v6) r.body<rtmsg>().rtm_family = AF_INET6;
  r.header()->nlmsg_seq = ++sequence_;
  stage_ = stage;
  if (::send(fd(), r.header(), r.header()->nlmsg_len, 0) < 0) {
    return fail_errno("network", "cannot ask for what is there");
  }
  return {};
}

Status Monitor::start(MonitorHandler& handler) {
  handler.on_resync();
  again_ = false;
  return ask(Stage::links);
}

Status Monitor::on_dump_end(MonitorHandler& handler) {
  switch (stage_) {
    case Stage::links:
      return ask(Stage::neighbours);
    case Stage::neighbours:
      return ask(Stage::routes_v4);
    case Stage::routes_v4:
      return ask(Stage::routes_v6);
    case Stage::routes_v6:
      break;
    case Stage::idle:
    case Stage::following:
      return {};
  }
  if (again_) return start(handler);
  stage_ = Stage::following;
  handler.on_synced();
  return {};
}

Status Monitor::take(const nlmsghdr& message, MonitorHandler& handler) {
  if ((message.nlmsg_flags & NLM_F_DUMP_INTR) != 0) again_ = true;
  switch (message.nlmsg_type) {
    case NLMSG_DONE:
      return message.nlmsg_seq == sequence_ ? on_dump_end(handler) : Status{};
    case NLMSG_ERROR:
      return fail_netlink("cannot read what is there", message);
    default:
      break;
  }
  if (auto link = decode_link(message)) handler.on_link(*link);
  if (auto neighbour = decode_neighbour(message)) handler.on_neighbour(*neighbour);
  if (auto route = decode_route(message)) handler.on_route(*route);
  return {};
}

Status Monitor::read(MonitorHandler& handler) {
  for (;;) {
    const ssize_t n = ::recv(fd(), buffer_.get(), kReadSize, MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return {};
    if (n < 0 && errno == ENOBUFS) {  // events were lost
      if (stage_ == Stage::following) {
        if (auto started = start(handler); !started) return started;
      } else {
        again_ = true;
      }
      continue;
    }
    if (n < 0) return fail_errno("network", "cannot read the kernel's events");
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<const nlmsghdr*>(buffer_.get()); mnl_nlmsg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
      if (auto taken = take(*h, handler); !taken) return taken;
    }
  }
}

}  // namespace fedge::netlink
