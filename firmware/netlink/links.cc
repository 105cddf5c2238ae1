#include "firmware/netlink/links.h"

#include <libmnl/libmnl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace fedge::netlink {

namespace {

int take_kind(const nlattr* attribute, void* data) {
  if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND &&
      mnl_attr_validate(attribute, MNL_TYPE_STRING) >= 0) {
    const auto* text = static_cast<const char*>(mnl_attr_get_payload(attribute));
    static_cast<Link*>(data)->kind.assign(text,
                                          ::strnlen(text, mnl_attr_get_payload_len(attribute)));
  }
  return MNL_CB_OK;
}

int take_attribute(const nlattr* attribute, void* data) {
  auto& link = *static_cast<Link*>(data);
  switch (mnl_attr_get_type(attribute)) {
    case IFLA_IFNAME:
      if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0) return MNL_CB_ERROR;
      link.name = mnl_attr_get_str(attribute);
      break;
    case IFLA_ADDRESS:
      if (mnl_attr_get_payload_len(attribute) == link.mac.size()) {
        std::memcpy(link.mac.data(), mnl_attr_get_payload(attribute), link.mac.size());
      }
      break;
    case IFLA_MTU:
      if (mnl_attr_validate(attribute, MNL_TYPE_U32) < 0) return MNL_CB_ERROR;
      link.mtu = mnl_attr_get_u32(attribute);
      break;
    case IFLA_CARRIER:  // IFF_RUNNING follows later
      if (mnl_attr_validate(attribute, MNL_TYPE_U8) < 0) return MNL_CB_ERROR;
      link.carrier = mnl_attr_get_u8(attribute) != 0;
      break;
    case IFLA_LINKINFO:
      mnl_attr_parse_nested(attribute, take_kind, data);
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

Request change_request(const Link& link) {
  Request request(RTM_NEWLINK, 0, sizeof(ifinfomsg));
  request.body<ifinfomsg>().ifi_family = AF_UNSPEC;
  request.body<ifinfomsg>().ifi_index = static_cast<int>(link.index);
  return request;
}

void set_flag(Request& request, unsigned flag, const std::optional<bool>& value) {
  if (!value) return;
  request.body<ifinfomsg>().ifi_change |= flag;
  if (*value) request.body<ifinfomsg>().ifi_flags |= flag;
}

}  // namespace

std::optional<LinkEvent> decode_link(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWLINK && message.nlmsg_type != RTM_DELLINK) return {};
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(ifinfomsg)) return {};
  const auto& body = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message));
  LinkEvent event;
  event.gone = message.nlmsg_type == RTM_DELLINK;
  event.link.index = static_cast<uint32_t>(body.ifi_index);
  event.link.up = (body.ifi_flags & IFF_UP) != 0;
  if (mnl_attr_parse(&message, sizeof body, take_attribute, &event.link) < 0) return {};
  return event;
}

Result<std::vector<Link>> list_links(Socket& socket) {
  Request request(RTM_GETLINK, NLM_F_DUMP, sizeof(ifinfomsg));
  std::vector<Link> out;
  auto done = socket.dump(request, "cannot list the interfaces", [&](const nlmsghdr& message) {
    if (auto event = decode_link(message)) out.push_back(std::move(event->link));
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

Result<std::optional<Link>> find_link(Socket& socket, const std::string& name) {
  auto links = list_links(socket);
  if (!links) return std::unexpected(links.error());
  const auto it = std::ranges::find(*links, name, &Link::name);
  if (it == links->end()) return std::optional<Link>{};
  return std::optional<Link>{std::move(*it)};
}

Status change_link(Socket& socket, const Link& link, const LinkChange& change) {
  Request request = change_request(link);
  std::string doing = "cannot set";
  if (change.mac) {
    request.put(IFLA_ADDRESS, std::as_bytes(std::span(*change.mac)));
    doing += " the MAC address " + text_of(*change.mac);
  }
  if (change.mtu) {
    request.put(IFLA_MTU, *change.mtu);
    doing += " the MTU " + std::to_string(*change.mtu);
  }
  if (change.transmit_queue) {
    request.put(IFLA_TXQLEN, *change.transmit_queue);
    doing += " the transmit queue";
  }
  if (change.up) doing += *change.up ? " up" : " down";
  if (change.promiscuous) doing += " promiscuous mode";
  set_flag(request, IFF_UP, change.up);
  set_flag(request, IFF_PROMISC, change.promiscuous);
  return socket.request(request, doing + " of interface " + link.name);
}

Status move_link(Socket& socket, const Link& link, const NetworkNamespace& to) {
  Request request = change_request(link);
  request.put(IFLA_NET_NS_FD, static_cast<uint32_t>(to.fd()));
  return socket.request(request, "cannot move interface " + link.name + " to another namespace");
}

Status remove_link(Socket& socket, const Link& link) {
  Request request(RTM_DELLINK, 0, sizeof(ifinfomsg));
  request.body<ifinfomsg>().ifi_index = static_cast<int>(link.index);
  return socket.request(request, "cannot remove interface " + link.name);
}

Status switch_off_offloads(const std::string& interface) {
  const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail_errno(interface, "cannot open a socket");
  for (const uint32_t command :
       {ETHTOOL_SGRO, ETHTOOL_STSO, ETHTOOL_SGSO, ETHTOOL_STXCSUM, ETHTOOL_SRXCSUM}) {
    ethtool_value value{command, 0};
    ifreq request{};
    ::strncpy(request.ifr_name, interface.c_str(), IFNAMSIZ - 1);
    request.ifr_data = reinterpret_cast<char*>(&value);
    if (::ioctl(socket.get(), SIOCETHTOOL, &request) != 0 && errno != EOPNOTSUPP &&
        errno != EINVAL) {
      return fail_errno(interface, "cannot switch off the port's offloads");
    }
  }
  return {};
}

}  // namespace fedge::netlink
