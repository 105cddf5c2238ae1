// TCP allocations (RFC 6062, MS-TURN): the servers decide, front has the sockets.
#pragma once

#include "dataplane/media/front_records.h"
#include "dataplane/media/plan.h"
#include "dataplane/media/sessions.h"
#include "firmware/base/bytes.h"

namespace fedge::media {

// What the servers ask of front; the edge puts it into front's ring. False: it cannot now. What
// becomes of it comes back through TurnServer::on_tcp_…, for both dialects.
class TcpRelay {
 public:
  virtual ~TcpRelay() = default;
  // Of a new allocation, or with name() of one that front should know.
  virtual bool listen(const TcpListen& what) = 0;
  virtual bool name(const TcpListen& what) = 0;
  // Is not lost when it cannot be done now; drop() neither.
  virtual bool unlisten(const TcpUnlisten& what) = 0;
  virtual bool connect(const TcpConnect& what) = 0;
  // `success` goes to the client when the connections are joined.
  virtual bool bind(const TcpBind& what, Bytes success) = 0;
  // A peer's connection is not wanted.
  virtual bool drop(const TcpDrop& what) = 0;
  // MS-TURN.
  virtual bool accept(const TcpAccept& what) = 0;
  virtual bool send_to(const TcpSend& what, Bytes data) = 0;
  virtual bool set_active(const TcpActive& what, Bytes answer) = 0;
  // A message for a client that asked nothing just now.
  virtual bool send(ConnectionId client, Bytes message) = 0;
  // How long a CONNECTION-ID waits for its ConnectionBind, and a Connect for its peer, is front's:
  // 30 s both (RFC 6062 sections 5.2 and 5.3).
};

// An allocation's name towards front, never used again.
inline uint64_t allocation_name(uint32_t session, uint32_t generation) {
  return uint64_t{generation} << 32 | session;
}

// The relay port of a session with session_flag::kTcpRelay, for front to open.
TcpListen describe_relay(const Sessions& sessions, uint32_t session, const Plan& plan);

}  // namespace fedge::media
