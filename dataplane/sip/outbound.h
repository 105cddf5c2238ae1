// What the proxy asks of the process around it: to send; and what it tells it. dataplane/signal
// implements it with connections, tests with a list.
#pragma once

#include <array>
#include <string_view>

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/reports.h"

namespace fedge::sip {

enum class SendOutcome : uint8_t {
  sent,    // copied into the queue of an open connection
  queued,  // copied into the queue of a connection that is still being made, or on its way to the
           // worker that has the connections of this next hop
  full,    // nothing taken: the queue is at its bound; ask again when traffic has drained
  gone,    // nothing taken: no such connection, or no connection can be made (out of descriptors,
           // next hop known to be down)
};

struct SendResult {
  SendOutcome outcome = SendOutcome::gone;
  // The one that took it, for `sent` and `queued`; 0: Proxy::on_placed() tells.
  ConnectionId connection = 0;
};

// What one SDP says of one stream of an anchored call: our ports on both sides (caller's, callee's)
// and where the sender of the SDP wants its packets. Views for the call only.
struct AnchorUpdate {
  uint64_t id = 0;    // of the stream
  uint64_t call = 0;  // of all streams of the call
  std::string_view call_id;
  bool from_caller = false;          // the SDP came from the caller's side
  std::array<uint16_t, 2> realms{};  // of the snapshot in use
  std::array<Endpoint, 2> locals{};  // RTP; RTCP on the next port
  Endpoint remote;                   // family 0: it does not say
  Endpoint remote_rtcp;
  uint8_t prefix = 0;  // leading bits of `remote` that its packets must share (RFC 7362)
  bool muxed = false;
  bool held = false;    // the sender of the SDP does not both send and receive (RFC 3264 8.4)
  bool closed = false;  // port 0
};

// `bytes` is one whole message and is copied before the call returns. Neither function calls back
// into the proxy.
class Outbound {
 public:
  virtual ~Outbound() = default;
  // On exactly this connection; outcomes are sent, full, gone.
  virtual SendOutcome send(ConnectionId connection, std::string_view bytes) = 0;
  // On a connection to `next_hop` (index into Routing::next_hops of the snapshot in use), dialled
  // if there is none, trying its endpoints in order. When `token` is not 0 and the message could
  // not be written after all, Proxy::on_send_failed(token) follows, once; a connection lost after
  // the message was written is told by Proxy::on_connection_closed only.
  virtual SendResult send_to_next_hop(uint32_t next_hop, std::string_view bytes,
                                      SendToken token) = 0;
  // Whether a next hop that is found by name is reached over IPv6 as things stand: which of our
  // addresses we name ourselves by on that side.
  virtual bool reaches_over_v6(uint32_t) { return false; }

  // Seconds since 1970: credentials for the media relay end at a time that others read, too.
  virtual int64_t wall_seconds() const { return 0; }

  // Whether this worker asks next hops of that host by OPTIONS, and tells of them: one of them
  // does, the same as long as the process runs.
  virtual bool asks_next_hop(std::string_view) const { return true; }
  // Closes a connection on which a next hop was silent; on_connection_closed() may come before this
  // returns.
  virtual void drop_connection(ConnectionId) {}
  // When `changed`, the other workers are to hear it: Proxy::note_health.
  virtual void on_hop_report(const HopReport&) {}
  // M4: the fast path is to know this of an anchored stream, and that a call's are over; of the
  // latter the other workers are to hear as well (Proxy::on_anchor_ended).
  // False: there is too much to tell, and the fast path will not know it.
  virtual bool set_anchor(const AnchorUpdate&) { return true; }
  virtual void end_anchor(uint64_t /*call*/) {}
  virtual void on_failover(const FailoverReport&) {}
};

}  // namespace fedge::sip
