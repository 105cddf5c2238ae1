#include "firmware/wire/mras/constants.h"

#include "firmware/wire/mras/malformed.h"

namespace fedge::mras {

namespace {

// In the order of the enumerations.
constexpr std::array<std::string_view, 10> kReasons{{
    "OK",
    "Request Malformed",
    "Request Too Large",
    "Not Supported",
    "Server Busy",
    "Time Out",
    "Forbidden",
    "Internal Server Error",
    "Other Failure",
    "Version Mismatch",
}};
static_assert(kReasons.size() == static_cast<size_t>(Reason::version_mismatch) + 1);

constexpr std::array<std::string_view, kMalformedCount> kTexts{{
    "none",
    "xml",
    "too_large",
    "root",
    "element",
    "attribute",
    "text",
    "request_id",
    "version",
    "address",
    "route",
    "credentials_id",
    "identity",
    "location",
    "duration",
    "credentials_none",
    "credentials_many",
    "version_unknown",
}};
static_assert(!kTexts.back().empty());

}  // namespace

std::string_view text(Location location) {
  return location == Location::internet ? "internet" : "intranet";
}

std::string_view text(Reason reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kReasons.size() ? kReasons[index] : "Other Failure";
}

std::string_view text(Malformed reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

Reason reason_of(Malformed reason) {
  switch (reason) {
    case Malformed::none:
      return Reason::ok;
    case Malformed::too_large:
    case Malformed::credentials_many:
      return Reason::request_too_large;
    case Malformed::version_unknown:
      return Reason::version_mismatch;
    default:
      return Reason::request_malformed;
  }
}

}  // namespace fedge::mras
