#include "dataplane/front/front.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "dataplane/media/sessions.h"
#include "firmware/base/log.h"
#include "firmware/net/socket.h"

namespace fedge::front {

namespace {

constexpr size_t kRoom = 32 * 1024;
// They cost a millisecond each, for which the messages of all others wait.
constexpr uint32_t kHandshakesPerRound = 4;
// What the kernel may hold unsent: as Connection::kMostWaiting, media does not keep.
constexpr int kMostUnsent = 64 * 1024;
// A client that is gone without a word is found out in two minutes.
constexpr int kKeepAliveAfter = 60, kKeepAliveEvery = 15, kKeepAliveProbes = 4;

void set_option(const Fd& fd, int level, int name, int value) {
  ::setsockopt(fd.get(), level, name, &value, sizeof value);
}

void prepare_socket(const Fd& fd) {
  set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kMostUnsent);
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveAfter);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, kKeepAliveEvery);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, kKeepAliveProbes);
}

Candidate candidate_of(const Connection& connection) {
  return {connection.id(), connection.realm_number, connection.source};
}

}  // namespace

Front::Front(Loop& loop, Counters& counters, const FrontOptions& options)
    : loop_(loop),
      options_(options),
      statistics_(counters),
      table_(options.epoch),
      listeners_(loop, "front", options.use_devices,
                 [this](Fd socket, const Endpoint& remote, uint16_t listener) {
                   on_accept(std::move(socket), remote, generation_->listeners[listener]);
                 }),
      rings_(loop, [this](uint8_t worker, const media::FrontRecord& record,
                          Bytes octets) { on_record(worker, record, octets); }),
      relays_(loop, rings_, statistics_,
              {.use_devices = options.use_devices,
               .first_peer = options.epoch,
               .wait = options.peer_wait}),
      catch_up_([this](Instant) { catch_up(); }),
      next_round_([](Instant) {}),
      cipher_room_(kRoom),
      plain_room_(kRoom) {
  loop_.at_round_end([this] { on_round_end(); });
}

// What relays close may end connections of clients: while all of this is there.
Front::~Front() {
  relays_.close_all();
  loop_.at_round_end({});
}

Status Front::use(std::shared_ptr<const Generation> next) {
  if (auto done = listeners_.prepare(next->places()); !done) return done;
  if (!sources_) {
    sources_ = std::make_unique<SourceTable>(next->limits.max_connections);
    handshakes_ = std::make_unique<Handshakes>(next->limits.max_connections);
  }
  waits_ = next->waits();
  listeners_.commit();
  generation_ = std::move(next);
  relays_.use(generation_);
  close_lost_realms();
  return {};
}

void Front::close_lost_realms() {
  table_.for_each([this](Connection& connection) {
    const std::string_view realm = media::text_of(connection.head().realm);
    const auto realms = generation_->realms.items(generation_->realms.root().realms);
    const bool is_there = std::ranges::any_of(realms, [&](const snapshot::Realm& r) {
      return generation_->realms.text(r.name) == realm;
    });
    if (!is_there) connection.close(CloseReason::realm_gone);
  });
}

uint16_t Front::number_of(std::string_view realm) {
  const auto it = std::ranges::find(realms_, realm);
  const auto number = static_cast<uint16_t>(it - realms_.begin());
  if (it == realms_.end()) realms_.emplace_back(realm);
  return number;
}

// The one that has been silent longest goes.
bool Front::make_room() {
  while (!silent_.empty()) {
    Connection* const oldest = table_.find(silent_.front());
    silent_.pop_front();
    if (oldest == nullptr || oldest->spoke()) continue;
    oldest->close(CloseReason::made_room);
    return true;
  }
  return false;
}

// Who is refused is closed at once, so that the client learns of it.
void Front::on_accept(Fd socket, const Endpoint& remote, const Listener& listener) {
  const snapshot::Signalling& limits = generation_->limits;
  if (table_.size() >= limits.max_connections && !make_room()) {
    return statistics_.add(statistics_.refused_connections);
  }
  const uint16_t realm = number_of(listener.realm);
  // A larger limit than at the start would outgrow the table, which then refuses new sources.
  if (sources_->connections(realm, remote.address) >= limits.max_connections_per_source ||
      !sources_->add(realm, remote.address)) {
    return statistics_.add(statistics_.refused_source);
  }
  prepare_socket(socket);
  media::FrontMessage head;
  head.connection = table_.reserve();
  head.realm = media::realm_name(listener.realm);
  head.realm_index = listener.realm_index;
  head.client = media::Address::of(remote.address);
  head.client_port = remote.port;
  const Endpoint server = local_endpoint(socket.get());
  head.server = media::Address::of(server.address);
  head.server_port = server.port;
  auto connection =
      std::make_unique<Connection>(loop_, *this, std::move(socket), head, listener.context);
  connection->realm_number = realm;
  connection->source = remote.address;
  if (workers_ != 0) {
    connection->worker = media::owner_of_client(head.client, head.client_port, workers_);
  }
  statistics_.add(statistics_.accepted);
  silent_.push_back(head.connection);
  Connection& there = *connection;
  table_.put(std::move(connection));
  if (!there.start()) there.close(CloseReason::reset);
}

void Front::on_passed_over(Connection&) { statistics_.add(statistics_.too_long); }

bool Front::may_handshake(Connection& asking) {
  // None this round any more: it waits for the next.
  const uint32_t most =
      handshakes_begun_ < kHandshakesPerRound ? generation_->limits.max_handshakes : 0;
  if (!handshakes_->begin(candidate_of(asking), most)) return false;
  ++handshakes_begun_;
  return true;
}

void Front::on_handshake_over(Connection& of, bool good) {
  handshakes_->end(candidate_of(of));
  statistics_.add(good ? statistics_.handshakes_good : statistics_.handshakes_failed);
}

void Front::start_handshakes() {
  if (!generation_) return;
  handshakes_begun_ = 0;
  while (handshakes_begun_ < kHandshakesPerRound) {
    const auto candidate = handshakes_->next(generation_->limits.max_handshakes);
    if (!candidate) break;
    if (Connection* const next = table_.find(candidate->connection)) {
      ++handshakes_begun_;
      next->start_handshake();
    } else {
      handshakes_->end(*candidate);
    }
  }
  const bool again = handshakes_->waiting() != 0 && handshakes_begun_ == kHandshakesPerRound;
  if (again) loop_.timers().set(next_round_, loop_.now());
  handshakes_begun_ = 0;
}

void Front::schedule(Connection& connection) {
  if (std::exchange(connection.is_scheduled, true)) return;
  dirty_.push_back(&connection);
}

void Front::on_over(Connection& connection, CloseReason why) {
  statistics_.add(statistics_.closed[static_cast<size_t>(why)]);
  sources_->remove(connection.realm_number, connection.source);
  dead_.push_back(table_.take(connection.id()));
  if (!connection.told) return table_.free(connection.id());
  closed_.push_back({connection.worker, connection.id()});
  tell_closed();
}

void Front::on_round_end() {
  start_handshakes();
  for (size_t i = 0; i < dirty_.size(); ++i) {
    dirty_[i]->is_scheduled = false;
    dirty_[i]->flush();
  }
  dirty_.clear();
  dead_.clear();
  relays_.on_round_end();
  rings_.wake();
  if (needs_to_catch_up() && !catch_up_.armed()) loop_.timers().set(catch_up_, loop_.now() + 1ms);
  if (stopped_ && table_.size() == 0) std::exchange(stopped_, {})();
}

void Front::beat() {
  statistics_.counters.set(statistics_.connections, table_.size());
  relays_.beat();
  for (uint8_t i = 0; i < rings_.count(); ++i) {
    if (!rings_.broken(i)) continue;
    statistics_.add(statistics_.rings_broken);
    log::error("front", "the ring with worker {} of the fast path is damaged; a new one is made",
               i);
    if (auto done = rings_.make_again(i); done) {
      introductions_[i] = {};
      relays_.expect_names(i);
      give_ring(i);
      catch_up();
    } else {
      log::error("front", "{}", done.error().text());
    }
  }
}

void Front::begin_stop(std::function<void()> done) {
  stopped_ = std::move(done);
  listeners_.close_all();
  relays_.close_all();
  table_.for_each([](Connection& connection) { connection.close_gently(); });
  loop_.timers().set(next_round_, loop_.now());
}

}  // namespace fedge::front
