// Every way in which a request for credentials can be refused before anybody looks at who asks.
#pragma once

#include <cstdint>
#include <string_view>

#include "firmware/wire/mras/constants.h"

namespace fedge::mras {

enum class Malformed : uint8_t {
  none,
  xml,               // no XML, or XML that xml::Reader refuses
  too_large,         // beyond xml::Reader's limits
  root,              // not <request> in the right namespace
  element,           // one that the schema does not have there, or has once, or earlier
  attribute,         // one that the schema does not have there
  text,              // text where only elements may be, or elements where only text may be
  request_id,        // missing, empty, or longer than kLongestId
  version,           // missing, or not "1.0"
  address,           // from or to is missing or no SIP URI
  route,             // neither loadbalanced nor directip
  credentials_id,    // credentialsRequestID: as request_id
  identity,          // missing or empty
  location,          // neither intranet nor internet
  duration,          // no positive integer
  credentials_none,  // no credentialsRequest
  credentials_many,  // more than kMostCredentials
  version_unknown,   // none of kVersions
};
inline constexpr int kMalformedCount = static_cast<int>(Malformed::version_unknown) + 1;

// The label of the counter: "credentials_id".
std::string_view text(Malformed reason);
// What the client is told; Reason::ok for none.
Reason reason_of(Malformed reason);

}  // namespace fedge::mras
