// TCP allocations (RFC 6062): the server decides, front has the sockets.
#pragma once

#include "dataplane/media/front_records.h"
#include "firmware/base/bytes.h"

namespace fedge::media {

// What the TURN server asks of front; the edge puts it into front's ring. False: it cannot now.
// What becomes of it comes back through TurnServer::on_tcp_….
class TcpRelay {
 public:
  virtual ~TcpRelay() = default;
  virtual bool listen(const TcpListen& what) = 0;
  virtual bool unlisten(const TcpUnlisten& what) = 0;
  virtual bool connect(const TcpConnect& what) = 0;
  // `success` goes to the client when the connections are joined.
  virtual bool bind(const TcpBind& what, Bytes success) = 0;
  // A peer's connection is not wanted.
  virtual bool drop(const TcpDrop& what) = 0;
  // A message for a client that asked nothing just now.
  virtual bool send(ConnectionId client, Bytes message) = 0;
  // How long a CONNECTION-ID waits for its ConnectionBind, and a Connect for its peer, is front's:
  // 30 s both (RFC 6062 sections 5.2 and 5.3).
};

// An allocation's name towards front, never used again.
inline uint64_t allocation_name(uint32_t session, uint32_t generation) {
  return uint64_t{generation} << 32 | session;
}

}  // namespace fedge::media
