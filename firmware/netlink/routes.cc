#include "firmware/netlink/routes.h"

#include <linux/rtnetlink.h>

#include <cerrno>

#include "firmware/netlink/attributes.h"

namespace fedge::netlink {

namespace {

struct RouteAttributes {
  uint8_t family = 0;
  IpAddress to;
  IpAddress via;
  uint32_t link = 0;
  uint32_t metric = 0;
  uint32_t table = 0;
};

int take_attribute(const nlattr* attribute, void* data) {
  auto& out = *static_cast<RouteAttributes*>(data);
  const bool number = mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0;
  switch (mnl_attr_get_type(attribute)) {
    case RTA_DST:
      out.to = address_of(attribute, out.family);
      break;
    case RTA_GATEWAY:
      out.via = address_of(attribute, out.family);
      break;
    case RTA_OIF:
      if (number) out.link = mnl_attr_get_u32(attribute);
      break;
    case RTA_PRIORITY:
      if (number) out.metric = mnl_attr_get_u32(attribute);
      break;
    case RTA_TABLE:
      if (number) out.table = mnl_attr_get_u32(attribute);
      break;
    default:
      break;
  }
  return MNL_CB_OK;
}

Request route_request(uint16_t type, uint16_t flags, const Route& route) {
  Request request(type, flags, sizeof(rtmsg));
  auto& body = request.body<rtmsg>();
  body.rtm_family = kernel_family(route.to.address);
  body.rtm_dst_len = route.to.length;
  body.rtm_table = RT_TABLE_MAIN;
  body.rtm_protocol = route.protocol;
  body.rtm_scope = route.via || body.rtm_family == AF_INET6 ? RT_SCOPE_UNIVERSE : RT_SCOPE_LINK;
  body.rtm_type = RTN_UNICAST;
  if (route.to.length != 0) request.put(RTA_DST, masked(route.to).address);
  if (route.via) request.put(RTA_GATEWAY, route.via);
  request.put(RTA_OIF, route.link);
  request.put(RTA_PRIORITY, route.metric);
  return request;
}

std::string text_of(const Route& route) {
  return route.to.text() + (route.via ? " via " + route.via.text() : std::string());
}

}  // namespace

Prefix masked(Prefix p) {
  for (unsigned bit = p.length; bit < p.address.bits(); ++bit) {
    p.address.octets[bit / 8] &= static_cast<uint8_t>(~(0x80u >> bit % 8));
  }
  return p;
}

std::optional<RouteEvent> decode_route(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWROUTE && message.nlmsg_type != RTM_DELROUTE) return {};
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(rtmsg)) return {};
  const auto& body = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  if (body.rtm_type != RTN_UNICAST || (body.rtm_flags & RTM_F_CLONED) != 0) return {};
  if (body.rtm_family != AF_INET && body.rtm_family != AF_INET6) return {};
  RouteAttributes attributes;
  attributes.family = body.rtm_family;
  attributes.table = body.rtm_table;
  mnl_attr_parse(&message, sizeof body, take_attribute, &attributes);
  if (attributes.table != RT_TABLE_MAIN || attributes.link == 0) return {};
  if (!attributes.to) attributes.to.family = body.rtm_family == AF_INET ? 4 : 6;
  if (body.rtm_dst_len > attributes.to.bits()) return {};
  return RouteEvent{message.nlmsg_type == RTM_DELROUTE,
                    {attributes.link,
                     {attributes.to, body.rtm_dst_len},
                     attributes.via,
                     attributes.metric,
                     body.rtm_protocol}};
}

Result<std::vector<Route>> list_routes(Socket& socket, const Link* link) {
  std::vector<Route> out;
  for (const uint8_t family : {AF_INET, AF_INET6}) {
    Request request(RTM_GETROUTE, NLM_F_DUMP, sizeof(rtmsg));
    request.body<rtmsg>().rtm_family = family;
    auto done = socket.dump(request, "cannot list the routes", [&](const nlmsghdr& message) {
      const auto event = decode_route(message);
      if (event && (link == nullptr || event->route.link == link->index)) {
        out.push_back(event->route);
      }
    });
    if (!done) return std::unexpected(done.error());
  }
  return out;
}

Status add_route(Socket& socket, const Route& route) {
  Request request = route_request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
  return socket.request(request, "cannot add the route to " + text_of(route));
}

Status remove_route(Socket& socket, const Route& route) {
  Request request = route_request(RTM_DELROUTE, 0, route);
  auto done = socket.request(request, "cannot remove the route to " + text_of(route));
  if (!done && errno == ESRCH) return {};
  return done;
}

}  // namespace fedge::netlink
