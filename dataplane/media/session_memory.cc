// Memory of an earlier process: what of it holds, and what does not. Nothing in it is believed.
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "dataplane/media/quotas.h"
#include "dataplane/media/sessions.h"

namespace fedge::media {

Sessions::Sessions(Quotas& quotas, uint8_t worker, uint8_t workers, uint32_t capacity)
    : quotas_(quotas),
      worker_(worker),
      workers_(workers),
      no_plan_(Plan::none()),
      index_(capacity),
      wheel_(capacity),
      free_next_(capacity),
      capacity_(capacity) {
  plan_ = no_plan_.get();
  (void)::getrandom(random_.data(), sizeof random_, 0);
  random_[0] |= 1;
}

Sessions::~Sessions() {
  if (memory_ != nullptr) unmap_huge(memory_, memory_size_);
}

Result<std::unique_ptr<Sessions>> Sessions::open(const Fd& memory, uint8_t worker, uint8_t workers,
                                                 uint32_t capacity, Quotas& quotas) {
  std::unique_ptr<Sessions> sessions(new Sessions(quotas, worker, workers, capacity));
  if (auto mapped = sessions->map(memory); !mapped) return std::unexpected(mapped.error());
  sessions->adopt();
  return sessions;
}

Status Sessions::map(const Fd& memory) {
  const auto layout = Layout::of(capacity_, capacity_ * kPeersPerSession);
  struct stat state{};
  if (::fstat(memory.get(), &state) != 0) return fail_errno("session memory", "cannot look at it");
  // It only grows: others have it mapped.
  if (state.st_size < static_cast<off_t>(layout.size) &&
      ::ftruncate(memory.get(), static_cast<off_t>(layout.size)) != 0) {
    return fail_errno("session memory", "cannot size it", "give the machine more memory");
  }
  void* const at = map_file_huge(memory.get(), layout.size);
  if (at == nullptr) return fail_errno("session memory", "cannot map it");
  memory_ = static_cast<std::byte*>(at);
  memory_size_ = layout.size;
  header_ = reinterpret_cast<MemoryHeader*>(memory_);
  records_ = reinterpret_cast<SessionRecord*>(memory_ + layout.records);
  peers_ = reinterpret_cast<PeerRecord*>(memory_ + layout.peers);
  details_ = reinterpret_cast<SessionDetails*>(memory_ + layout.details);

  const MemoryHeader& header = *header_;
  const bool is_ours = header.magic == MemoryHeader::kMagic &&
                       header.format == MemoryHeader::kFormat && header.worker == worker_ &&
                       header.workers == workers_ && header.capacity == capacity_ &&
                       header.peers == capacity_ * kPeersPerSession &&
                       header.session_mark <= header.capacity && header.peer_mark <= header.peers;
  if (is_ours) return {};
  adoption_.foreign = state.st_size != 0;
  if (adoption_.foreign && ::fallocate(memory.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                                       std::max<off_t>(state.st_size, 1)) != 0) {
    return fail_errno("session memory", "cannot empty it");
  }
  *header_ = {};
  header_->format = MemoryHeader::kFormat;
  header_->worker = worker_;
  header_->workers = workers_;
  header_->capacity = capacity_;
  header_->peers = capacity_ * kPeersPerSession;
  header_->magic = MemoryHeader::kMagic;
  return {};
}

// Takes sessions over one by one; friend of Sessions.
class Adopter {
 public:
  explicit Adopter(Sessions& sessions)
      : sessions_(sessions), is_listed_(sessions.header_->peer_mark) {}

  void run() {
    sessions_.header_->sessions = 0;
    // From the end, so that the lowest free record is taken first.
    for (uint32_t i = sessions_.mark(); i-- > 0;) {
      SessionRecord& record = sessions_.records_[i];
      if (record.kind != SessionKind::free) {
        if (holds(i)) {
          keep(i);
          continue;
        }
        ++sessions_.adoption_.damaged;
        const uint32_t generation = record.generation + 1;
        record = {};
        record.generation = std::max(generation, 1u);
        sessions_.details_[i].turn = {};
      }
      sessions_.free_next_[i] = sessions_.free_session_;
      sessions_.free_session_ = i;
    }
    free_peers();
  }

 private:
  bool holds(uint32_t session);
  bool takes_peers(uint32_t session);
  bool is_own_port(uint16_t port) const {
    return port == 0 || owner_of_port(port, sessions_.workers_) == sessions_.worker_;
  }
  bool has_client(const SessionRecord& record, const SessionDetails& details) const;
  bool has_anchor(const SessionRecord& record, const AnchorDetails& anchor) const;
  bool is_alone(uint32_t session) const;
  void keep(uint32_t session);
  void free_peers();

  Sessions& sessions_;
  std::vector<bool> is_listed_;
};

bool Adopter::holds(uint32_t session) {
  SessionRecord& record = sessions_.records_[session];
  const SessionDetails& details = sessions_.details_[session];
  if (record.kind > SessionKind::anchor || record.transport > ClientTransport::tls) return false;
  if (!is_own_port(record.relay_port) || !is_own_port(record.second_relay_port)) return false;
  const bool whole = record.kind == SessionKind::anchor ? has_anchor(record, details.anchor)
                                                        : has_client(record, details);
  if (!whole || !is_alone(session)) return false;
  const bool is_stray = (record.flags & session_flag::kStray) != 0;
  Strays& strays = sessions_.quotas_.strays();
  if (is_stray && !strays.add(sessions_.key_of(session), sessions_.worker_)) return false;
  if (takes_peers(session)) return true;
  if (is_stray) strays.remove(sessions_.key_of(session), sessions_.worker_);
  return false;
}

bool Adopter::has_client(const SessionRecord& record, const SessionDetails& details) const {
  const bool by_udp = record.transport == ClientTransport::udp;
  if (by_udp != (details.connection == 0) || !record.client) return false;
  if (details.turn.key_size > details.turn.key.size()) return false;
  const bool holds_next = (record.flags & session_flag::kHoldsNextPort) != 0;
  if (holds_next && (record.relay_port == 0 || record.relay_port % 2 != 0)) return false;
  const bool is_stray = (record.flags & session_flag::kStray) != 0;
  return is_stray == sessions_.is_strays(record.transport, record.client, record.client_port);
}

bool Adopter::has_anchor(const SessionRecord& record, const AnchorDetails& anchor) const {
  if (record.relay_port != 0 || record.second_relay_port != 0 || record.peers != 0) return false;
  if (record.flags != 0 || record.transport != ClientTransport::udp) return false;
  for (size_t leg = 0; leg < 2; ++leg) {
    const uint16_t port = anchor.ends[0][leg].local_port;
    if (port == 0 || port % 2 != 0 || !is_own_port(port)) return false;
    if (anchor.ends[1][leg].local_port != port + 1) return false;
    if (anchor.legs[leg].prefix_bits > 128 || !anchor.legs[leg].local) return false;
  }
  return true;
}

// No other that was kept is found in its place.
bool Adopter::is_alone(uint32_t session) const {
  const SessionRecord& record = sessions_.records_[session];
  const SessionDetails& details = sessions_.details_[session];
  if (record.kind == SessionKind::anchor) {
    return sessions_.find_anchor(details.anchor.id) == kNone;
  }
  if (details.connection != 0) return sessions_.find_connection(details.connection) == kNone;
  return sessions_.index_.find(sessions_.key_of(session), [&](uint32_t i) {
    const SessionRecord& other = sessions_.records_[i];
    return other.client == record.client && other.client_port == record.client_port &&
           other.server_port == record.server_port &&
           sessions_.details_[i].server == details.server;
  }) == kNone;
}

// Marks the session's peers as listed; a list that leads anywhere else, or twice to one, is none.
bool Adopter::takes_peers(uint32_t session) {
  SessionRecord& record = sessions_.records_[session];
  uint32_t count = 0;
  bool whole = true;
  uint32_t i = record.first_peer;
  for (; i != kNone; i = sessions_.peers_[i].next) {
    whole = i < is_listed_.size() && !is_listed_[i] && count < Sessions::kMostPeers;
    if (!whole) break;
    is_listed_[i] = true;
    ++count;
    PeerRecord& peer = sessions_.peers_[i];
    peer.next_hop = kNone;
    peer.plan = 0;
  }
  if (whole) {
    record.peers = count;
    record.hot = {};
    return true;
  }
  for (uint32_t j = record.first_peer; count != 0; j = sessions_.peers_[j].next, --count) {
    is_listed_[j] = false;
  }
  return false;
}

void Adopter::keep(uint32_t session) {
  SessionRecord& record = sessions_.records_[session];
  record.plan = 0;
  record.user_bits = static_cast<uint32_t>(sessions_.details_[session].user);
  sessions_.file(session);
  sessions_.schedule(session);
  sessions_.quotas_.add(sessions_.details_[session].user, source_hash(record.client));
  ++sessions_.header_->sessions;
  ++sessions_.adoption_.adopted;
}

void Adopter::free_peers() {
  for (uint32_t i = sessions_.header_->peer_mark; i-- > 0;) {
    if (is_listed_[i]) continue;
    sessions_.peers_[i] = {};
    sessions_.peers_[i].next = sessions_.free_peer_;
    sessions_.free_peer_ = i;
  }
}

void Sessions::adopt() { Adopter(*this).run(); }

// A part's pages up to one behind the last that is used: a huge page that nobody touched yet costs
// a tenth of a millisecond, one in use ten times as much and who touches it waits.
void Sessions::settle_part(size_t part, void* begin, uint64_t used, uint64_t size) {
  const uint64_t wanted = std::min(used / kHugePage + 2, size / kHugePage);
  for (uint64_t& done = settled_[part]; done < wanted; ++done) {
    if (!collapse_huge(static_cast<std::byte*>(begin) + done * kHugePage)) return;
  }
}

void Sessions::settle() {
  const auto sessions = std::atomic_ref(header_->session_mark).load(std::memory_order_relaxed);
  const auto peers = std::atomic_ref(header_->peer_mark).load(std::memory_order_relaxed);
  const auto layout = Layout::of(capacity_, capacity_ * kPeersPerSession);
  settle_part(0, records_, sessions * sizeof *records_, layout.peers - layout.records);
  settle_part(1, peers_, peers * sizeof *peers_, layout.details - layout.peers);
  settle_part(2, details_, sessions * sizeof *details_, layout.size - layout.details);
}

}  // namespace fedge::media
