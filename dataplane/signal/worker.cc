#include "dataplane/signal/worker.h"

#include <algorithm>
#include <bit>
#include <chrono>

#include "dataplane/signal/crew.h"
#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

// What one connection gets in its turn: little, so that turns come soon, and because the kernel
// tells of the last octet alone how long it waited. A TLS record fits.
constexpr size_t kReadOctets = 17 * 1024;
// What all connections together may have waiting, in and out.
constexpr size_t kOutputMemory = 128u << 20;
constexpr size_t kPartialMemory = 64u << 20;
constexpr uint32_t kMostTokens = 65536;
// A peer that has taken nothing for so long takes nothing any more.
constexpr Duration kWriteStall = 15s;
// How long a congested connection may hold back those that feed it: long enough to smooth a
// burst, too short for one dead peer to stand in everybody's way.
constexpr Duration kHold = 200ms;
constexpr Duration kBeat = 100ms;
constexpr Duration kStoppingBeat = 5ms;
constexpr size_t kLowWaterShare = 8;  // of queue_bytes, where the held back go on

Instant later(Instant from, uint32_t ms) { return from + std::chrono::milliseconds(ms); }

}  // namespace

Worker::Worker(Crew& crew, Loop& loop, Counters& counters, Exchange& exchange,
               const WorkerOptions& options)
    : crew_(crew),
      loop_(loop),
      options_(options),
      mailbox_(loop),
      statistics_(counters),
      table_(options.number),
      reader_(kPartialMemory),
      output_(kOutputMemory),
      tokens_(kMostTokens),
      announcer_(loop, table_, [this](uint16_t realm) { return generation_->realm_name(realm); }),
      proxy_({.transactions = snapshot::Signalling::kMostTransactions,
              .max_message = snapshot::Signalling::kMostMessage,
              .workers = exchange.workers()},
             loop.timers(), *this, counters, options.secret, options.number, options.route_key),
      news_(proxy_, counters),
      anchor_news_([this](uint16_t realm) { return generation_->realm_name(realm); }, counters),
      lanes_(loop, exchange, options.number, *this),
      alone_(exchange.workers() == 1),
      beat_([this](Instant) { on_beat(); }),
      cipher_(kReadOctets) {
  loop.timers().set(beat_, loop.now() + kBeat);
  if (options_.directory == nullptr) return;
  options_.directory->attach(
      options_.number, mailbox_,
      [this](const std::shared_ptr<const Found>& found) { on_found(found); });
}

Worker::~Worker() {
  for (uint32_t i = 0; i < table_.slots(); ++i) {
    Connection& connection = table_.at(i);
    if (connection.socket) loop_.unwatch(connection.socket.get(), connection);
  }
}

void Worker::catch_up(uint64_t number) {
  if (number <= epoch_) return;
  Crew::Latest latest = crew_.latest();
  epoch_ = latest.number;
  use(std::move(latest.generation));
}

void Worker::use(std::shared_ptr<const Generation> next) {
  if (generation_ != nullptr) renumber(*next);
  news_.before_use(generation_.get(), options_.reporter, loop_.now());
  // The proxy lets go of the old sections in use(), so those die last.
  proxy_.use(next->view(), loop_.now());
  news_.after_use(*next);
  const std::shared_ptr<const Generation> old = std::move(generation_);
  generation_ = std::move(next);
  const snapshot::Signalling& limits = generation_->limits();
  reader_.allow(std::min(limits.max_message, crew_.longest_message()), limits.max_connections);
  trunks_.use(*generation_);
  for (const auto& trunk : trunks_.all()) {
    if (trunk->listed() && trunk->looked_up()) want(*trunk);
  }
  check_aliases();
  close_stranded();
  announcer_.recheck_all([this](Connection& connection) {
    identify(connection);
    note_place(connection);
  });
}

// Indices into the generation in use become indices into `next`.
void Worker::renumber(const Generation& next) {
  std::vector<uint16_t> realms;
  for (uint16_t i = 0; i < generation_->realm_list().size(); ++i) {
    realms.push_back(next.find_realm_of(*generation_, i));
  }
  std::vector<uint16_t> listeners;
  for (uint16_t i = 0; i < generation_->listener_list().size(); ++i) {
    listeners.push_back(next.find_listener_of(*generation_, i));
  }
  for (uint32_t i = 0; i < table_.slots(); ++i) {
    Connection& connection = table_.at(i);
    if (connection.state == ConnectionState::unused) continue;
    connection.peer = nullptr;
    if (realms[connection.realm] == snapshot::kNone16) announcer_.on_closed(connection);
    connection.realm = realms[connection.realm];
    if (connection.listener != snapshot::kNone16) {
      connection.listener = listeners[connection.listener];
    }
  }
}

// After a publish, connections whose realm or own address it took away: nothing that is sent on
// them leaves the box any more, and nobody would tell for many minutes.
void Worker::close_stranded() {
  for (uint32_t i = 0; i < table_.slots(); ++i) {
    Connection& connection = table_.at(i);
    if (connection.state == ConnectionState::unused) continue;
    if (connection.realm == snapshot::kNone16) {
      close(connection, CloseReason::realm_gone);
    } else if (connection.state > ConnectionState::connecting &&
               !generation_->has_address(connection.realm, connection.local.address)) {
      close(connection, CloseReason::address_gone);
    }
  }
}

void Worker::flush_round() {
  const Instant now = loop_.now();
  unflushed_ = 0;
  while (Connection* connection = output_.next_dirty()) write(*connection, now);
}

void Worker::finish_round() {
  // First: media may come as soon as the SDP is read.
  if (!anchor_news_.empty()) anchor_news_.flush(announcer_.link());
  flush_round();
  if (!alone_) lanes_.ring_bells();
  announcer_.sweep();
  handshake_steps_ = 0;
  silent_.store(static_cast<uint32_t>(handshakes_.silent()), std::memory_order_relaxed);
}

void Worker::on_beat() {
  const Instant now = loop_.now();
  beats_.fetch_add(1, std::memory_order_relaxed);
  loop_.timers().set(beat_, now + (stopping_ ? kStoppingBeat : kBeat));
  if (generation_ == nullptr) return;
  if (stopping_ && !stopped_ && drained()) {
    stopped_ = true;
    crew_.report_drained();
  }
  close_retired(now);
  if (misplaced_) close_misplaced(now);
  if (handshakes_.waiting() != 0) evict_silent_handshakes(now);
  statistics_.set(statistics_.open_accepted, accepted_);
  statistics_.set(statistics_.open_dialled, table_.size() - accepted_);
  statistics_.set(statistics_.in_handshake, handshakes_.working());
  statistics_.set(statistics_.waiting_octets,
                  uint64_t{output_.pool().in_use()} * output_.pool().capacity());
  statistics_.set(statistics_.partial_messages, reader_.partials());
  if (options_.reporter != nullptr) news_.flush(*generation_, *options_.reporter, now);
}

void Worker::begin_stop() {
  stopping_ = true;
  loop_.timers().set(beat_, loop_.now());
  for (uint32_t i = 0; i < table_.slots(); ++i) {
    Connection& connection = table_.at(i);
    if (connection.socket) update_interest(connection);
  }
}

bool Worker::drained() {
  flush_round();
  bool empty = true;
  for (uint32_t i = 0; i < table_.slots(); ++i) {
    Connection& connection = table_.at(i);
    if (connection.state == ConnectionState::unused) continue;
    if (connection.state == ConnectionState::open && Output::waiting(connection) > 0) {
      empty = false;
      continue;
    }
    close(connection, CloseReason::stopping);
  }
  return empty;
}

Instant Worker::next_deadline(const Connection& connection) const {
  if (connection.state != ConnectionState::open) return connection.phase_ends;
  const snapshot::Signalling& limits = generation_->limits();
  Instant due = later(connection.last_activity, limits.idle_ms);
  if (connection.partial_since != never) {
    due = std::min(due, later(connection.partial_since, limits.partial_message_ms));
  }
  if (connection.blocked_since != never) {
    due = std::min(due, connection.blocked_since + kWriteStall);
  }
  if (connection.holds != nullptr) due = std::min(due, connection.congested_since + kHold);
  return due;
}

// The timer is only ever brought forward here; when it fires early it is set anew.
void Worker::arm(Connection& connection) {
  const Instant due = next_deadline(connection);
  if (due == never) return;
  if (connection.deadline.armed() && connection.deadline.due() <= due) return;
  loop_.timers().set(connection.deadline, due);
}

void Worker::on_connection_due(Connection& connection, Instant now) {
  if (connection.state != ConnectionState::open) {
    if (now < connection.phase_ends) return arm(connection);
    if (connection.handshake == HandshakeTurn::waiting) return make_place_for(connection, now);
    if (connection.state == ConnectionState::resolving) {
      report_down(*connection.trunk, "its name was not resolved in time");
      return give_up(connection, sip::SendFailure::connect_timed_out, now);
    }
    if (connection.dialled()) {
      return on_attempt_failed(connection, sip::SendFailure::connect_timed_out,
                               connection.state == ConnectionState::connecting
                                   ? "no answer to the connection request"
                                   : "the TLS handshake did not end in time",
                               now);
    }
    return close(connection, CloseReason::handshake_timeout);
  }
  if (connection.holds != nullptr && now >= connection.congested_since + kHold) {
    release_held(connection);
  }
  const snapshot::Signalling& limits = generation_->limits();
  if (connection.partial_since != never &&
      now >= later(connection.partial_since, limits.partial_message_ms)) {
    return close(connection, CloseReason::partial_timeout);
  }
  if (connection.blocked_since != never && now >= connection.blocked_since + kWriteStall) {
    return close(connection, CloseReason::write_stalled);
  }
  if (now >= later(connection.last_activity, limits.idle_ms)) {
    return close(connection, CloseReason::idle);
  }
  arm(connection);
}

bool Worker::write(Connection& connection, Instant now) {
  const Output::Drain drain = output_.flush(connection, now);
  if (drain == Output::Drain::failed) {
    if (connection.dialled() && connection.state != ConnectionState::open) {
      on_attempt_failed(connection, sip::SendFailure::closed, "the connection broke", now);
    } else {
      close(connection, CloseReason::reset);
    }
    return false;
  }
  if (connection.congested_since != never &&
      Output::waiting(connection) <= generation_->limits().queue_bytes / kLowWaterShare) {
    connection.congested_since = never;
    release_held(connection);
  }
  update_interest(connection);
  if (drain == Output::Drain::blocked) arm(connection);
  return true;
}

// Who sends requests and does not take the answers is not read any further until it does, or
// kWriteStall is over. Not so next hops, which owe us answers: two proxies would wait for one
// another.
bool Worker::is_glutted(const Connection& connection) const {
  return !connection.dialled() && connection.blocked_since != never &&
         Output::waiting(connection) > generation_->limits().queue_bytes / 2;
}

void Worker::update_interest(Connection& connection) {
  if (!connection.has_socket()) return;
  uint32_t wanted = 0;
  if (connection.state == ConnectionState::connecting) {
    wanted = EPOLLOUT;
  } else {
    const bool is_waiting = connection.handshake == HandshakeTurn::waiting;
    if (connection.held_by == nullptr && !stopping_ && !is_waiting && !is_glutted(connection)) {
      wanted |= EPOLLIN;
    }
    if (connection.blocked_since != never) wanted |= EPOLLOUT;
  }
  if (wanted == connection.interest) return;
  if ((wanted & ~connection.interest & EPOLLIN) != 0) connection.reading_since = loop_.now();
  connection.interest = wanted;
  loop_.change(connection.socket.get(), wanted, connection);
}

void Worker::close(Connection& connection, CloseReason why) {
  statistics_.on_closed(why);
  if (congested_ == &connection) congested_ = nullptr;
  stop_holding(connection);
  release_held(connection);
  const bool polite = why == CloseReason::idle || why == CloseReason::retired ||
                      why == CloseReason::stopping || why == CloseReason::malformed;
  if (polite && connection.state == ConnectionState::open && connection.tls != nullptr) {
    connection.tls->close_notify(output_);
    (void)output_.send_sunk(connection, loop_.now());
  }
  reader_.release(connection);
  output_.release(connection);
  tokens_.clear(connection);
  if (connection.socket) loop_.unwatch(connection.socket.get(), connection);
  if (connection.dialled()) {
    connection.trunk->remove(connection);
  } else {
    drop_alias(connection);
    --accepted_;
    end_handshake(connection, loop_.now());
    crew_.report_left(connection.admission);
  }
  announcer_.on_closed(connection);
  const sip::ConnectionId id = connection.id;
  for (uint32_t users = connection.users; users != 0; users &= users - 1) {
    tell(static_cast<uint32_t>(std::countr_zero(users)), Crossing::Kind::closed, id);
  }
  table_.remove(connection);
  proxy_.on_connection_closed(id, loop_.now());
}

// Open and silent: the next hop is asked over another one.
void Worker::drop_connection(sip::ConnectionId id) {
  Connection* const connection = table_.find(id);
  if (connection == nullptr || connection->state != ConnectionState::open) return;
  close(*connection, CloseReason::silent);
}

// --- back-pressure -----------------------------------------------------------------------------

void Worker::hold_back(Connection& feeder, Connection& congested, Instant now) {
  if (feeder.held_by != nullptr || &feeder == &congested) return;
  if (congested.congested_since == never) congested.congested_since = now;
  if (now >= congested.congested_since + kHold) return;
  statistics_.add(statistics_.held_back);
  feeder.held_by = &congested;
  feeder.held_next = congested.holds;
  congested.holds = &feeder;
  update_interest(feeder);
  arm(congested);
}

void Worker::release_held(Connection& congested) {
  while (congested.holds != nullptr) {
    Connection& feeder = *congested.holds;
    congested.holds = feeder.held_next;
    feeder.held_next = nullptr;
    feeder.held_by = nullptr;
    update_interest(feeder);
  }
}

void Worker::stop_holding(Connection& feeder) {
  if (feeder.held_by == nullptr) return;
  Connection** link = &feeder.held_by->holds;
  while (*link != &feeder) link = &(*link)->held_next;
  *link = feeder.held_next;
  feeder.held_by = feeder.held_next = nullptr;
}

}  // namespace fedge::signal
