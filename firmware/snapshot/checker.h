// Walks every record of a section once and makes sure that nothing it refers to lies outside,
// askew, or is an unknown enumerator or address family. Internal to firmware/snapshot.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>

#include "firmware/snapshot/reader.h"

namespace fedge::snapshot {

class Checker {
 public:
  explicit Checker(Bytes section) : section_(section), budget_(2 * uint64_t{section.size()}) {}

  // Empty while all is well; afterwards what was wrong first.
  const std::string& reason() const { return reason_; }

  void operator()(const Text& text) {
    if (!in_bounds(text.at, text.size, 1)) refuse("a text lies outside the section");
  }
  void operator()(const IpAddress& address) {
    const size_t used = address.is_v4() ? 4 : address.is_v6() ? 16 : 0;
    if (!used && address.family != 0) return refuse("an address is neither version 4 nor 6");
    for (size_t i = used; i < address.octets.size(); ++i) {
      if (address.octets[i] != 0) return refuse("an address has octets behind its end");
    }
  }
  void operator()(const Prefix& prefix) {
    (*this)(prefix.address);
    if (!prefix.address) return refuse("a prefix has no address");
    if (prefix.length > prefix.address.bits()) refuse("a prefix is longer than its address");
  }
  void operator()(const Endpoint& endpoint) {
    (*this)(endpoint.address);
    if (!endpoint.address || endpoint.port == 0) refuse("an endpoint has no address or port");
  }
  template <class E>
    requires std::is_enum_v<E>
  void operator()(E value) {
    if (!is_valid(value)) refuse("an enumeration has an unknown value");
  }
  template <class T>
  void operator()(const Slice<T>& slice) {
    const uint64_t size = uint64_t{slice.count} * sizeof(T);
    if (slice.count == 0) return;
    if (!in_bounds(slice.at, size, alignof(T))) {
      return refuse("a list lies outside the section or askew");
    }
    // But for short lists of targets, at most as large as their route, lists share no records: all
    // together they fit into the section twice. This bounds the walk over one made to waste time.
    if (size > budget_) return refuse("lists overlap");
    budget_ -= size;
    const auto* records = reinterpret_cast<const T*>(section_.data() + slice.at);
    for (uint32_t i = 0; i < slice.count && reason_.empty(); ++i) visit(records[i]);
  }

 private:
  template <class T>
  void visit(const T& record) {
    if constexpr (requires { record.each(*this); }) {
      record.each(*this);
    } else if constexpr (!std::is_arithmetic_v<T>) {
      (*this)(record);
    }
  }
  bool in_bounds(uint64_t at, uint64_t size, size_t alignment) const {
    if (size == 0) return at <= section_.size();
    return at >= sizeof(SectionHeader) && at % alignment == 0 && at <= section_.size() &&
           size <= section_.size() - at;
  }
  void refuse(std::string_view why) {
    if (reason_.empty()) reason_ = why;
  }

  Bytes section_;
  uint64_t budget_;
  std::string reason_;
};

// What the walk cannot see: numbers that index other lists, order, and the hash table. Called
// with a section whose references are sound. Empty, or what is wrong.
std::string check_references(const Section<Appliance>& section);
std::string check_references(const Section<Realms>& section);
std::string check_references(const Section<Listeners>& section);
std::string check_references(const Section<Tls>& section);
std::string check_references(const Section<Routing>& section);
std::string check_references(const Section<Signalling>& section);
std::string check_references(const Section<Management>& section);
std::string check_references(const Section<Resolver>& section);
std::string check_references(const Section<Media>& section);

}  // namespace fedge::snapshot
