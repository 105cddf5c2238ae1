// What attributes' values say (RFC 8489 section 14). Every reader takes a value as the message
// has it and gives nothing when it has not the form or the length that its type prescribes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/net/address.h"
#include "firmware/wire/stun/message.h"

namespace fedge::stun {

// MAPPED-ADDRESS and its like.
std::optional<Endpoint> read_address(Bytes value);
// XOR-MAPPED-ADDRESS and its like: hidden behind the transaction (RFC 8489 section 14.2). The
// same for drafts that had no cookie: there the first octets are the transaction id's.
std::optional<Endpoint> read_xor_address(Bytes value, const Transaction& transaction);

// Numbers that are the whole value.
std::optional<uint32_t> read_number(Bytes value);       // four octets
std::optional<uint64_t> read_long_number(Bytes value);  // eight: ICE-CONTROLLING, tokens

struct ErrorCode {
  uint16_t code = 0;  // 300 to 699
  std::string_view reason;
};
std::optional<ErrorCode> read_error_code(Bytes value);

// Types of UNKNOWN-ATTRIBUTES into `out`; returns how many there are, at most out.size().
std::optional<size_t> read_unknown_attributes(Bytes value, std::span<uint16_t> out);

struct PasswordAlgorithm {
  uint16_t algorithm = 0;  // may be none that Algorithm names
  Bytes parameters;        // of those none has any
  bool is(Algorithm a) const { return algorithm == static_cast<uint16_t>(a) && parameters.empty(); }
};
// Takes the next algorithm off PASSWORD-ALGORITHMS. False at the end and where the list is
// broken; `rest` is empty only in the first case.
bool take_password_algorithm(Bytes& rest, PasswordAlgorithm& algorithm);
// PASSWORD-ALGORITHM: exactly one.
std::optional<PasswordAlgorithm> read_password_algorithm(Bytes value);

// RESPONSE-PORT (RFC 5780 section 7.5), with or without its padding in the length.
std::optional<uint16_t> read_response_port(Bytes value);

// A nonce's security feature bits; nothing when it has no cookie (RFC 8489 section 9.2).
std::optional<uint32_t> read_security_features(std::string_view nonce);
// The cookie with the bits, for the beginning of a nonce.
void write_nonce_cookie(std::span<char, kNonceCookieSize> out, uint32_t features);

}  // namespace fedge::stun
