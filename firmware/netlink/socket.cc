#include "firmware/netlink/socket.h"

#include <fmt/core.h>
#include <libmnl/libmnl.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>

namespace fedge::netlink {

namespace {

constexpr int kReceiveBuffer = 1 << 20;

// The text the kernel attached (NETLINK_EXT_ACK), or empty.
std::string extended_text(const nlmsghdr& header, const nlmsgerr& body) {
  if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
  unsigned offset = sizeof(nlmsgerr);
  if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) {
    offset += mnl_nlmsg_get_payload_len(&body.msg);
  }
  std::string out;
  const auto take = [](const nlattr* attribute, void* data) {
    if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
        mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) >= 0) {
      *static_cast<std::string*>(data) = mnl_attr_get_str(attribute);
    }
    return MNL_CB_OK;
  };
  mnl_attr_parse(&header, offset, take, &out);
  return out;
}

}  // namespace

std::string text_of(const MacAddress& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3],
                     mac[4], mac[5]);
}

std::unexpected<Error> fail_netlink(const std::string& doing, const nlmsghdr& error) {
  if (mnl_nlmsg_get_payload_len(&error) < sizeof(nlmsgerr)) {
    errno = EBADMSG;
    return fail_errno("network", doing);
  }
  const auto& body = *static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(&error));
  const std::string text = extended_text(error, body);
  errno = -body.error;
  auto failure = fail_errno("network", doing);
  if (!text.empty()) failure.error().what += ": " + text;
  errno = -body.error;
  return failure;
}

Request::Request(uint16_t type, uint16_t flags, size_t family_size) {
  nlmsghdr* h = mnl_nlmsg_put_header(bytes_.data());
  h->nlmsg_type = type;
  h->nlmsg_flags = NLM_F_REQUEST | flags;
  mnl_nlmsg_put_extra_header(h, family_size);
}

void Request::put(uint16_t attribute, uint32_t value) {
  mnl_attr_put_u32(header(), attribute, value);
}
void Request::put(uint16_t attribute, Bytes value) {
  mnl_attr_put(header(), attribute, value.size(), value.data());
}
void Request::put(uint16_t attribute, const std::string& text) {
  mnl_attr_put_strz(header(), attribute, text.c_str());
}
void Request::put(uint16_t attribute, const IpAddress& address) {
  mnl_attr_put(header(), attribute, address.bits() / 8, address.octets.data());
}

Result<Socket> Socket::open(uint32_t groups, bool non_blocking) {
  Socket s;
  const int flags = SOCK_RAW | SOCK_CLOEXEC | (non_blocking ? SOCK_NONBLOCK : 0);
  s.fd_.reset(::socket(AF_NETLINK, flags, NETLINK_ROUTE));
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  local.nl_groups = groups;
  if (!s.fd_ || ::bind(s.fd(), reinterpret_cast<sockaddr*>(&local), sizeof local) != 0) {
    return fail_errno("network", "cannot open a netlink socket");
  }
  const int on = 1;
  ::setsockopt(s.fd(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  ::setsockopt(s.fd(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  ::setsockopt(s.fd(), SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof on);
  ::setsockopt(s.fd(), SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBuffer, sizeof kReceiveBuffer);
  return s;
}

Status Socket::send(Request& request, const std::string& doing) {
  request.header()->nlmsg_seq = ++sequence_;
  ssize_t n;
  do n = ::send(fd(), request.header(), request.header()->nlmsg_len, 0);
  while (n < 0 && errno == EINTR);
  if (n < 0) return fail_errno("network", doing);
  return {};
}

Status Socket::request(Request& request, const std::string& doing) {
  request.header()->nlmsg_flags |= NLM_F_ACK;
  return dump(request, doing, [](const nlmsghdr&) {});
}

Status Socket::dump(Request& request, const std::string& doing,
                    const std::function<void(const nlmsghdr&)>& each) {
  if (auto sent = send(request, doing); !sent) return sent;
  const auto buffer = std::make_unique<char[]>(kReadSize);
  for (;;) {
    const ssize_t n = ::recv(fd(), buffer.get(), kReadSize, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno("network", doing);
    int left = static_cast<int>(n);
    for (auto* h = reinterpret_cast<const nlmsghdr*>(buffer.get()); mnl_nlmsg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
      if (h->nlmsg_seq != sequence_) continue;  // an event, or the rest of an older answer
      if (h->nlmsg_type == NLMSG_DONE) return {};
      if (h->nlmsg_type != NLMSG_ERROR) {
        each(*h);
        continue;
      }
      const auto* body = static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(h));
      if (mnl_nlmsg_get_payload_len(h) >= sizeof(nlmsgerr) && body->error == 0) return {};
      return fail_netlink(doing, *h);
    }
  }
}

}  // namespace fedge::netlink
