#include "dataplane/media/special_prefixes.h"

#include <array>
#include <string_view>

namespace fedge::media {

namespace {

struct Entry {
  std::string_view prefix;
  bool allow = false;
};

constexpr std::array kNever{
    Entry{"0.0.0.0/8"},           // this network
    Entry{"127.0.0.0/8"},         // loopback
    Entry{"169.254.0.0/16"},      // link-local, metadata services
    Entry{"224.0.0.0/4"},         // multicast
    Entry{"255.255.255.255/32"},  // broadcast
    Entry{"::/96"},               // unspecified, loopback, IPv4-compatible
    Entry{"::ffff:0:0/96"},       // IPv4-mapped
    Entry{"fe80::/10"},           // link-local
    Entry{"ff00::/8"},            // multicast
};

constexpr std::array kSpecial{
    Entry{"10.0.0.0/8"},          // private
    Entry{"100.64.0.0/10"},       // shared by carriers
    Entry{"172.16.0.0/12"},       // private
    Entry{"192.0.0.0/24"},        // IETF protocols
    Entry{"192.0.2.0/24"},        // documentation
    Entry{"192.88.99.0/24"},      // 6to4 relays
    Entry{"192.168.0.0/16"},      // private
    Entry{"198.18.0.0/15"},       // benchmarks
    Entry{"198.51.100.0/24"},     // documentation
    Entry{"203.0.113.0/24"},      // documentation
    Entry{"240.0.0.0/4"},         // reserved
    Entry{"::/8"},                // reserved
    Entry{"64:ff9b::/96", true},  // NAT64: by the address inside
    Entry{"64:ff9b:1::/48"},      // local NAT64
    Entry{"100::/64"},            // discard
    Entry{"2001::/23"},           // IETF protocols, Teredo
    Entry{"2001:db8::/32"},       // documentation
    Entry{"2002::/16"},           // 6to4
    Entry{"3fff::/20"},           // documentation
    Entry{"5f00::/16"},           // segment routing
    Entry{"fc00::/7"},            // unique local
    Entry{"fec0::/10"},           // site-local
};

template <size_t N>
std::array<SpecialPrefix, N> parse(const std::array<Entry, N>& entries) {
  std::array<SpecialPrefix, N> out;
  for (size_t i = 0; i < N; ++i) out[i] = {*Prefix::parse(entries[i].prefix), entries[i].allow};
  return out;
}

IpAddress v4_at(const IpAddress& address, size_t at) {
  IpAddress out;
  out.family = 4;
  for (size_t i = 0; i < 4; ++i) out.octets[i] = address.octets[at + i];
  return out;
}

}  // namespace

bool is_never_peer(const IpAddress& address) {
  static const auto never = parse(kNever);
  for (const SpecialPrefix& entry : never) {
    if (entry.prefix.contains(address)) return true;
  }
  return false;
}

std::span<const SpecialPrefix> special_prefixes() {
  static const auto special = parse(kSpecial);
  return special;
}

std::optional<IpAddress> translated_from(const IpAddress& address) {
  static const Prefix nat64 = *Prefix::parse("64:ff9b::/96");
  static const Prefix six_to_four = *Prefix::parse("2002::/16");
  if (nat64.contains(address)) return v4_at(address, 12);
  if (six_to_four.contains(address)) return v4_at(address, 2);
  return std::nullopt;
}

}  // namespace fedge::media
