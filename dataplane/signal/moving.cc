// Connections that change hands: all those of a peer belong to one worker.
#include <algorithm>

#include "dataplane/signal/crew.h"

namespace fedge::signal {

namespace {

// One that belongs elsewhere since a publish closes only after it has been quiet for so long.
constexpr Duration kQuiet = 500ms;

}  // namespace

// Strangers stay where their handshake was, and so does what we dialled: its trunk is here.
uint32_t Worker::owner_of(const Connection& connection) const {
  if (connection.peer == nullptr || connection.dialled()) return options_.number;
  return crew_.owner_of(generation_->host_of(connection.peer->next_hop));
}

bool Worker::is_elsewhere(const Connection& connection) const {
  return !alone_ && owner_of(connection) != options_.number;
}

// Straight after the handshake, before anything of it was looked at or answered.
void Worker::hand_over(Connection& connection, Bytes plain, Bytes cipher) {
  const uint32_t owner = owner_of(connection);
  auto visitor = std::make_shared<Visitor>();
  visitor->transport = connection.transport;
  visitor->generation = generation_;
  visitor->realm = connection.realm;
  visitor->listener = connection.listener;
  visitor->local = connection.local;
  visitor->remote = connection.remote;
  visitor->admission = connection.admission;
  visitor->is_open = true;
  visitor->tls = std::move(connection.tls);
  visitor->plain.assign(plain.begin(), plain.end());
  visitor->cipher.assign(cipher.begin(), cipher.end());
  output_.take_ciphertext(connection, visitor->unsent);
  loop_.unwatch(connection.socket.get(), connection);
  visitor->socket = std::move(connection.socket);
  --accepted_;
  forget(connection);
  statistics_.add(statistics_.moved);
  crew_.post(owner,
             [&crew = crew_, owner, visitor] { crew.worker(owner).take_in(std::move(*visitor)); });
}

// Everything of ours but the socket, the TLS stream and what others count.
void Worker::forget(Connection& connection) {
  reader_.release(connection);
  output_.release(connection);
  table_.remove(connection);
}

// Takes up where the other worker stopped. False when the connection is gone.
bool Worker::go_on(Connection& connection, const Visitor& visitor, Instant now) {
  if (!visitor.unsent.empty()) {
    output_.append(visitor.unsent);
    if (output_.send_sunk(connection, now) == Output::Drain::failed) {
      close(connection, CloseReason::reset);
      return false;
    }
  }
  Bytes plain = visitor.plain;
  while (!plain.empty()) {
    const MutableBytes room = reader_.room(connection);
    const size_t n = std::min(plain.size(), room.size());
    std::copy_n(plain.begin(), n, room.begin());
    plain = plain.subspan(n);
    if (!take(connection, n, now)) return false;
  }
  // The stream itself may hold more than was handed over.
  return !connection.uses_tls() || decrypt(connection, visitor.cipher, now);
}

// After a publish a stranger may be a peer, or a peer's host another: what is on its way over the
// connection ends here, the next connection goes to the owner.
void Worker::note_place(Connection& connection) {
  connection.misplaced = is_elsewhere(connection);
  misplaced_ |= connection.misplaced;
}

void Worker::close_misplaced(Instant now) {
  misplaced_ = false;
  for (uint32_t i = 0; i < table_.slots(); ++i) {
    Connection& connection = table_.at(i);
    if (!connection.misplaced) continue;
    if (Output::waiting(connection) > 0 || connection.framer.inside_message() ||
        now - connection.last_activity < kQuiet || is_awaited(connection)) {
      misplaced_ = true;
      continue;
    }
    close(connection, CloseReason::owner_changed);
  }
}

}  // namespace fedge::signal
