// From the proxy to connections, of this worker or of another.
#include "dataplane/signal/crew.h"

namespace fedge::signal {

bool Worker::accept_bytes(Connection& connection, std::string_view bytes) {
  const uint32_t most = generation_->limits().queue_bytes;
  if (Output::waiting(connection) + bytes.size() > most ||
      !output_.append(connection, as_bytes(bytes))) {
    statistics_.add(statistics_.queue_full);
    return false;
  }
  const bool is_way_out = connection.dialled() || connection.alias_of != nullptr;
  if (is_way_out && Output::waiting(connection) > most / 2) congested_ = &connection;
  return true;
}

sip::SendOutcome Worker::send(sip::ConnectionId id, std::string_view bytes) {
  Connection* connection = table_.find(id);
  if (connection == nullptr || connection->state != ConnectionState::open) {
    if (alone_ || id == 0 || worker_of(id) == options_.number) return sip::SendOutcome::gone;
    // CANCEL and ACK go where their INVITE went.
    const Crossing crossing{
        .kind = Crossing::Kind::to_connection, .generation = epoch_, .connection = id};
    return lanes_.send(worker_of(id), crossing, as_bytes(bytes)) ? sip::SendOutcome::sent
                                                                 : sip::SendOutcome::full;
  }
  return accept_bytes(*connection, bytes) ? sip::SendOutcome::sent : sip::SendOutcome::full;
}

sip::SendResult Worker::send_to_next_hop(uint32_t next_hop, std::string_view bytes,
                                         sip::SendToken token) {
  if (!alone_) {
    const uint32_t owner = crew_.owner_of(generation_->host_of(next_hop));
    if (owner != options_.number) return send_across(owner, next_hop, bytes, token);
  }
  return send_on_trunk(next_hop, bytes, token);
}

sip::SendResult Worker::send_on_trunk(uint32_t next_hop, std::string_view bytes,
                                      sip::SendToken token) {
  Trunk& trunk = trunk_of(next_hop);
  Connection* connection = trunk.choose();
  if (connection == nullptr || connection->retiring) {
    if (Connection* fresh = dial(trunk, loop_.now())) connection = fresh;
  }
  if (connection == nullptr) return {sip::SendOutcome::gone, 0};
  const bool open = connection->state == ConnectionState::open;
  if (!open && token != 0 && tokens_.full()) return {sip::SendOutcome::full, 0};
  if (!accept_bytes(*connection, bytes)) return {sip::SendOutcome::full, 0};
  if (!open && token != 0) tokens_.add(*connection, token);
  const sip::ConnectionId id = connection->id;
  // One connection is not enough: the next messages find another.
  if (open && congested_ == connection && trunk.size() < kMostConnections) {
    (void)dial(trunk, loop_.now());
  }
  return {open ? sip::SendOutcome::sent : sip::SendOutcome::queued, id};
}

}  // namespace fedge::signal
