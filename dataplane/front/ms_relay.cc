#include "dataplane/front/ms_relay.h"

#include "firmware/wire/ms_turn/writer.h"

namespace fedge::front {

MsRelay::MsRelay(MsRelayOwner& owner, Connection& client, uint8_t of_worker, uint64_t name)
    : worker(of_worker), allocation(name), owner_(owner), client_(&client) {
  client.pair(*this);
}

void MsRelay::end() {
  if (Connection* const client = std::exchange(client_, nullptr)) client->unpair();
  let_go_of_all();
}

void MsRelay::let_go_of_all() {
  for (auto& [id, link] : std::exchange(links_, {})) {
    owner_.let_go(link.peer);
    link.peer.on_client_over();
  }
}

// --- from the client ---------------------------------------------------------------------------

void MsRelay::send(const Endpoint& remote, bool is_inside, Bytes data) {
  Peer* const peer = owner_.reach(*this, remote, is_inside);
  if (peer != nullptr && !peer->take(data) && client_ != nullptr) client_->hold();
}

void MsRelay::set_active(const Endpoint& remote, bool is_inside, Bytes answer) {
  if (client_ == nullptr) return;
  active_ = owner_.resolve(remote, is_inside);
  active_is_inside_ = is_inside;
  (void)client_->reply(answer, false);
  (void)owner_.reach(*this, active_, is_inside);
}

bool MsRelay::take(Bytes octets) {
  Peer* const peer = active_.address ? owner_.reach(*this, active_, active_is_inside_) : nullptr;
  return peer == nullptr || peer->take(octets);
}

void MsRelay::on_client_room() {
  for (auto& [id, link] : links_) link.peer.on_client_room();
}

void MsRelay::on_client_over() {
  client_ = nullptr;
  let_go_of_all();
}

// --- from peers --------------------------------------------------------------------------------

void MsRelay::link(Peer& peer) {
  peer.link(links_.try_emplace(peer.id(), *this, peer).first->second);
}

bool MsRelay::carry(const Peer& peer, Bytes octets) {
  if (client_ == nullptr) return true;
  if (is_active(peer)) return client_->carry_frame({}, octets);
  std::array<std::byte, ms_turn::kDataHeadSizeIpv6> room;
  const MutableBytes head{room.data(), ms_turn::data_head_size(peer.remote().address)};
  ms_turn::Transaction transaction{};
  std::memcpy(&transaction[8], &++transaction_, sizeof transaction_);
  if (!ms_turn::write_data_head(head, transaction, peer.remote(), octets.size())) return true;
  return client_->carry_frame(head, octets);
}

void MsRelay::resume() {
  if (client_ != nullptr) client_->resume();
}

// A stream that was begun cannot go on over another connection. MS-TURN has no word for its end but
// the end of the client's connection.
bool MsRelay::ends_client(const Peer& peer) const {
  return client_ != nullptr && is_active(peer) &&
         (peer.from_client() != 0 || peer.to_client() != 0);
}

void MsRelay::on_peer_end(Peer& peer) {
  if (ends_client(peer)) return client_->close_gently();
  links_.erase(peer.id());
  owner_.let_go(peer);
  peer.on_client_over();
}

void MsRelay::on_peer_gone(Peer& peer) {
  links_.erase(peer.id());
  if (ends_client(peer)) client_->close_gently();
}

}  // namespace fedge::front
