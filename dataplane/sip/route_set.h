// Route preprocessing (RFC 3261 16.4, 16.12): takes our own values off the Route headers, undoes
// what a strict router did to the Request-URI, and says where the request wants to go next.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/identity.h"
#include "firmware/wire/sip/message.h"
#include "firmware/wire/sip/uri.h"
#include "firmware/wire/sip/writer.h"

namespace fedge::sip {

// Parameter of our Record-Route that names the next hop of its side (NextHops::key), in
// hexadecimal: a dialog finds its way after a restart, whatever hosts its Contacts name. Where a
// partner is to name that next hop, a dot and a RouteMac follow.
inline constexpr std::string_view kNextHopParameter = "nh";

struct RouteSet {
  Uri request_uri;              // as it is to be routed by
  bool uri_from_route = false;  // RFC 3261 16.4: it was the last Route
  bool maddr_is_ours = false;   // 16.4: it brought the request here, and goes with it
  uint16_t own = 0;             // values of ours on top
  uint32_t key = 0;             // next hop named by the last of them, 0 when none is
  std::string_view mac;         // what stands behind it, not checked
  bool has_next = false;        // a Route of somebody else remains
  bool next_is_strict = false;  // without "lr"
  Uri next;                     // its URI
  bool is_void = false;         // T4: a partner's that chose nothing: none of it leaves

  // How the headers change: the first `count` values of header `header` go.
  struct Drop {
    uint16_t header;
    uint16_t count;
  };
  static constexpr size_t kMostDrops = 8;
  std::array<Drop, kMostDrops> drops;
  uint16_t drop_count = 0;
  uint16_t last_header = 0;  // where the last Route value stands
  uint16_t last_header_values = 0;
  std::string_view last_value;
};

enum class RouteDefect : uint8_t { none, malformed, too_many };

// `out` starts empty.
RouteDefect read_route_set(const Message& request, const Arrival& arrival, const Identity& identity,
                           RouteSet& out);
// Brings Request-URI and Route headers into the form in which the request leaves (16.4, 16.6
// step 6). `room` holds text that the editor refers to.
void edit_routes(Editor& editor, const Message& request, const RouteSet& routes,
                 std::span<char> room);
// Takes maddr off the Request-URI, and port and transport with it (16.4).
void strip_maddr(Editor& editor, const Uri& uri);

}  // namespace fedge::sip
