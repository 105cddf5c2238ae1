// Connections by their ids. An id is never used again while anybody may remember it: it carries
// what is drawn anew at each start of the process, and a generation of its place.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/front/connection.h"

namespace fedge::front {

class ConnectionTable {
 public:
  // `epoch`: random, of the process.
  explicit ConnectionTable(uint32_t epoch) : epoch_(epoch) {}

  // A free id; reserve() keeps it until free().
  media::ConnectionId reserve();
  void put(std::unique_ptr<Connection> connection);
  // Null when there is no such connection (any more).
  Connection* find(media::ConnectionId id);
  // The connection of an id that stays taken until free().
  std::unique_ptr<Connection> take(media::ConnectionId id);
  void free(media::ConnectionId id);

  uint32_t size() const { return size_; }
  template <class F>
  void for_each(F&& f) {
    for (size_t i = 0; i < slots_.size(); ++i) {
      if (slots_[i].connection) f(*slots_[i].connection);
    }
  }
  // Places, for who goes through the table in pieces: the connection there, or null.
  size_t places() const { return slots_.size(); }
  Connection* at(size_t place) { return slots_[place].connection.get(); }

 private:
  static constexpr unsigned kPlaceBits = 20;
  static constexpr unsigned kGenerationBits = 20;
  struct Slot {
    uint32_t generation = 0;
    std::unique_ptr<Connection> connection;
  };
  media::ConnectionId id_of(size_t place) const;
  size_t place_of(media::ConnectionId id) const;  // slots_.size(): none of ours

  uint32_t epoch_;
  uint32_t size_ = 0;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
};

}  // namespace fedge::front
