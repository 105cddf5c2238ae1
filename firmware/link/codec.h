// Messages to bytes and back: fixed-width little-endian numbers, lengths before texts and lists,
// every read bounded. Decoding fails on anything left over.
#pragma once

#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "firmware/net/address.h"

namespace fedge::link {

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  template <class T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  bool operator()(const T& value) {
    out_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return true;
  }
  bool operator()(const std::string& text) {
    (*this)(static_cast<uint32_t>(text.size()));
    out_.append(text);
    return true;
  }
  bool operator()(const Endpoint& e) {
    out_.append(reinterpret_cast<const char*>(e.address.octets.data()), e.address.octets.size());
    return (*this)(e.address.family) && (*this)(e.port);
  }
  template <class T>
  bool operator()(const std::vector<T>& list) {
    (*this)(static_cast<uint32_t>(list.size()));
    for (const T& item : list) const_cast<T&>(item).visit(*this);
    return true;
  }

 private:
  std::string& out_;
};

class Decoder {
 public:
  explicit Decoder(std::string_view in) : in_(in) {}

  template <class T>
    requires(std::is_arithmetic_v<T> || std::is_enum_v<T>)
  bool operator()(T& value) {
    if (in_.size() < sizeof value) return false;
    if constexpr (std::is_same_v<T, bool>) {
      if (static_cast<unsigned char>(in_[0]) > 1) return false;
    }
    std::memcpy(&value, in_.data(), sizeof value);
    in_.remove_prefix(sizeof value);
    if constexpr (requires { is_valid(value); }) return is_valid(value);
    return true;
  }
  bool operator()(std::string& text) {
    uint32_t size = 0;
    if (!(*this)(size) || size > in_.size()) return false;
    text.assign(in_.substr(0, size));
    in_.remove_prefix(size);
    return true;
  }
  bool operator()(Endpoint& e) {
    if (in_.size() < e.address.octets.size()) return false;
    std::memcpy(e.address.octets.data(), in_.data(), e.address.octets.size());
    in_.remove_prefix(e.address.octets.size());
    return (*this)(e.address.family) && (*this)(e.port);
  }
  template <class T>
  bool operator()(std::vector<T>& list) {
    uint32_t count = 0;
    if (!(*this)(count) || count > in_.size()) return false;  // an item takes an octet or more
    list.resize(count);
    for (T& item : list) {
      if (!item.visit(*this)) return false;
    }
    return true;
  }
  bool at_end() const { return in_.empty(); }

 private:
  std::string_view in_;
};

template <class M>
std::string encode(const M& message) {
  std::string out;
  Encoder encoder(out);
  const_cast<M&>(message).visit(encoder);
  return out;
}

template <class M>
std::optional<M> decode(std::string_view payload) {
  M message;
  Decoder decoder(payload);
  if (!message.visit(decoder) || !decoder.at_end()) return std::nullopt;
  return message;
}

}  // namespace fedge::link
