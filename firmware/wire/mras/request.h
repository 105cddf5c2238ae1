// A request for media relay credentials as views ([MS-AVEDGEA] sections 2.2.2 and 3.1.5): strict by
// its schema. Whether who asks may have them is the service's to say.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/wire/mras/constants.h"
#include "firmware/wire/mras/malformed.h"
#include "firmware/wire/xml/reader.h"

namespace fedge::mras {

struct CredentialsRequest {
  std::string_view id;        // credentialsRequestID, repeated in the answer
  std::string_view identity;  // whose credentials: a SIP URI as clients write it, not checked
  std::optional<Location> location;
  std::optional<uint32_t> minutes;  // as asked: from 1; more than 32 bits hold is their largest
};

class Request {
 public:
  std::string_view id;            // requestID
  std::string_view version_text;  // as the client wrote it
  Version version;
  std::string_view to;    // the service
  std::string_view from;  // who asks, which need not be the identities
  Route route = Route::load_balanced;

  // From one to kMostCredentials, in the request's order.
  std::span<const CredentialsRequest> credentials() const { return {store_.data(), count_}; }

 private:
  friend Malformed read_request(std::string_view body, xml::Reader& reader, Request& out);
  void clear();
  Malformed read_attributes(const xml::Document& document, const xml::Element& root);
  Malformed read_credentials(const xml::Document& document, const xml::Element& root);

  std::array<CredentialsRequest, kMostCredentials> store_;  // [0, count_) is set
  size_t count_ = 0;
};

// Views lead into the reader: they stay until its next read(). With anything but Malformed::none
// there are no credentials to give, and `out` is good for ResponseWriter only.
Malformed read_request(std::string_view body, xml::Reader& reader, Request& out);

}  // namespace fedge::mras
