// Constants of STUN and of what builds on its messages: RFC 8489 (STUN), 3489 (classic STUN),
// 5780 (NAT behaviour), 8656 (TURN), 6062 (TURN over TCP), 8016 (mobility), 8445 (ICE).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace fedge::stun {

inline constexpr uint16_t kPort = 3478;
inline constexpr uint32_t kMagicCookie = 0x2112a442;
inline constexpr uint32_t kFingerprintMask = 0x5354554e;  // RFC 8489 section 14.7
inline constexpr size_t kTransactionIdSize = 12;
inline constexpr size_t kHmacSha1Size = 20;
inline constexpr size_t kHmacSha256Size = 32;
inline constexpr size_t kSmallestHmacSha256 = 16;  // RFC 8489 section 14.6: truncated, by fours
inline constexpr size_t kUserhashSize = 32;
// RFC 8489 sections 14.3 to 14.10, in octets.
inline constexpr size_t kLongestUsername = 508;
inline constexpr size_t kLongestRealm = 763;
inline constexpr size_t kLongestNonce = 763;
inline constexpr size_t kLongestReason = 763;

// Nonces with this cookie carry 24 security feature bits, the first of them leftmost (RFC 8489
// sections 9.2 and 18.1).
inline constexpr std::string_view kNonceCookie = "obMatJos2";
inline constexpr size_t kNonceCookieSize = 13;  // with the bits as four characters of base64
inline constexpr uint32_t kPasswordAlgorithmsBit = 0x800000;
inline constexpr uint32_t kUsernameAnonymityBit = 0x400000;  // USERHASH is understood

enum class Class : uint8_t { request, indication, success, error };

enum class Method : uint16_t {
  binding = 0x001,
  shared_secret = 0x002,  // RFC 3489 only
  allocate = 0x003,
  refresh = 0x004,
  send = 0x006,
  data = 0x007,
  create_permission = 0x008,
  channel_bind = 0x009,
  connect = 0x00a,  // RFC 6062
  connection_bind = 0x00b,
  connection_attempt = 0x00c,
};

enum class Type : uint16_t {
  // Comprehension-required.
  mapped_address = 0x0001,
  response_address = 0x0002,  // RFC 3489
  change_request = 0x0003,    // RFC 5780
  source_address = 0x0004,    // RFC 3489
  changed_address = 0x0005,   // RFC 3489
  username = 0x0006,
  password = 0x0007,  // RFC 3489
  message_integrity = 0x0008,
  error_code = 0x0009,
  unknown_attributes = 0x000a,
  reflected_from = 0x000b,  // RFC 3489
  channel_number = 0x000c,
  lifetime = 0x000d,
  xor_peer_address = 0x0012,
  data = 0x0013,
  realm = 0x0014,
  nonce = 0x0015,
  xor_relayed_address = 0x0016,
  requested_address_family = 0x0017,
  even_port = 0x0018,
  requested_transport = 0x0019,
  dont_fragment = 0x001a,
  access_token = 0x001b,  // RFC 7635, not spoken here
  message_integrity_sha256 = 0x001c,
  password_algorithm = 0x001d,
  userhash = 0x001e,
  xor_mapped_address = 0x0020,
  reservation_token = 0x0022,
  priority = 0x0024,       // ICE
  use_candidate = 0x0025,  // ICE
  padding = 0x0026,        // RFC 5780
  response_port = 0x0027,  // RFC 5780
  connection_id = 0x002a,  // RFC 6062
  // Comprehension-optional.
  additional_address_family = 0x8000,
  address_error_code = 0x8001,
  password_algorithms = 0x8002,
  alternate_domain = 0x8003,
  icmp = 0x8004,
  classic_xor_mapped_address = 0x8020,  // of drafts behind RFC 3489; some clients read only it
  software = 0x8022,
  alternate_server = 0x8023,
  fingerprint = 0x8028,
  ice_controlled = 0x8029,
  ice_controlling = 0x802a,
  response_origin = 0x802b,            // RFC 5780
  other_address = 0x802c,              // RFC 5780
  third_party_authorization = 0x802e,  // RFC 7635
  mobility_ticket = 0x8030,            // RFC 8016
};

enum class Error : uint16_t {
  try_alternate = 300,
  bad_request = 400,
  unauthenticated = 401,
  forbidden = 403,
  mobility_forbidden = 405,  // RFC 8016
  unknown_attribute = 420,
  stale_credentials = 430,  // RFC 3489 and drafts of its successor; MS-TURN, likewise to 436
  integrity_check_failure = 431,
  missing_username = 432,
  missing_realm = 434,
  missing_nonce = 435,
  unknown_user = 436,
  allocation_mismatch = 437,
  stale_nonce = 438,
  address_family_not_supported = 440,
  wrong_credentials = 441,
  unsupported_transport = 442,
  peer_address_family_mismatch = 443,
  connection_already_exists = 446,  // RFC 6062
  connection_timeout_or_failure = 447,
  allocation_quota_reached = 486,
  role_conflict = 487,  // ICE
  server_error = 500,
  insufficient_capacity = 508,
};
// The phrase that IANA registers, or the old RFC has: "Stale Nonce".
std::string_view reason_of(Error error);

enum class Family : uint8_t { ipv4 = 1, ipv6 = 2 };

// RFC 8489 section 18.5.
enum class Algorithm : uint16_t { md5 = 1, sha256 = 2 };

// CHANGE-REQUEST, RFC 5780 section 7.2.
inline constexpr uint32_t kChangeIp = 4;
inline constexpr uint32_t kChangePort = 2;

}  // namespace fedge::stun
