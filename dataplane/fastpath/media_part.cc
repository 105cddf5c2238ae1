#include "dataplane/fastpath/media_part.h"

#include <sys/random.h>

#include <algorithm>

#include "dataplane/media/sessions.h"
#include "firmware/base/log.h"

namespace fedge::fastpath {

using media::EndCause;
using media::FrontKind;

namespace {

constexpr Duration kTick = 5ms;
// How long a peer may take for what front still has for it, and for the end of TCP's connection.
constexpr Duration kFarewell = 60s;
// Front is not heard while less than this is free for what it is told: so every message of a burst
// and every event finds room for its answer.
constexpr size_t kRoomForAnswers = media::FrontRingMemory::kCapacity / 2;
// Sessions looked at in a round when signal is told of its streams.
constexpr uint32_t kToldAtOnce = 256;

}  // namespace

MediaPart::MediaPart(uint8_t worker, const MediaSurroundings& surroundings)
    : worker_(worker),
      workers_(surroundings.workers),
      tcp_relays_(surroundings.tcp_relays),
      reports_(surroundings.event),
      hops_(surroundings.mirror, reports_) {}

Result<std::unique_ptr<MediaPart>> MediaPart::open(const Fd& memory, uint8_t worker,
                                                   const MediaSurroundings& surroundings) {
  std::unique_ptr<MediaPart> part(new MediaPart(worker, surroundings));
  const uint32_t capacity = (kMostSessions + part->workers_ - 1) / part->workers_;
  auto sessions =
      media::Sessions::open(memory, worker, part->workers_, capacity, surroundings.quotas);
  if (!sessions) return std::unexpected(sessions.error());
  part->sessions_ = std::move(*sessions);
  part->sessions_->settle();
  part->open_relays();
  media::TurnServer::Setup setup;
  media::MsTurnServer::Setup ms_setup;
  for (auto* const seed : {&setup.seed, &ms_setup.seed}) {
    if (::getrandom(seed->data(), seed->size(), 0) != static_cast<ssize_t>(seed->size())) {
      return fail_errno("media", "the kernel gives no random octets");
    }
  }
  std::ranges::copy(surroundings.nonce_key, setup.seed.begin());
  part->turn_ =
      std::make_unique<media::TurnServer>(*part->sessions_, surroundings.quotas, part.get(), setup);
  part->ms_turn_ = std::make_unique<media::MsTurnServer>(*part->sessions_, surroundings.quotas,
                                                         part.get(), ms_setup);
  part->dialects_ = std::make_unique<media::Dialects>(*part->turn_, *part->ms_turn_);
  part->station_ =
      std::make_unique<media::Station>(*part->sessions_, part->hops_, *part->dialects_, part.get());
  part->icmp_ = std::make_unique<media::IcmpReports>(*part->sessions_, *part->turn_);
  return part;
}

void MediaPart::use(const media::Plan* plan, const RouteTable* routes, Instant now) {
  hops_.use(routes);
  hops_.refresh(now);
  if (plan == plan_) return;
  plan_ = plan;
  station_->adopt(plan, now);
  review_wanted_ = true;
  say_again();
}

void MediaPart::begin_round(Instant now) {
  now_ = now;
  hops_.refresh(now);
  if (orders_.any()) [[unlikely]]
    take_orders(now);
  if (now < next_tick_) return;
  next_tick_ = now + kTick;
  station_->tick(now);
  if (!unreported_ends_.empty()) report_ends();
  say_again();
  if (tell_from_ != tell_to_) tell_anchors();
  session_count_.store(sessions_->size(), std::memory_order_relaxed);
  if (now < next_second_) return;
  next_second_ = now + 1s;
  forget_relays();
  turn_->set_time_of_day(now, now_wall());
  ms_turn_->set_time_of_day(now, now_wall());
}

// --- orders ------------------------------------------------------------------------------------

void MediaPart::take_orders(Instant now) {
  for (Order& order : orders_.take()) carry_out(order, now);
}

void MediaPart::carry_out(Order& order, Instant now) {
  if (const auto* what = std::get_if<link::Anchor>(&order)) {
    anchor(*what, now);
  } else if (const auto* end = std::get_if<link::AnchorEnd>(&order)) {
    station_->end_anchor(*end);
  } else if (const auto* session = std::get_if<link::SessionEnd>(&order)) {
    if (session->worker == worker_) station_->end_session({session->index, session->generation});
  } else if (std::holds_alternative<TellAnchors>(order)) {
    tell_from_ = 0;
    tell_to_ = sessions_->mark();
  } else if (auto* ring = std::get_if<media::FrontRing>(&order)) {
    front_ = std::make_unique<media::FrontRing>(std::move(*ring));
    ++front_number_;
    named_.clear();
    // Whoever reads it hears everything anew.
    unsaid_.clear();
    names_wanted_ = false;
  }
}

// Signal hears of what could not be, and of what is not there as if it had ended.
void MediaPart::anchor(const link::Anchor& what, Instant now) {
  const auto done = station_->anchor(what, now);
  if (done) return;
  log::warning("media", "a stream of call {} is not anchored: {}", what.call_id,
               done.error().text());
  Report refusal{
      .kind = Report::Kind::anchor_refused, .address = {}, .id = what.id, .call = what.call};
  done.error().text().copy(refusal.why.data(), refusal.why.size() - 1);
  (void)reports_.push(refusal);  // else the call goes on without us
  if (sessions_->find_anchor(what.id) == media::kNone) report_end(what.id, what.call);
}

void MediaPart::tell_anchors() {
  const uint32_t end = std::min(tell_to_, tell_from_ + kToldAtOnce);
  link::AnchorHeld held;
  for (; tell_from_ < end; ++tell_from_) {
    if (station_->describe_anchor(tell_from_, held)) held_.post(held);
  }
  if (held_.any()) reports_.wake();
}

void MediaPart::report_end(uint64_t id, uint64_t call) {
  unreported_ends_.push_back(
      {.kind = Report::Kind::anchor_ended, .address = {}, .id = id, .call = call});
  report_ends();
}

// Until the control thread has taken them: signal would hold the ports for ever.
void MediaPart::report_ends() {
  size_t said = 0;
  while (said < unreported_ends_.size() && reports_.push(unreported_ends_[said])) ++said;
  unreported_ends_.erase(unreported_ends_.begin(),
                         unreported_ends_.begin() + static_cast<std::ptrdiff_t>(said));
}

void MediaPart::on_end(media::SessionId id, const media::SessionRecord& record,
                       const media::SessionDetails& details, EndCause cause) {
  turn_->on_end(id, record, details, cause);
  if ((record.flags & media::session_flag::kTcpRelay) != 0) {
    close_relay(details.relay, record.relay_port);
  }
  if (record.kind == media::SessionKind::anchor && cause != EndCause::signal) {
    report_end(details.anchor.id, details.anchor.call);
  }
}

// --- relay ports for TCP -----------------------------------------------------------------------

// Of the process before.
void MediaPart::open_relays() {
  for (uint32_t i = 0; i < sessions_->mark(); ++i) {
    const media::SessionRecord& record = sessions_->record(i);
    if (!sessions_->in_use(i) || (record.flags & media::session_flag::kTcpRelay) == 0) continue;
    tcp_relays_.add(sessions_->details(i).relay, record.relay_port);
  }
}

// The session ends, and so does this, when it is false.
bool MediaPart::listen(const media::TcpListen& what) {
  tcp_relays_.add(what.address, what.port);
  return unsaid_.empty() && push(what);
}

void MediaPart::close_relay(const media::Address& address, uint16_t port) {
  closing_relays_.push_back({now_ + kFarewell, address, port});
}

void MediaPart::forget_relays() {
  while (!closing_relays_.empty() && closing_relays_.front().until <= now_) {
    tcp_relays_.remove(closing_relays_.front().address, closing_relays_.front().port);
    closing_relays_.pop_front();
  }
}

// --- front -------------------------------------------------------------------------------------

bool MediaPart::read_front(media::Packet& packet, Instant now) {
  if (!front_) return false;
  const MutableBytes room{packet.frame, packet.room_behind};
  media::FrontRecord record;
  while (front_->out().has_room(kRoomForAnswers) && front_->in().pop(record, room)) {
    if (record.kind != FrontKind::message) {
      take_event(record, now);
    } else if (take_message(record, packet)) {
      return true;
    }
  }
  if (front_->broken()) {
    log::error("media", "front's ring is broken: it is not read any more");
    front_.reset();
    ++front_number_;
  }
  return false;
}

bool MediaPart::take_message(const media::FrontRecord& record, media::Packet& packet) const {
  const auto head = record.as<media::FrontMessage>();
  if (record.size > packet.room_behind || plan_ == nullptr) return false;
  const auto realms = plan_->realms();
  const std::string_view name = media::text_of(head.realm);
  size_t realm = head.realm_index;
  if (realm >= realms.size() || realms[realm].name != name) {
    realm = static_cast<size_t>(std::ranges::find(realms, name, &media::RealmMedia::name) -
                                realms.begin());
  }
  if (realm == realms.size() || head.connection == 0) return false;
  packet.size = static_cast<uint16_t>(record.size);
  packet.room_behind = static_cast<uint16_t>(packet.room_behind - record.size);
  packet.realm = static_cast<uint16_t>(realm);
  packet.connection = head.connection;
  packet.client = {head.client.ip(), head.client_port};
  packet.server = {head.server.ip(), head.server_port};
  packet.is_tls = head.is_tls != 0;
  packet.is_data = head.is_data != 0;
  return true;
}

void MediaPart::take_event(const media::FrontRecord& record, Instant now) {
  switch (record.kind) {
    case FrontKind::closed:
      return turn_->on_connection_closed(record.as<media::FrontClosed>().connection);
    case FrontKind::alive:
      if (named_.size() < kMostSessions) {
        named_.insert(record.as<media::FrontAlive>().connection);
      }
      return;
    case FrontKind::all_alive:
      return end_unnamed();
    case FrontKind::tcp_connected:
      return turn_->on_tcp_connected(record.as<media::TcpConnected>());
    case FrontKind::tcp_failed: {
      const auto failed = record.as<media::TcpFailed>();
      if (is_valid(failed.failure)) turn_->on_tcp_failed(failed);
      return;
    }
    case FrontKind::tcp_incoming:
      if (plan_ == nullptr) return;
      return turn_->on_tcp_incoming(record.as<media::TcpIncoming>(), *plan_, now);
    case FrontKind::tcp_there:
      if (!has_plan()) return;
      return turn_->on_tcp_there(record.as<media::TcpThere>(), *plan_);
    case FrontKind::tcp_closed:
      return turn_->on_tcp_closed(record.as<media::TcpClosed>());
    default:
      return;
  }
}

// Connections of a front that is not there any more, and their allocations.
void MediaPart::end_unnamed() {
  for (uint32_t i = 0; i < sessions_->mark(); ++i) {
    if (!sessions_->in_use(i)) continue;
    const uint64_t connection = sessions_->details(i).connection;
    if (connection != 0 && !named_.contains(connection)) sessions_->end(i, EndCause::client);
  }
  named_.clear();
  names_wanted_ = review_wanted_ = true;
  say_again();
}

bool MediaPart::push_unsaid(const Unsaid& what) {
  return std::visit([this](const auto& record) { return push(record); }, what);
}

// Without front there is nobody to tell, and a new one asks.
bool MediaPart::say(const Unsaid& what) {
  if (!front_) return false;
  if (!unsaid_.empty() || !push_unsaid(what)) unsaid_.push_back(what);
  return true;
}

void MediaPart::say_again() {
  if (!front_) return;
  while (!unsaid_.empty() && push_unsaid(unsaid_.front())) unsaid_.pop_front();
  if (!unsaid_.empty() || !has_plan()) return;
  if (names_wanted_) names_wanted_ = !turn_->name_relays(*plan_);
  if (review_wanted_ && !names_wanted_) review_wanted_ = !push(media::TcpReview{});
}

bool MediaPart::send_to_front(const media::Packet& packet) {
  return push(media::FrontReply{packet.connection, packet.is_data ? 1u : 0u},
              {packet.frame, packet.size});
}

void MediaPart::wake_front() {
  if (front_) front_->out().wake();
}

}  // namespace fedge::fastpath
