// How a message leaves (RFC 3261 16.6 and 16.7, RFC 3581, RFC 5658): the edits to a request on
// its way to a target, and to a response on its way back.
#pragma once

#include <array>
#include <span>
#include <string_view>

#include "dataplane/sip/anchor.h"
#include "dataplane/sip/arrival.h"
#include "dataplane/sip/branch.h"
#include "dataplane/sip/identity.h"
#include "dataplane/sip/route_mac.h"
#include "dataplane/sip/route_set.h"
#include "firmware/wire/sip/message.h"
#include "firmware/wire/sip/writer.h"

namespace fedge::sip {

// One end of the path through this edge.
struct PathEnd {
  const Side* side = nullptr;
  uint32_t next_hop = 0;  // key of the system at that end; 0 when it is none
  std::string_view mac;   // RouteMac of it, when a partner may name it; empty otherwise
};

// Text that an Editor refers to until it has written.
struct ForwardRoom {
  std::array<char, 512> via;
  std::array<char, 512> record_in;
  std::array<char, 512> record_out;
  RouteMacText mac_in;
  RouteMacText mac_out;
  AnchorText anchor;
  std::array<char, 4> max_forwards;
  std::array<char, 4> max_breadth;
  std::array<char, 96> received;
  std::array<char, 16> rport;
  std::array<char, kMostHead> route;  // a strict router takes the Request-URI, however long
};

// Requests that form or refresh a dialog are recorded.
bool is_recorded(Method method);

// What a request that we send is called by: its branch, and the Max-Breadth it carries.
struct Leaving {
  Branch branch;
  uint32_t breadth = 0;
  std::string_view anchor = {};  // of its media: write_anchor(), or nothing
};

// A request as it arrived: Route, Max-Forwards, Max-Breadth (RFC 5393), received and rport, two
// Record-Routes (RFC 5658: one per side, the outgoing one on top), Via.
void edit_request(Editor& editor, const Message& request, const RouteSet& routes,
                  const Arrival& arrival, const PathEnd& in, const PathEnd& out,
                  const Leaving& leaving, ForwardRoom& room);
// A request as it went to another target before: only what names the outgoing side changes, and
// Max-Breadth.
void edit_repeated(Editor& editor, const Message& sent, const PathEnd& out, const Leaving& leaving,
                   ForwardRoom& room);
// A response loses our Via; 503 becomes 500.
void edit_response(Editor& editor, const Message& response);

// ";received=192.0.2.1" as the top Via of a request deserves it (RFC 3261 18.2.1); empty when it
// needs none.
std::string_view received_parameter(const Message& request, const Endpoint& remote,
                                    std::span<char> room);

}  // namespace fedge::sip
