// The answer to a request for media relay credentials ([MS-AVEDGEA] section 2.2.3), written piece
// by piece into a buffer that the caller owns.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "firmware/wire/mras/request.h"
#include "firmware/wire/xml/writer.h"

namespace fedge::mras {

// One address of a relay (section 2.2.4.4).
struct MediaRelay {
  Location location = Location::internet;
  std::string_view host;    // an FQDN or an address
  bool is_address = false;  // directIPAddress instead of hostName: what Route::direct_ip asks for
  std::optional<uint16_t> udp_port;
  std::optional<uint16_t> tcp_port;
};

struct Credentials {
  std::string_view id;  // of the CredentialsRequest
  std::string_view username;
  std::string_view password;
  uint32_t minutes = kDefaultMinutes;
  std::string_view realm;  // left out when empty
  std::span<const MediaRelay> relays;
};

// Octets that an answer without credentials needs at most, beside the id, to and from that it
// repeats, each of whose octets may become six.
inline constexpr size_t kHeadSize = 512;

class ResponseWriter {
 public:
  // `request` as read_request() left it, refused or not. With any reason but Reason::ok nothing is
  // to be added.
  ResponseWriter(std::span<char> out, const Request& request, Reason reason);

  // One for each CredentialsRequest, in their order.
  void add(const Credentials& credentials);
  // Octets of the answer; nothing when it did not fit. Nothing is to be added behind it.
  std::optional<size_t> finish();

 private:
  void add_relay(const MediaRelay& relay);

  xml::Writer writer_;
};

}  // namespace fedge::mras
