// Responses as octets, for the tests of wire/dns and resolve.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/wire/dns/answer.h"

namespace fedge::dns {

inline Name name_of(std::string_view text) { return Name::parse(text).value(); }

class MessageBuilder {
 public:
  MessageBuilder(uint16_t id, const Question& question) {
    put16(id);
    put16(0x8180);
    put16(1);
    for (int i = 0; i < 3; ++i) put16(0);
    bytes_ += question.name.wire();
    put16(static_cast<uint16_t>(question.type));
    put16(1);
  }
  MessageBuilder& flags(uint16_t value) { return set16(2, value); }
  MessageBuilder& rcode(unsigned value) { return flags(static_cast<uint16_t>(0x8180 | value)); }
  MessageBuilder& count(Section section, uint16_t value) {
    return set16(6 + 2 * static_cast<size_t>(section), value);
  }
  // `owner` and `data` are octets, so that they can be compressed or wrong.
  MessageBuilder& record(Section section, std::string_view owner, Type type, uint32_t ttl,
                         std::string_view data) {
    bytes_ += owner;
    put16(static_cast<uint16_t>(type));
    put16(1);
    put16(static_cast<uint16_t>(ttl >> 16));
    put16(static_cast<uint16_t>(ttl));
    put16(static_cast<uint16_t>(data.size()));
    bytes_ += data;
    const size_t at = 6 + 2 * static_cast<size_t>(section);
    return set16(at, static_cast<uint16_t>(load_be16(&bytes_[at]) + 1));
  }
  MessageBuilder& address(std::string_view owner, uint32_t ttl, std::string_view text) {
    const IpAddress ip = IpAddress::parse(text).value();
    const std::string data(reinterpret_cast<const char*>(ip.octets.data()), ip.is_v4() ? 4 : 16);
    return record(Section::answer, name_of(owner).wire(), ip.is_v4() ? Type::a : Type::aaaa, ttl,
                  data);
  }
  MessageBuilder& alias(std::string_view owner, uint32_t ttl, std::string_view target) {
    return record(Section::answer, name_of(owner).wire(), Type::cname, ttl, name_of(target).wire());
  }
  MessageBuilder& service(std::string_view owner, uint32_t ttl, uint16_t priority, uint16_t weight,
                          uint16_t port, std::string_view target) {
    std::string data;
    for (const uint16_t v : {priority, weight, port}) {
      data += static_cast<char>(v >> 8);
      data += static_cast<char>(v & 0xff);
    }
    data += name_of(target).wire();
    return record(Section::answer, name_of(owner).wire(), Type::srv, ttl, data);
  }
  MessageBuilder& authority(std::string_view zone, uint32_t ttl, uint32_t minimum) {
    std::string data(name_of("ns.example").wire());
    data += name_of("admin.example").wire();
    data += std::string(16, '\1');
    for (const int shift : {24, 16, 8, 0}) data += static_cast<char>(minimum >> shift & 0xff);
    return record(Section::authority, name_of(zone).wire(), Type::soa, ttl, data);
  }

  std::string& octets() { return bytes_; }
  Bytes bytes() const { return as_bytes(bytes_); }
  std::optional<Answer> read() const {
    const auto envelope = read_envelope(bytes());
    return envelope ? read_answer(bytes(), *envelope) : std::nullopt;
  }

 private:
  void put16(uint16_t value) {
    bytes_ += static_cast<char>(value >> 8);
    bytes_ += static_cast<char>(value & 0xff);
  }
  MessageBuilder& set16(size_t at, uint16_t value) {
    store_be16(&bytes_[at], value);
    return *this;
  }
  std::string bytes_;
};

}  // namespace fedge::dns
