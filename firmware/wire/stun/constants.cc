#include "firmware/wire/stun/constants.h"

#include <array>

#include "firmware/wire/stun/malformed.h"

namespace fedge::stun {

std::string_view reason_of(Error error) {
  switch (error) {
    case Error::try_alternate:
      return "Try Alternate";
    case Error::bad_request:
      return "Bad Request";
    case Error::unauthenticated:
      return "Unauthenticated";
    case Error::forbidden:
      return "Forbidden";
    case Error::mobility_forbidden:
      return "Mobility Forbidden";
    case Error::unknown_attribute:
      return "Unknown Attribute";
    case Error::stale_credentials:
      return "Stale Credentials";
    case Error::integrity_check_failure:
      return "Integrity Check Failure";
    case Error::missing_username:
      return "Missing Username";
    case Error::missing_realm:
      return "Missing Realm";
    case Error::missing_nonce:
      return "Missing Nonce";
    case Error::unknown_user:
      return "Unknown User";
    case Error::allocation_mismatch:
      return "Allocation Mismatch";
    case Error::stale_nonce:
      return "Stale Nonce";
    case Error::address_family_not_supported:
      return "Address Family not Supported";
    case Error::wrong_credentials:
      return "Wrong Credentials";
    case Error::unsupported_transport:
      return "Unsupported Transport Protocol";
    case Error::peer_address_family_mismatch:
      return "Peer Address Family Mismatch";
    case Error::connection_already_exists:
      return "Connection Already Exists";
    case Error::connection_timeout_or_failure:
      return "Connection Timeout or Failure";
    case Error::allocation_quota_reached:
      return "Allocation Quota Reached";
    case Error::role_conflict:
      return "Role Conflict";
    case Error::server_error:
      return "Server Error";
    case Error::insufficient_capacity:
      return "Insufficient Capacity";
  }
  return "Error";
}

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kMalformedCount> kTexts{{
    "none",
    "header_short",
    "first_bits",
    "length_multiple",
    "length_mismatch",
    "magic_cookie",
    "attribute_length",
    "attributes_many",
    "integrity_length",
    "integrity_sha256_length",
    "fingerprint_length",
    "fingerprint_not_last",
}};
static_assert(!kTexts.back().empty());

}  // namespace

std::string_view text(Malformed reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

}  // namespace fedge::stun
