// Everything that travels between processes. A message is one SOCK_SEQPACKET datagram: kind,
// fields, and up to kMostFds descriptors. Bodies larger than kMostBytes travel as memfds.
// Each struct lists its fields in visit(); codec.h turns that into bytes and back, bounded.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firmware/link/process.h"
#include "firmware/net/address.h"

namespace fedge::link {

inline constexpr size_t kMostBytes = 64 * 1024;
inline constexpr size_t kMostFds = 32;

enum class MessageKind : uint16_t {
  ready = 1,         // child → init: start-up done, sandbox entered
  link_opened,       // init → child: a link to another process; fd: the socket
  counters,          // init → child: its own page (writable), fd; init → control: each one's
  snapshot_offer,    // init → process, control → init: sections, one fd each
  snapshot_running,  // forwarder → init: runs it (or refuses it, with the reason)
  publish_state,     // init → control: what one forwarder answered or lost
  process_state,     // init → control: a process started, failed, stopped
  sealing_key,       // init → control and those who have keys; fd: 32 bytes
  tap_queue,         // init → fastpath: a realm's tap; fd
  netlink_socket,    // init → fastpath: rtnetlink inside the punt namespace; fd
  listening_socket,  // init → agent: a management socket; fd
  stop,              // init → child: finish and exit
  api_request,       // agent → control; fd: body, if any
  api_reply,         // control → agent; fd: body, if any
  peer_connected,    // signal → fastpath: we connect to, or accepted and named, this peer
  peer_gone,         // signal → fastpath
  next_hop_state,    // signal → control: who answers and who does not
  failover,          // signal → control: a request went to another target
  name_found,        // signal → control: where next hops are that are found by name
  session_memory,    // init → fastpath (writable), control (read-only): a worker's records; fd
  neighbour_wanted,  // fastpath → init: look for this neighbour and keep looking
  session_end,       // control → fastpath: the operator ends a session
  anchor,            // signal → fastpath: an anchored stream begins or changes
  anchor_end,        // signal → fastpath: it is over; fastpath → signal: it ended by silence
  anchor_held,       // fastpath → signal: one that is there, told when the link opens
  front_ring,        // front → fastpath: a worker's ring; fds
  fastpath_workers,  // fastpath → front: how many rings it wants
};

struct Ready {
  static constexpr auto kKind = MessageKind::ready;
  template <class V>
  bool visit(V&) {
    return true;
  }
};

struct LinkOpened {  // 1 fd
  static constexpr auto kKind = MessageKind::link_opened;
  Process peer{};
  template <class V>
  bool visit(V& v) {
    return v(peer);
  }
};

struct CounterPages {  // 1 fd
  static constexpr auto kKind = MessageKind::counters;
  Process writer{};
  template <class V>
  bool visit(V& v) {
    return v(writer);
  }
};

struct SectionRef {
  snapshot::Kind kind{};
  uint64_t checksum[2]{};
  template <class V>
  bool visit(V& v) {
    return v(kind) && v(checksum[0]) && v(checksum[1]);
  }
};

// `generation` counts every snapshot ever offered and orders them; `revision` is the operator's
// number (two generations of one revision differ in certificates). Sections are complete: an
// unchanged one is the same descriptor's duplicate with the same checksum.
struct SnapshotOffer {  // fds: one per section, in the order of `sections`
  static constexpr auto kKind = MessageKind::snapshot_offer;
  uint64_t generation = 0;
  uint64_t revision = 0;
  std::vector<SectionRef> sections;
  template <class V>
  bool visit(V& v) {
    return v(generation) && v(revision) && v(sections);
  }
};

struct SnapshotRunning {
  static constexpr auto kKind = MessageKind::snapshot_running;
  uint64_t generation = 0;
  uint64_t revision = 0;
  bool accepted = false;
  std::string reason;  // why not
  template <class V>
  bool visit(V& v) {
    return v(generation) && v(revision) && v(accepted) && v(reason);
  }
};

struct PublishState {
  static constexpr auto kKind = MessageKind::publish_state;
  Process process{};
  uint64_t generation = 0;  // what it runs now; 0: nothing (not running, or refused)
  uint64_t revision = 0;
  bool accepted = false;
  std::string reason;
  template <class V>
  bool visit(V& v) {
    return v(process) && v(generation) && v(revision) && v(accepted) && v(reason);
  }
};

struct ProcessState {
  static constexpr auto kKind = MessageKind::process_state;
  Process process{};
  bool up = false;
  uint32_t pid = 0;
  uint32_t restarts = 0;
  std::string detail;  // how it ended last, in words
  template <class V>
  bool visit(V& v) {
    return v(process) && v(up) && v(pid) && v(restarts) && v(detail);
  }
};

struct SealingKey {  // 1 fd
  static constexpr auto kKind = MessageKind::sealing_key;
  Process owner{};  // control is given those of the others as well
  template <class V>
  bool visit(V& v) {
    return v(owner);
  }
};

struct TapQueue {  // 1 fd, non-blocking, frames without virtio header (IFF_NO_PI)
  static constexpr auto kKind = MessageKind::tap_queue;
  std::string realm;
  uint16_t queue = 0;
  template <class V>
  bool visit(V& v) {
    return v(realm) && v(queue);
  }
};

struct NetlinkSocket {  // 1 fd
  static constexpr auto kKind = MessageKind::netlink_socket;
  template <class V>
  bool visit(V&) {
    return true;
  }
};

struct ListeningSocket {  // 1 fd
  static constexpr auto kKind = MessageKind::listening_socket;
  std::string endpoint;
  template <class V>
  bool visit(V& v) {
    return v(endpoint);
  }
};

struct Stop {
  static constexpr auto kKind = MessageKind::stop;
  template <class V>
  bool visit(V&) {
    return true;
  }
};

struct ApiRequest {  // 0 or 1 fd: the body
  static constexpr auto kKind = MessageKind::api_request;
  uint64_t id = 0;
  std::string method, path, query, token, if_match, content_type, client;
  bool announces = false;  // only asks whether its body may come: 100, or why not
  template <class V>
  bool visit(V& v) {
    return v(id) && v(method) && v(path) && v(query) && v(token) && v(if_match) &&
           v(content_type) && v(client) && v(announces);
  }
};

struct ApiReply {  // 0 or 1 fd: the body
  static constexpr auto kKind = MessageKind::api_reply;
  uint64_t id = 0;
  uint16_t status = 0;
  std::string content_type, etag, location, allow;
  template <class V>
  bool visit(V& v) {
    return v(id) && v(status) && v(content_type) && v(etag) && v(location) && v(allow);
  }
};

// Realms by name: the two processes may be at different generations.
struct PeerConnected {
  static constexpr auto kKind = MessageKind::peer_connected;
  std::string realm;
  Endpoint remote;
  bool trusted = false;  // its certificate named a configured peer
  template <class V>
  bool visit(V& v) {
    return v(realm) && v(remote) && v(trusted);
  }
};

struct PeerGone {
  static constexpr auto kKind = MessageKind::peer_gone;
  std::string realm;
  Endpoint remote;
  template <class V>
  bool visit(V& v) {
    return v(realm) && v(remote);
  }
};

// One worker's session records (session_records.h), kept over restarts. An empty memfd is
// the fast path's to size; it is sparse.
struct SessionMemory {  // 1 fd
  static constexpr auto kKind = MessageKind::session_memory;
  uint16_t worker = 0;
  uint16_t workers = 0;
  template <class V>
  bool visit(V& v) {
    return v(worker) && v(workers);
  }
};

struct NeighbourWanted {
  static constexpr auto kKind = MessageKind::neighbour_wanted;
  std::string realm;
  Endpoint neighbour;  // the port means nothing
  template <class V>
  bool visit(V& v) {
    return v(realm) && v(neighbour);
  }
};

struct SessionEnd {
  static constexpr auto kKind = MessageKind::session_end;
  uint16_t worker = 0;
  uint32_t index = 0;
  uint32_t generation = 0;
  template <class V>
  bool visit(V& v) {
    return v(worker) && v(index) && v(generation);
  }
};

// What an SDP says of its sender's side of a stream.
enum class StreamState : uint8_t {
  as_before,
  active,
  held,    // its sender does not both send and receive now: silence means nothing
  closed,  // port 0: nothing passes until both sides say where they are once more
};
constexpr bool is_valid(StreamState s) { return s <= StreamState::closed; }

// One side of an anchored stream (M4): ours, and what the other end's SDP says. Signal picks the
// ports, of a pool that is for anchoring; both sides' even ports have the same
// (port >> 1) % workers.
struct AnchorSide {
  std::string realm;
  Endpoint local;  // RTP; RTCP is on the next port
  // Family 0: as it was before; not known yet when the stream is new. Each SDP tells of its
  // sender's side only.
  Endpoint remote;
  Endpoint remote_rtcp;
  uint8_t prefix = 0;  // leading bits of remote's address that its packets must share
  bool muxed = false;  // RFC 5761
  StreamState state = StreamState::as_before;
  template <class V>
  bool visit(V& v) {
    return v(realm) && v(local) && v(remote) && v(remote_rtcp) && v(prefix) && v(muxed) && v(state);
  }
};

struct Anchor {
  static constexpr auto kKind = MessageKind::anchor;
  uint64_t id = 0;      // signal's, random
  uint64_t call = 0;    // hash of the Call-ID: all streams of a call
  std::string call_id;  // its beginning, for the operator
  AnchorSide caller;
  AnchorSide callee;
  template <class V>
  bool visit(V& v) {
    return v(id) && v(call) && v(call_id) && caller.visit(v) && callee.visit(v);
  }
};

struct AnchorHeld : Anchor {
  static constexpr auto kKind = MessageKind::anchor_held;
};

struct AnchorEnd {
  static constexpr auto kKind = MessageKind::anchor_end;
  uint64_t id = 0;  // 0: every stream of the call
  uint64_t call = 0;
  // From the fast path. Not empty: why what signal wanted of the stream cannot be; it stays as it
  // was, or is not there.
  std::string refused;
  template <class V>
  bool visit(V& v) {
    return v(id) && v(call) && v(refused);
  }
};

// Said once, when the link opens; a ring for each worker is the answer.
struct FastpathWorkers {
  static constexpr auto kKind = MessageKind::fastpath_workers;
  uint16_t count = 0;  // 1 to 8
  template <class V>
  bool visit(V& v) {
    return v(count);
  }
};

// A pair of rings between front and one worker (dataplane/media/front_ring.h). Another one for the
// same worker takes the place of the first.
struct FrontRing {  // 3 fds: the memory, what wakes the worker, what wakes front
  static constexpr auto kKind = MessageKind::front_ring;
  uint16_t worker = 0;
  template <class V>
  bool visit(V& v) {
    return v(worker);
  }
};

// What names a next hop to another process: as in Routing::next_hops, whatever the snapshot.
struct NextHopName {
  std::string host;
  std::string realm;
  uint16_t port = 0;
  bool tls = false;
  bool by_dns = false;  // its addresses are not listed: another next hop than one with a list
  template <class V>
  bool visit(V& v) {
    return v(host) && v(realm) && v(port) && v(tls) && v(by_dns);
  }
  friend auto operator<=>(const NextHopName&, const NextHopName&) = default;
};

enum class HopState : uint8_t { unknown, up, recovering, down };
constexpr bool is_valid(HopState s) { return s <= HopState::down; }

struct NextHopState {
  static constexpr auto kKind = MessageKind::next_hop_state;
  NextHopName next_hop;
  HopState state{};
  std::string reason;  // in words: why it is, or was last, down
  int64_t since = 0;   // seconds since 1970; likewise the next
  int64_t probed = 0;  // 0: it was never asked
  template <class V>
  bool visit(V& v) {
    return next_hop.visit(v) && v(state) && v(reason) && v(since) && v(probed);
  }
};

// What the name of next hops leads to, in words.
struct NameFound {
  static constexpr auto kKind = MessageKind::name_found;
  std::string lookup;  // as snapshot::describe_lookup()
  uint16_t port = 0;
  std::string addresses;  // "192.0.2.1:5061, [2001:db8::1]:5061"
  std::string trouble;    // why there are none, or why they may be out of date
  template <class V>
  bool visit(V& v) {
    return v(lookup) && v(port) && v(addresses) && v(trouble);
  }
};

struct Failover {
  static constexpr auto kKind = MessageKind::failover;
  int64_t time = 0;  // seconds since 1970
  std::string method;
  std::string rule;  // JSON path in the topology
  NextHopName from;
  NextHopName to;
  std::string reason;
  std::string call_id;  // its beginning
  template <class V>
  bool visit(V& v) {
    return v(time) && v(method) && v(rule) && from.visit(v) && to.visit(v) && v(reason) &&
           v(call_id);
  }
};

}  // namespace fedge::link
