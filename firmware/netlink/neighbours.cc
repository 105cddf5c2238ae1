#include "firmware/netlink/neighbours.h"

#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include <cerrno>

#include "firmware/netlink/attributes.h"

namespace fedge::netlink {

namespace {

// Since Linux 5.16; Debian 12's headers have them, older ones may not.
constexpr uint16_t kFlagsExtension = 15;  // NDA_FLAGS_EXT
constexpr uint32_t kManaged = 1;          // NTF_EXT_MANAGED

struct NeighbourAttributes {
  uint8_t family;
  Neighbour neighbour;
};

int take_attribute(const nlattr* attribute, void* data) {
  auto& out = *static_cast<NeighbourAttributes*>(data);
  switch (mnl_attr_get_type(attribute)) {
    case NDA_DST:
      out.neighbour.address = address_of(attribute, out.family);
      break;
    case NDA_LLADDR: {
      MacAddress mac;
      if (mnl_attr_get_payload_len(attribute) != mac.size()) break;
      std::memcpy(mac.data(), mnl_attr_get_payload(attribute), mac.size());
      out.neighbour.mac = mac;
      break;
    }
    default:
      break;
  }
  return MNL_CB_OK;
}

Request neighbour_request(uint16_t type, uint16_t flags, const Link& link,
                          const IpAddress& address) {
  Request request(type, flags, sizeof(ndmsg));
  auto& body = request.body<ndmsg>();
  body.ndm_family = kernel_family(address);
  body.ndm_ifindex = static_cast<int>(link.index);
  request.put(NDA_DST, address);
  return request;
}

}  // namespace

bool Neighbour::usable() const {
  return mac && (state & (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE |
                          NUD_DELAY)) != 0;
}

std::optional<NeighbourEvent> decode_neighbour(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWNEIGH && message.nlmsg_type != RTM_DELNEIGH) return {};
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(ndmsg)) return {};
  const auto& body = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(&message));
  if (body.ndm_family != AF_INET && body.ndm_family != AF_INET6) return {};
  if ((body.ndm_flags & NTF_PROXY) != 0) return {};
  NeighbourAttributes attributes{body.ndm_family, {}};
  mnl_attr_parse(&message, sizeof body, take_attribute, &attributes);
  Neighbour& neighbour = attributes.neighbour;
  if (!neighbour.address) return {};
  neighbour.link = static_cast<uint32_t>(body.ndm_ifindex);
  neighbour.state = body.ndm_state;
  return NeighbourEvent{message.nlmsg_type == RTM_DELNEIGH, neighbour};
}

Result<std::vector<Neighbour>> list_neighbours(Socket& socket, const Link* link) {
  Request request(RTM_GETNEIGH, NLM_F_DUMP, sizeof(ndmsg));
  std::vector<Neighbour> out;
  auto done = socket.dump(request, "cannot list the neighbours", [&](const nlmsghdr& message) {
    const auto event = decode_neighbour(message);
    if (event && (link == nullptr || event->neighbour.link == link->index)) {
      out.push_back(event->neighbour);
    }
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

Status set_permanent_neighbour(Socket& socket, const Link& link, const IpAddress& address,
                               const MacAddress& mac) {
  Request request = neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link, address);
  request.body<ndmsg>().ndm_state = NUD_PERMANENT;
  request.put(NDA_LLADDR, std::as_bytes(std::span(mac)));
  return socket.request(request, "cannot set the neighbour " + address.text() + " on " + link.name);
}

Status set_managed_neighbour(Socket& socket, const Link& link, const IpAddress& address) {
  Request request = neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link, address);
  request.body<ndmsg>().ndm_state = NUD_NONE;
  request.put(kFlagsExtension, kManaged);
  return socket.request(
      request, "cannot have the neighbour " + address.text() + " resolved on " + link.name);
}

Status probe_neighbour(Socket& socket, const Link& link, const IpAddress& address) {
  Request request = neighbour_request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, link, address);
  request.body<ndmsg>().ndm_state = NUD_NONE;
  request.body<ndmsg>().ndm_flags = NTF_USE;
  return socket.request(request,
                        "cannot look for the neighbour " + address.text() + " on " + link.name);
}

Status remove_neighbour(Socket& socket, const Link& link, const IpAddress& address) {
  Request request = neighbour_request(RTM_DELNEIGH, 0, link, address);
  auto done = socket.request(request, "cannot remove the neighbour " + address.text());
  if (!done && errno == ENOENT) return {};
  return done;
}

}  // namespace fedge::netlink
