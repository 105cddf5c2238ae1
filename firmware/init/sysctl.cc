#include "firmware/init/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "firmware/base/fd.h"
#include "firmware/base/log.h"

namespace fedge::init {

namespace {

constexpr Setting kWire[] = {
    {"ipv6/conf/all/disable_ipv6", "1"},       {"ipv6/conf/default/disable_ipv6", "1"},
    {"ipv4/conf/all/arp_ignore", "8"},  // answers for no address
    {"ipv4/conf/default/arp_ignore", "8"},     {"ipv4/ip_forward", "0"},
    {"ipv4/icmp_echo_ignore_all", "1", false},
};

constexpr Setting kPunt[] = {
    // Signal opens its own listeners, whatever their ports.
    {"ipv4/ip_unprivileged_port_start", "0"},
    // The classifier's ephemeral range, and ports that are the fast path's own.
    {"ipv4/ip_local_port_range", "10240 49151"},
    {"ipv4/ip_local_reserved_ports", "3478,50000-59999"},
    // Realms may share a subnet; each answers for its own addresses only.
    {"ipv4/conf/all/rp_filter", "0"},
    {"ipv4/conf/default/rp_filter", "0"},
    {"ipv4/conf/all/arp_ignore", "1"},
    {"ipv4/conf/all/arp_announce", "2"},
    {"ipv4/conf/all/promote_secondaries", "1"},
    {"ipv4/conf/all/accept_source_route", "0"},
    {"ipv4/conf/default/accept_source_route", "0"},
    {"ipv4/conf/all/accept_redirects", "0"},
    {"ipv4/conf/default/accept_redirects", "0"},
    {"ipv4/conf/all/send_redirects", "0"},
    {"ipv4/conf/default/send_redirects", "0"},
    {"ipv4/ip_forward", "0"},
    {"ipv6/conf/all/forwarding", "0"},
    // Addresses are the topology's alone and work at once.
    {"ipv6/conf/all/accept_ra", "0"},
    {"ipv6/conf/default/accept_ra", "0"},
    {"ipv6/conf/all/autoconf", "0"},
    {"ipv6/conf/default/autoconf", "0"},
    {"ipv6/conf/all/accept_dad", "0"},
    {"ipv6/conf/default/accept_dad", "0"},
    {"ipv6/conf/default/router_solicitations", "0"},
    {"ipv6/conf/all/accept_redirects", "0"},
    {"ipv6/conf/default/accept_redirects", "0"},
    // A signalling edge: many connections, bursts after silence, hostile SYNs.
    {"ipv4/tcp_syncookies", "1", false},
    {"ipv4/tcp_tw_reuse", "1", false},
    {"ipv4/tcp_slow_start_after_idle", "0", false},
    {"ipv4/tcp_max_syn_backlog", "8192", false},
    // What peers send faster than signal reads waits in the box, where it is seen and answered
    // (overload), not in the peers, where nobody knows of it.
    {"ipv4/tcp_rmem", "4096 4194304 8388608", false},
    {"core/somaxconn", "8192", false},
};

}  // namespace

Status write_sysctl(const std::string& name, const std::string& value) {
  const std::string path = "/proc/sys/net/" + name;
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail_errno(path, "cannot open");
  if (::write(fd.get(), value.data(), value.size()) != static_cast<ssize_t>(value.size())) {
    return fail_errno(path, "cannot set to \"" + value + "\"");
  }
  return {};
}

Status write_settings(std::span<const Setting> settings) {
  for (const Setting& setting : settings) {
    auto done = write_sysctl(setting.name, setting.value);
    if (done) continue;
    if (setting.required) return done;
    log::warning("network", "{}: not on this kernel, passed over", done.error().text());
  }
  return {};
}

std::span<const Setting> wire_settings() { return kWire; }
std::span<const Setting> punt_settings() { return kPunt; }

}  // namespace fedge::init
