#include "dataplane/signal/handshakes.h"

#include <algorithm>

#include "firmware/net/source_table.h"

namespace fedge::signal {

void Handshakes::List::add(Connection& connection) {
  connection.handshake_before = last;
  connection.handshake_next = nullptr;
  (last == nullptr ? first : last->handshake_next) = &connection;
  last = &connection;
  ++size;
}

void Handshakes::List::remove(Connection& connection) {
  Connection* const before = connection.handshake_before;
  Connection* const next = connection.handshake_next;
  (before == nullptr ? first : before->handshake_next) = next;
  (next == nullptr ? last : next->handshake_before) = before;
  --size;
}

Handshakes::List& Handshakes::list_of(const Connection& connection) {
  switch (connection.handshake) {
    case HandshakeTurn::silent:
      return silent_;
    case HandshakeTurn::waiting:
      return connection.of_busy_source ? waiting_last_ : waiting_;
    case HandshakeTurn::working:
    case HandshakeTurn::none:
      break;
  }
  return working_;
}

void Handshakes::move(Connection& connection, HandshakeTurn to) {
  if (connection.handshake != HandshakeTurn::none) list_of(connection).remove(connection);
  connection.handshake = to;
  if (to != HandshakeTurn::none) list_of(connection).add(connection);
}

void Handshakes::add(Connection& connection) { move(connection, HandshakeTurn::silent); }

void Handshakes::remove(Connection& connection) { move(connection, HandshakeTurn::none); }

bool Handshakes::begin(Connection& connection, uint32_t most) {
  if (connection.handshake == HandshakeTurn::working) return true;
  if (connection.handshake == HandshakeTurn::silent) {
    silent_.remove(connection);
    connection.handshake = HandshakeTurn::none;
    connection.of_busy_source = has_its_share(connection, most);
  }
  const bool is_free = working_.size < most;
  move(connection, is_free ? HandshakeTurn::working : HandshakeTurn::waiting);
  return is_free;
}

bool Handshakes::has_its_share(const Connection& connection, uint32_t most) const {
  const uint32_t share = std::max(most / 4, 1U);
  const IpAddress source = source_of(connection.remote.address);
  uint32_t count = 0;
  for (const Connection* c = working_.first; c != nullptr && count < share; c = c->handshake_next) {
    if (c->realm == connection.realm && source_of(c->remote.address) == source) ++count;
  }
  return count == share;
}

Connection* Handshakes::next(uint32_t most) {
  if (working_.size >= most) return nullptr;
  Connection* const found = waiting_.first != nullptr ? waiting_.first : waiting_last_.first;
  if (found != nullptr) move(*found, HandshakeTurn::working);
  return found;
}

}  // namespace fedge::signal
