// Frames for tests, built from the outside in; checksums and lengths are right unless a test
// spoils them afterwards.
#pragma once

#include <string>
#include <string_view>

#include "firmware/wire/ip/checksum.h"
#include "firmware/wire/ip/packet.h"

namespace fedge::ip {

class PacketBuilder {
 public:
  static constexpr Mac kPeer{2, 0, 0, 0, 0, 2};
  static constexpr Mac kOurs{2, 0, 0, 0, 0, 1};

  PacketBuilder& ethernet(const Mac& to = kOurs, const Mac& from = kPeer) {
    frame_.append(reinterpret_cast<const char*>(to.data()), to.size());
    frame_.append(reinterpret_cast<const char*>(from.data()), from.size());
    type_at_ = frame_.size();
    return be16(0);
  }
  PacketBuilder& vlan(uint16_t id) {
    set16(type_at_, kEtherTypeVlan);
    be16(id);
    type_at_ = frame_.size();
    return be16(0);
  }
  PacketBuilder& type(uint16_t ether_type) {
    set16(type_at_, ether_type);
    return *this;
  }
  PacketBuilder& arp(uint16_t operation, std::string_view from, std::string_view target,
                     const Mac& sender = kPeer) {
    type(kEtherTypeArp).be16(1).be16(kEtherTypeIpv4).raw(std::string("\6\4", 2)).be16(operation);
    raw({reinterpret_cast<const char*>(sender.data()), sender.size()}).address(from);
    return raw(std::string(6, '\0')).address(target);
  }
  // The payload that follows counts into the length; call finish() last.
  PacketBuilder& ipv4(std::string_view from, std::string_view to, uint8_t protocol,
                      uint16_t flags = kIpv4DontFragment, std::string_view options = {}) {
    type(kEtherTypeIpv4);
    begin_network(from, to, protocol);
    byte(static_cast<uint8_t>(0x45 + options.size() / 4)).byte(0).be16(0).be16(1).be16(flags);
    byte(64).byte(protocol).be16(0).address(from).address(to).raw(options);
    transport_at_ = frame_.size();
    return *this;
  }
  PacketBuilder& identification(uint16_t id) {
    set16(network_at_ + 4, id);
    return *this;
  }
  PacketBuilder& ipv6(std::string_view from, std::string_view to, uint8_t next, uint8_t hops = 64) {
    type(kEtherTypeIpv6);
    begin_network(from, to, next);
    byte(0x60).byte(0).be16(0).be16(0).byte(next).byte(hops).address(from).address(to);
    transport_at_ = frame_.size();
    return *this;
  }
  // An IPv6 extension header of eight octets; `next` is what follows it.
  PacketBuilder& extension(uint8_t next, std::string_view rest = {}) {
    byte(next).byte(0).raw(rest).raw(std::string(6 - rest.size(), '\0'));
    protocol_ = next;
    transport_at_ = frame_.size();
    return *this;
  }
  PacketBuilder& tcp(uint16_t from, uint16_t to, uint8_t flags) {
    return be16(from).be16(to).be32(1).be32(0).byte(0x50).byte(flags).be16(1000).be32(0);
  }
  PacketBuilder& udp(uint16_t from, uint16_t to, std::string_view payload = "payload") {
    be16(from).be16(to).be16(static_cast<uint16_t>(kUdpSize + payload.size())).be16(0);
    return raw(payload);
  }
  PacketBuilder& icmp(uint8_t type, uint8_t code, std::string_view body = {}) {
    return byte(type).byte(code).be16(0).be32(0).raw(body);
  }
  PacketBuilder& neighbour(uint8_t type, std::string_view target, uint8_t code = 0) {
    return icmp(type, code).address(target);
  }

  PacketBuilder& address(std::string_view text) {
    const auto a = IpAddress::parse(text).value();
    return raw({reinterpret_cast<const char*>(a.octets.data()), a.bits() / 8});
  }
  PacketBuilder& raw(std::string_view bytes) {
    frame_ += bytes;
    return *this;
  }
  PacketBuilder& byte(uint8_t v) { return raw({reinterpret_cast<const char*>(&v), 1}); }
  PacketBuilder& be16(uint16_t v) { return byte(static_cast<uint8_t>(v >> 8)).byte(v & 0xff); }
  PacketBuilder& be32(uint32_t v) {
    return be16(static_cast<uint16_t>(v >> 16)).be16(static_cast<uint16_t>(v));
  }

  // Lengths and checksums.
  std::string finish() const {
    std::string out = finish_network();
    if (!source_) return out;
    const size_t field = protocol_ == kTcp                           ? 16
                         : protocol_ == kUdp                         ? 6
                         : protocol_ == kIcmp || protocol_ == kIcmp6 ? 2
                                                                     : 0;
    const Bytes segment = as_bytes(out).subspan(transport_at_);
    if (field == 0 || segment.size() < field + 2) return out;
    const uint16_t sum = protocol_ == kIcmp
                             ? checksum(segment)
                             : transport_checksum(source_, destination_, protocol_, segment);
    store_be16(&out[transport_at_ + field], sum);
    return out;
  }
  // Of the network layer only: what follows is a fragment.
  std::string finish_network() const {
    std::string out = frame_;
    if (source_.is_v4()) finish_ipv4(out);
    if (source_.is_v6()) store_be16(&out[network_at_ + 4], size16(network_at_ + kIpv6Size));
    return out;
  }
  // Of what finish() gives: where the IP header and the transport header are.
  size_t network_at() const { return network_at_; }
  size_t transport_at() const { return transport_at_; }

 private:
  void begin_network(std::string_view from, std::string_view to, uint8_t protocol) {
    network_at_ = frame_.size();
    source_ = IpAddress::parse(from).value();
    destination_ = IpAddress::parse(to).value();
    protocol_ = protocol;
  }
  void finish_ipv4(std::string& out) const {
    store_be16(&out[network_at_ + 2], size16(network_at_));
    const size_t header = transport_at_ - network_at_;
    store_be16(&out[network_at_ + 10], checksum(as_bytes(out).subspan(network_at_, header)));
  }
  uint16_t size16(size_t from) const { return static_cast<uint16_t>(frame_.size() - from); }
  void set16(size_t at, uint16_t v) { store_be16(&frame_[at], v); }

  std::string frame_;
  size_t type_at_ = 0;
  size_t network_at_ = 0;
  size_t transport_at_ = 0;
  uint8_t protocol_ = 0;
  IpAddress source_;
  IpAddress destination_;
};

}  // namespace fedge::ip
