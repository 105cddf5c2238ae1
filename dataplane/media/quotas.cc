#include "dataplane/media/quotas.h"

#include <algorithm>

namespace fedge::media {

namespace {

uint64_t mix(uint64_t x) {
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  x ^= x >> 32;
  x *= 0xd6e8feb86659fd93u;
  return x ^ (x >> 32);
}

}  // namespace

uint64_t source_hash(const Address& client) {
  return client.is_v4() ? mix(client.words[1]) : mix(client.words[0] ^ 0x9e3779b97f4a7c15u);
}

Quotas::Quotas(uint64_t seed) : seed_(seed), rows_(std::make_unique<std::array<Row, 4>>()) {}

uint32_t Quotas::cell(int row, uint64_t key) const {
  return static_cast<uint32_t>(mix(key ^ mix(seed_ + static_cast<uint64_t>(row)))) & (kCells - 1);
}

uint32_t Quotas::count(int kind, uint64_t key) const {
  const auto at = [&](int row) {
    return (*rows_)[static_cast<size_t>(row)][cell(row, key)].load(std::memory_order_relaxed);
  };
  return std::min(at(2 * kind), at(2 * kind + 1));
}

void Quotas::change(int kind, uint64_t key, uint32_t by) {
  for (int row = 2 * kind; row < 2 * kind + 2; ++row) {
    (*rows_)[static_cast<size_t>(row)][cell(row, key)].fetch_add(by, std::memory_order_relaxed);
  }
}

void Quotas::add(uint64_t user, uint64_t source) {
  total_.fetch_add(1, std::memory_order_relaxed);
  change(0, user, 1);
  change(1, source, 1);
}

void Quotas::remove(uint64_t user, uint64_t source) {
  total_.fetch_sub(1, std::memory_order_relaxed);
  change(0, user, 0xffffffff);
  change(1, source, 0xffffffff);
}

}  // namespace fedge::media
