#include "dataplane/front/connection_table.h"

namespace fedge::front {

namespace {

constexpr uint64_t mask(unsigned bits) { return (uint64_t{1} << bits) - 1; }

}  // namespace

// Never 0: that means UDP.
media::ConnectionId ConnectionTable::id_of(size_t place) const {
  constexpr unsigned kEpochAt = kPlaceBits + kGenerationBits;
  const uint64_t epoch = (epoch_ & mask(63 - kEpochAt)) | uint64_t{1} << (63 - kEpochAt);
  return epoch << kEpochAt | (slots_[place].generation & mask(kGenerationBits)) << kPlaceBits |
         place;
}

size_t ConnectionTable::place_of(media::ConnectionId id) const {
  const size_t place = id & mask(kPlaceBits);
  return place < slots_.size() && id_of(place) == id ? place : slots_.size();
}

media::ConnectionId ConnectionTable::reserve() {
  if (free_.empty()) {
    if (slots_.size() > mask(kPlaceBits)) return 0;
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t place = free_.back();
  free_.pop_back();
  return id_of(place);
}

void ConnectionTable::put(std::unique_ptr<Connection> connection) {
  const size_t place = place_of(connection->id());
  slots_[place].connection = std::move(connection);
  ++size_;
}

Connection* ConnectionTable::find(media::ConnectionId id) {
  const size_t place = place_of(id);
  return place == slots_.size() ? nullptr : slots_[place].connection.get();
}

std::unique_ptr<Connection> ConnectionTable::take(media::ConnectionId id) {
  const size_t place = place_of(id);
  if (place == slots_.size() || !slots_[place].connection) return nullptr;
  --size_;
  return std::move(slots_[place].connection);
}

void ConnectionTable::free(media::ConnectionId id) {
  const size_t place = place_of(id);
  if (place == slots_.size()) return;
  ++slots_[place].generation;
  free_.push_back(static_cast<uint32_t>(place));
}

}  // namespace fedge::front
