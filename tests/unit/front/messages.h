// Messages of both dialects, as octets.
#pragma once

#include <string>

#include "firmware/wire/ms_turn/stream.h"

namespace fedge::front {

// A STUN Binding request with a body of `body` octets (a multiple of four) that nobody reads here.
inline std::string stun_message(size_t body = 0, char mark = 't') {
  std::string out("\x00\x01\x00\x00\x21\x12\xa4\x42", 8);
  store_be16(&out[2], static_cast<uint16_t>(body));
  return out + std::string(12 + body, mark);
}
inline std::string channel_data(const std::string& data, bool padded) {
  std::string out("\x40\x01\x00\x00", 4);
  store_be16(&out[2], static_cast<uint16_t>(data.size()));
  out += data;
  if (padded) out.resize((out.size() + 3) / 4 * 4);
  return out;
}
inline std::string ms_frame(char type, const std::string& payload) {
  std::string out{type, 0, 0, 0};
  store_be16(&out[2], static_cast<uint16_t>(payload.size()));
  return out + payload;
}
inline std::string ms_hello() {
  static const std::array<std::byte, 32> kRandom{};
  return std::string(as_text(ms_turn::make_client_hello(kRandom)));
}
inline std::string server_hello() { return std::string(as_text(ms_turn::kServerHello)); }

}  // namespace fedge::front
