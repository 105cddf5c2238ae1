// Media of one worker: everything behind "is this frame ours?". The edge hands in frames and
// framed messages in bursts and does what each Packet's fate says. Nothing here allocates, locks,
// logs or looks at a clock.
#pragma once

#include <memory>
#include <span>

#include "dataplane/media/counts.h"
#include "dataplane/media/next_hops.h"
#include "dataplane/media/packet.h"
#include "dataplane/media/records.h"
#include "firmware/base/result.h"
#include "firmware/base/time.h"
#include "firmware/link/messages.h"

namespace fedge::media {

class EndListener;  // sessions.h
class Plan;         // plan.h
class Sessions;     // sessions.h

// A datagram to one of our listeners, or a message of front: not ChannelData or a Send indication
// that could be relayed at once.
struct Request {
  Request(Packet& carrier, MutableBytes bytes) : packet(carrier), message(bytes) {}

  Packet& packet;
  // The message: inside `packet`'s frame (behind Ethernet, IP and UDP), or all of it (front).
  MutableBytes message;
  // Octets that an answer may have at most, written from message.data() on.
  size_t room = 0;
  uint16_t server = 0;  // place among Plan::locals
  uint16_t server_port = 0;
  Address client;
  uint16_t client_port = 0;
  ip::Mac client_mac{};  // of the frame; zero: front
  // The session of this five-tuple or connection, or kNone.
  uint32_t session = 0;
  // Out, of a request without an answer: what of the message goes to a peer of the session
  // (MS-TURN's Send).
  struct Carried {
    uint32_t peer = kNone;  // its record; kNone: nothing
    uint16_t port = 0;
    uint16_t at = 0;
    uint16_t size = 0;
  } carried;
  // Out, likewise: the worker whose session it is about, when that is another one. The message is
  // as it came then.
  uint8_t owner = kOwn;
  static constexpr uint8_t kOwn = 0xff;
};

// The TURN and MS-TURN servers, called once for each request.
class StunHandler {
 public:
  virtual ~StunHandler() = default;
  // Returns the size of the answer, which was written over request.message: the station puts the
  // headers before it and turns it around. 0: none, then what request.carried names is relayed, or
  // the packet is dropped for `packet.reason`.
  virtual size_t on_stun(Request& request, const Plan& plan, Instant now) = 0;
};

class Station {
 public:
  // A worker of sessions.workers(): see owner_of_port() and owner_of_client(). `ends` is told of
  // sessions that end; may be null. All arguments outlive the station.
  Station(Sessions& sessions, NextHops& next_hops, StunHandler& stun, EndListener* ends);
  ~Station();

  // From now on; the old plan is not used any more when this returns.
  void adopt(const Plan* plan, Instant now);

  // Frames of ports, at most 32. Sets each one's fate. With Fate::hand_over the frame is as it
  // came, and the worker named takes it with process() as well.
  void process(std::span<Packet> burst, Instant now);
  // Ends what is due. Called every few milliseconds; bounded work.
  void tick(Instant now);

  // Anchored streams (M4), asked for by signal and told to every worker: those of others are
  // passed over. A stream with an id that is held changes.
  Status anchor(const link::Anchor& what, Instant now);
  void end_anchor(const link::AnchorEnd& what);
  // The i-th session's, when it is an anchored stream: for AnchorHeld. `i` below Sessions::mark().
  bool describe_anchor(uint32_t i, link::Anchor& out) const;
  // The operator ends a session.
  void end_session(SessionId id);

  const StationCounts& counts() const;

 private:
  struct Parts;
  Status check_remote(const Endpoint& remote) const;
  void expect(uint16_t local, const IpAddress& remote);
  Result<uint16_t> find_side(const link::AnchorSide& side) const;
  Result<uint32_t> begin_anchor(const link::Anchor& what, const std::array<uint16_t, 2>& locals,
                                Instant now);

  Sessions& sessions_;
  const Plan* plan_ = nullptr;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fedge::media
