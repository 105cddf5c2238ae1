// Every wire constant of SIP in one place: names, limits, ports (RFC 3261, 3581, 5626, 5393).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "firmware/wire/sip/message.h"

namespace fedge::sip {

inline constexpr std::string_view kVersion = "SIP/2.0";
inline constexpr std::string_view kBranchCookie = "z9hG4bK";  // RFC 3261 8.1.1.7
inline constexpr std::string_view kCrlf = "\r\n";
inline constexpr std::string_view kPing = "\r\n\r\n";  // RFC 5626 3.5.1
inline constexpr std::string_view kPong = "\r\n";

inline constexpr uint16_t kPort = 5060;
inline constexpr uint16_t kTlsPort = 5061;
inline constexpr int32_t kMaxForwards = 70;  // RFC 3261 16.6 step 3: when the header is absent
// RFC 5393 5.3.3: when the header is absent, and the most that is taken from anybody.
inline constexpr int32_t kMaxBreadth = 60;
inline constexpr uint32_t kMostCseq = 0x7fffffff;

// What a stream may carry, in octets. A head above its limit cannot be answered; a message above
// its limit is answered with 513.
inline constexpr size_t kMostHead = 16 * 1024;
inline constexpr size_t kMostMessage = 128 * 1024;
inline constexpr size_t kMostSkipped = 16 * 1024 * 1024;

// The name as we write it; empty for HeaderId::other.
std::string_view name_of(HeaderId id);
// Any case, long or compact form; HeaderId::other when unknown.
HeaderId header_id_of(std::string_view name);

// Empty for Method::other.
std::string_view name_of(Method method);
// The phrase of RFC 3261 section 21 and later; "Unknown" for a code without one.
std::string_view reason_of(uint16_t status);

}  // namespace fedge::sip
