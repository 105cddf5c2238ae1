#include "dataplane/signal/door.h"

#include <algorithm>

#include "firmware/net/socket.h"

namespace fedge::signal {

Door::Door(Loop& loop, Counters& counters, const snapshot::Signalling& limits, LetIn let_in,
           MakeRoom make_room, bool use_devices)
    : counters_(counters),
      let_in_(std::move(let_in)),
      make_room_(std::move(make_room)),
      sources_(limits.max_connections),
      listeners_(loop, "signal", use_devices,
                 [this](Fd socket, const Endpoint& remote, uint16_t listener) {
                   on_accept(std::move(socket), remote, listener);
                 }),
      accepted_total_(counters.series("fedge_signal_accepted_total")),
      refused_connections_(
          counters.series("fedge_signal_refused_connections_total{limit=\"connections\"}")),
      refused_source_(counters.series("fedge_signal_refused_connections_total{limit=\"source\"}")) {
}

Status Door::prepare(const Generation& next) {
  if (next.listener_list().size() >= snapshot::kNone16) {
    return fail("listeners", "there are more than 65534");
  }
  return listeners_.prepare(next.places());
}

void Door::commit(std::shared_ptr<const Generation> next) {
  generation_ = std::move(next);
  sources_.grow(generation_->limits().max_connections);
  realm_numbers_.clear();
  for (uint16_t i = 0; i < generation_->realm_list().size(); ++i) {
    realm_numbers_.push_back(number_of(generation_->realm_name(i)));
  }
  listeners_.commit();
}

uint16_t Door::number_of(std::string_view realm) {
  const auto it = std::ranges::find(realms_, realm);
  const auto number = static_cast<uint16_t>(it - realms_.begin());
  if (it == realms_.end()) realms_.emplace_back(realm);
  return number;
}

void Door::on_accept(Fd socket, const Endpoint& remote, uint16_t listener) {
  const snapshot::Signalling& limits = generation_->limits();
  const snapshot::Listener& record = generation_->listener_list()[listener];
  const Admission admission{realm_numbers_[record.realm], remote.address};
  // Who has said nothing makes room. Otherwise closed at once, so that the peer learns of it; the
  // limit is counted.
  if (accepted_ >= limits.max_connections && !make_room_()) {
    return counters_.add(refused_connections_);
  }
  if (sources_.connections(admission.realm, admission.source) >=
          limits.max_connections_per_source ||
      !sources_.add(admission.realm, admission.source)) {
    return counters_.add(refused_source_);
  }
  ++accepted_;
  counters_.add(accepted_total_);
  Visitor visitor;
  visitor.transport = record.transport;
  visitor.generation = generation_;
  visitor.realm = record.realm;
  visitor.listener = listener;
  visitor.local =
      record.endpoint.address.is_unspecified() ? local_endpoint(socket.get()) : record.endpoint;
  visitor.remote = remote;
  visitor.admission = admission;
  visitor.socket = std::move(socket);
  let_in_(std::move(visitor));
}

void Door::on_left(const Admission& admission) {
  --accepted_;
  sources_.remove(admission.realm, admission.source);
}

}  // namespace fedge::signal
