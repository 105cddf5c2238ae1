#include "dataplane/admission/verdict.h"

#include <array>

namespace fedge::admission {

namespace {

constexpr std::array<std::string_view, kClassCount> kClasses{
    "listener", "relay", "established", "icmp", "resolver", "neighbour", "fragment"};
constexpr std::array<std::string_view, kPeerClassCount> kPeerClasses{"stranger", "known",
                                                                     "trusted"};
// In the order of the enumeration.
constexpr std::array<std::string_view, kRefusalCount> kRefusals{
    "unknown_realm",    "ether_type",     "other_mac",        "not_our_address",
    "source_is_ours",   "protocol",       "tcp_closed_port",  "tcp_syn_ephemeral",
    "udp_port",         "media_udp",      "arp_not_ours",     "arp_outside_subnet",
    "arp_conflict",     "nd_not_ours",    "nd_conflict",      "neighbour_flood",
    "icmp_type",        "icmp_unrelated", "fragment_size",    "fragment_tiny",
    "fragment_overlap", "fragment_many",  "fragment_crowded", "fragment_timeout",
    "fragment_content", "foreign_source"};
static_assert(!kRefusals.back().empty());

}  // namespace

std::string_view text(Class c) { return kClasses[static_cast<size_t>(c)]; }
std::string_view text(PeerClass c) { return kPeerClasses[static_cast<size_t>(c)]; }
std::string_view text(Refusal r) { return kRefusals[static_cast<size_t>(r)]; }

std::string_view Reason::text() const {
  if (index_ < ip::kMalformedCount) return ip::text(static_cast<ip::Malformed>(index_));
  return admission::text(static_cast<Refusal>(index_ - ip::kMalformedCount));
}

}  // namespace fedge::admission
