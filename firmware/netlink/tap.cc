#include "firmware/netlink/tap.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstring>

namespace fedge::netlink {

namespace {

ifreq request_for(const std::string& name, int flags) {
  ifreq request{};
  ::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  request.ifr_flags = static_cast<short>(flags);
  return request;
}

}  // namespace

Result<Fd> open_tap_queue(const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ) {
    return fail(name, "is no interface name", "1 to 15 octets");
  }
  Fd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail_errno("/dev/net/tun", "cannot open", "the kernel needs CONFIG_TUN");
  ifreq request = request_for(name, IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) {
    return fail_errno("tap " + name, "cannot open a queue");
  }
  if (::ioctl(fd.get(), TUNSETPERSIST, 1) != 0) {
    return fail_errno("tap " + name, "cannot make it persistent");
  }
  if (::ioctl(fd.get(), TUNSETOFFLOAD, 0) != 0) {
    return fail_errno("tap " + name, "cannot switch off offloads");
  }
  return fd;
}

Status detach_queue(const Fd& queue) {
  ifreq request = request_for("", IFF_DETACH_QUEUE);
  if (::ioctl(queue.get(), TUNSETQUEUE, &request) != 0) {
    return fail_errno("tap", "cannot detach a queue");
  }
  return {};
}

}  // namespace fedge::netlink
