#include "firmware/netlink/addresses.h"

#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "firmware/netlink/attributes.h"

namespace fedge::netlink {

namespace {

struct AddressAttributes {
  uint8_t family;
  IpAddress local;
  IpAddress address;
};

int take_attribute(const nlattr* attribute, void* data) {
  auto& out = *static_cast<AddressAttributes*>(data);
  const auto type = mnl_attr_get_type(attribute);
  if (type == IFA_LOCAL) out.local = address_of(attribute, out.family);
  if (type == IFA_ADDRESS) out.address = address_of(attribute, out.family);
  return MNL_CB_OK;
}

Request address_request(uint16_t type, uint16_t flags, const Link& link, const Prefix& address) {
  Request request(type, flags, sizeof(ifaddrmsg));
  auto& body = request.body<ifaddrmsg>();
  body.ifa_family = kernel_family(address.address);
  body.ifa_prefixlen = address.length;
  body.ifa_index = link.index;
  body.ifa_scope = address.address.is_link_local() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  request.put(IFA_LOCAL, address.address);
  request.put(IFA_ADDRESS, address.address);
  return request;
}

}  // namespace

std::optional<Address> decode_address(const nlmsghdr& message) {
  if (message.nlmsg_type != RTM_NEWADDR) return {};
  if (mnl_nlmsg_get_payload_len(&message) < sizeof(ifaddrmsg)) return {};
  const auto& body = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(&message));
  AddressAttributes attributes{body.ifa_family, {}, {}};
  mnl_attr_parse(&message, sizeof body, take_attribute, &attributes);
  const IpAddress& own = attributes.local ? attributes.local : attributes.address;
  if (!own || body.ifa_prefixlen > own.bits()) return {};
  return Address{body.ifa_index, {own, body.ifa_prefixlen}, body.ifa_scope};
}

Result<std::vector<Address>> list_addresses(Socket& socket, const Link& link) {
  Request request(RTM_GETADDR, NLM_F_DUMP, sizeof(ifaddrmsg));
  std::vector<Address> out;
  auto done = socket.dump(request, "cannot list the addresses", [&](const nlmsghdr& message) {
    const auto address = decode_address(message);
    if (address && address->link == link.index) out.push_back(*address);
  });
  if (!done) return std::unexpected(done.error());
  return out;
}

Status add_address(Socket& socket, const Link& link, const Prefix& address, uint32_t metric) {
  Request request = address_request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, link, address);
  request.put(IFA_FLAGS, static_cast<uint32_t>(IFA_F_NODAD));
  request.put(IFA_RT_PRIORITY, metric);
  auto done =
      socket.request(request, "cannot add the address " + address.text() + " to " + link.name);
  if (!done && errno == EEXIST) return {};
  return done;
}

Status remove_address(Socket& socket, const Link& link, const Prefix& address) {
  Request request = address_request(RTM_DELADDR, 0, link, address);
  auto done =
      socket.request(request, "cannot remove the address " + address.text() + " from " + link.name);
  if (!done && errno == EADDRNOTAVAIL) return {};
  return done;
}

}  // namespace fedge::netlink
