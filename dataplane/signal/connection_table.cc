#include "dataplane/signal/connection_table.h"

namespace fedge::signal {

Connection* ConnectionTable::add(ConnectionEvents& events) {
  if (free_.empty()) {
    const uint32_t first = slots();
    if (first + kBlock > (1u << kSlotBits)) return nullptr;
    blocks_.push_back(std::make_unique<std::array<Connection, kBlock>>());
    for (uint32_t i = kBlock; i-- > 0;) free_.push_back(first + i);
  }
  const uint32_t slot = free_.back();
  free_.pop_back();
  Connection& connection = at(slot);
  connection.events = &events;
  connection.slot = slot;
  connection.id = worker_bits_ | (++serial_ << kSlotBits) | slot;
  ++size_;
  return &connection;
}

void ConnectionTable::remove(Connection& connection) {
  const uint32_t slot = connection.slot;
  std::destroy_at(&connection);
  std::construct_at(&connection);
  free_.push_back(slot);
  --size_;
}

Connection* ConnectionTable::find(sip::ConnectionId id) {
  const auto slot = static_cast<uint32_t>(id & ((1u << kSlotBits) - 1));
  if (id == 0 || slot >= slots()) return nullptr;
  Connection& connection = at(slot);
  return connection.id == id ? &connection : nullptr;
}

}  // namespace fedge::signal
