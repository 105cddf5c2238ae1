// What crosses between workers: requests to a next hop of another one, responses to a request of
// another one, and what both must know of each other.
#include <bit>

#include "dataplane/signal/crew.h"
#include "dataplane/sip/branch.h"

namespace fedge::signal {

void Worker::tell(uint32_t worker, Crossing::Kind kind, sip::ConnectionId connection,
                  sip::SendToken token, uint32_t detail) {
  lanes_.send(worker, {.kind = kind,
                       .generation = epoch_,
                       .token = token,
                       .connection = connection,
                       .detail = detail});
}

// Named by its index, and by its key: the owner may run a newer generation.
sip::SendResult Worker::send_across(uint32_t owner, uint32_t next_hop, std::string_view bytes,
                                    sip::SendToken token) {
  const Crossing crossing{.kind = Crossing::Kind::to_next_hop,
                          .next_hop = proxy_.key_of_next_hop(next_hop),
                          .generation = epoch_,
                          .token = token,
                          .detail = next_hop};
  if (!lanes_.send(owner, crossing, as_bytes(bytes))) {
    statistics_.add(statistics_.crossings_full);
    return {sip::SendOutcome::full, 0};
  }
  statistics_.add(statistics_.crossed);
  return {sip::SendOutcome::queued, 0};
}

// False when the response is this worker's, or nobody's: strangers were asked nothing, and what
// they say must not fill the rings.
bool Worker::pass_on(Connection& connection, sip::PeerKind from, const sip::Message& response) {
  const auto worker = sip::worker_of_branch(response.via.branch);
  if (!worker || *worker == options_.number || *worker >= crew_.size()) return false;
  const bool is_stranger = connection.peer == nullptr && !connection.dialled();
  if (is_stranger && connection.users == 0) return false;
  const Crossing crossing{.kind = Crossing::Kind::response,
                          .generation = epoch_,
                          .connection = connection.id,
                          .detail = static_cast<uint32_t>(from)};
  const bool sent = lanes_.send(*worker, crossing, as_bytes(response.whole));
  statistics_.add(sent ? statistics_.crossed : statistics_.crossings_full);
  return true;
}

void Worker::report_failed(sip::SendToken token, sip::SendFailure why, Instant now) {
  const uint32_t worker = sip::worker_of(token);
  if (worker == options_.number) return proxy_.on_send_failed(token, why, now);
  tell(worker, Crossing::Kind::failed, 0, token, static_cast<uint32_t>(why));
}

bool Worker::asks_next_hop(std::string_view host) const {
  return alone_ || crew_.owner_of(host) == options_.number;
}

// Rare, unlike messages: a next hop has gone down or is back.
void Worker::on_hop_report(const sip::HopReport& report) {
  news_.note(report);
  if (alone_ || !report.changed) return;
  const uint32_t key = proxy_.key_of_next_hop(report.next_hop);
  for (uint32_t i = 0; i < crew_.size(); ++i) {
    if (i == options_.number) continue;
    crew_.post(i, [&crew = crew_, i, key, report] { crew.worker(i).note_health(key, report); });
  }
}

void Worker::note_health(uint32_t key, const sip::HopReport& report) {
  proxy_.note_health(key, report, loop_.now());
}

// Whoever sent on it answers, if it waits for nothing more; its bit goes then.
bool Worker::is_awaited(const Connection& connection) {
  if (proxy_.is_awaited(connection.id)) return true;
  for (uint32_t users = connection.users; users != 0; users &= users - 1) {
    tell(static_cast<uint32_t>(std::countr_zero(users)), Crossing::Kind::ask_awaited,
         connection.id);
  }
  return connection.users != 0;
}

void Worker::on_request_from(uint32_t from, const Crossing& crossing, std::string_view bytes) {
  // Keys can be equal, indices cannot: with the same generation at both ends the index counts.
  const uint32_t next_hop =
      crossing.generation == epoch_ ? crossing.detail : proxy_.find_next_hop(crossing.next_hop);
  const sip::SendResult result = next_hop == sip::kNoNextHop
                                     ? sip::SendResult{}
                                     : send_on_trunk(next_hop, bytes, crossing.token);
  if (crossing.token == 0) return;
  if (result.outcome == sip::SendOutcome::full || result.outcome == sip::SendOutcome::gone) {
    return tell(from, Crossing::Kind::failed, 0, crossing.token,
                static_cast<uint32_t>(sip::SendFailure::closed));
  }
  if (Connection* connection = table_.find(result.connection)) {
    connection->users |= static_cast<uint16_t>(1u << from);
  }
  tell(from, Crossing::Kind::placed, result.connection, crossing.token);
}

void Worker::on_crossing(uint32_t from, const Crossing& crossing, Bytes body) {
  const Instant now = loop_.now();
  // What the sender knew is known here before its words are heard.
  catch_up(crossing.generation);
  switch (crossing.kind) {
    case Crossing::Kind::to_next_hop:
      on_request_from(from, crossing, as_text(body));
      break;
    case Crossing::Kind::to_connection:
      (void)send(crossing.connection, as_text(body));
      break;
    case Crossing::Kind::response:
      if (sip::parse(as_text(body), crossed_) == sip::Defect::none) {
        sip::Arrival arrival;
        arrival.connection = crossing.connection;
        arrival.peer.kind = static_cast<sip::PeerKind>(crossing.detail);
        proxy_.on_message(arrival, crossed_, now);
      }
      break;
    case Crossing::Kind::placed:
      proxy_.on_placed(crossing.token, crossing.connection);
      break;
    case Crossing::Kind::failed:
      proxy_.on_send_failed(crossing.token, static_cast<sip::SendFailure>(crossing.detail), now);
      break;
    case Crossing::Kind::closed:
      proxy_.on_connection_closed(crossing.connection, now);
      break;
    case Crossing::Kind::ask_awaited:
      if (!proxy_.is_awaited(crossing.connection)) {
        tell(from, Crossing::Kind::not_awaited, crossing.connection);
      }
      break;
    case Crossing::Kind::not_awaited:
      if (Connection* connection = table_.find(crossing.connection)) {
        connection->users &= static_cast<uint16_t>(~(1u << from));
      }
      break;
    case Crossing::Kind::anchor_ended:
      proxy_.on_anchor_ended(crossing.token);
      break;
  }
  // Nobody who is read now has filled it.
  congested_ = nullptr;
}

}  // namespace fedge::signal
