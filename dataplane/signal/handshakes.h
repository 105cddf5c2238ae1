// Whose turn it is to make a TLS handshake, among accepted connections. One that says nothing takes
// no place, however many there are; what a source has most of gives way to those who come alone.
#pragma once

#include <cstddef>
#include <cstdint>

#include "dataplane/signal/connection.h"

namespace fedge::signal {

class Handshakes {
 public:
  // Accepted; its peer has said nothing yet.
  void add(Connection& connection);
  // It has, and the handshake may begin; with `most` under way already it waits, without being
  // read. A source that has a quarter of the places waits behind those that have not.
  bool begin(Connection& connection, uint32_t most);
  // Over, or closed. Nothing happens to one that is not in here.
  void remove(Connection& connection);
  // One that has waited and may begin now; null when nobody waits or there is no place.
  Connection* next(uint32_t most);

  Connection* oldest_silent() const { return silent_.first; }
  size_t silent() const { return silent_.size; }
  // Those under way, oldest first: on by Connection::handshake_next.
  Connection* oldest() const { return working_.first; }
  size_t working() const { return working_.size; }
  size_t waiting() const { return waiting_.size + waiting_last_.size; }

 private:
  struct List {
    Connection* first = nullptr;
    Connection* last = nullptr;
    size_t size = 0;
    void add(Connection& connection);
    void remove(Connection& connection);
  };
  List& list_of(const Connection& connection);
  void move(Connection& connection, HandshakeTurn to);
  bool has_its_share(const Connection& connection, uint32_t most) const;

  List silent_, waiting_, waiting_last_, working_;
};

}  // namespace fedge::signal
