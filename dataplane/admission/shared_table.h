// A fixed-size hash table with one writer and any number of readers that never wait: every slot
// carries a version, odd while it is being written. A key has eight possible slots (two buckets of
// four), so nothing ever moves and a reader looks at two cache lines or so.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace fedge::admission {

// Keys and values are words; a key whose words are all zero is no key.
template <size_t KeyWords, size_t ValueWords>
class SharedTable {
 public:
  using Key = std::array<uint64_t, KeyWords>;
  using Value = std::array<uint64_t, ValueWords>;

  // `most`: entries it should hold; room for twice as many. `seed` keeps others from choosing
  // keys that share their buckets.
  SharedTable(size_t most, uint64_t seed)
      : buckets_(std::bit_ceil(most / 2 + 1)), seed_(seed), slots_(buckets_ * kWays) {}

  // Writer. Adds or changes; false when all eight slots are taken by others.
  bool put(const Key& key, const Value& value) {
    Slot* room = nullptr;
    for (const size_t bucket : buckets_of(key)) {
      for (size_t way = 0; way < kWays; ++way) {
        Slot& slot = slots_[bucket * kWays + way];
        if (slot.holds(key)) {
          slot.write(key, value);
          return true;
        }
        if (room == nullptr && slot.holds(Key{})) room = &slot;
      }
    }
    if (room == nullptr) return false;
    room->write(key, value);
    ++size_;
    return true;
  }

  // Writer. False when it was not there.
  bool erase(const Key& key) {
    for (const size_t bucket : buckets_of(key)) {
      for (size_t way = 0; way < kWays; ++way) {
        Slot& slot = slots_[bucket * kWays + way];
        if (!slot.holds(key)) continue;
        slot.write(Key{}, Value{});
        --size_;
        return true;
      }
    }
    return false;
  }

  // Writer. Erases every entry of which `condition(key, value)` is true.
  template <class Condition>
  void erase_if(Condition condition) {
    for (Slot& slot : slots_) {
      Key key;
      Value value;
      slot.read(key, value);
      if (key == Key{} || !condition(key, value)) continue;
      slot.write(Key{}, Value{});
      --size_;
    }
  }

  // Any thread.
  std::optional<Value> find(const Key& key) const {
    for (const size_t bucket : buckets_of(key)) {
      for (size_t way = 0; way < kWays; ++way) {
        Key there;
        Value value;
        slots_[bucket * kWays + way].read(there, value);
        if (there == key) return value;
      }
    }
    return std::nullopt;
  }

  // Writer.
  size_t size() const { return size_; }

 private:
  static constexpr size_t kWays = 4;

  struct Slot {
    std::atomic<uint64_t> version{0};
    std::array<std::atomic<uint64_t>, KeyWords> key{};
    std::array<std::atomic<uint64_t>, ValueWords> value{};

    bool holds(const Key& other) const {
      for (size_t i = 0; i < KeyWords; ++i) {
        if (key[i].load(std::memory_order_relaxed) != other[i]) return false;
      }
      return true;
    }
    void write(const Key& new_key, const Value& new_value) {
      const uint64_t before = version.load(std::memory_order_relaxed);
      version.store(before + 1, std::memory_order_relaxed);
      std::atomic_thread_fence(std::memory_order_release);
      for (size_t i = 0; i < KeyWords; ++i) key[i].store(new_key[i], std::memory_order_relaxed);
      for (size_t i = 0; i < ValueWords; ++i) {
        value[i].store(new_value[i], std::memory_order_relaxed);
      }
      version.store(before + 2, std::memory_order_release);
    }
    void read(Key& out_key, Value& out_value) const {
      for (;;) {
        const uint64_t before = version.load(std::memory_order_acquire);
        for (size_t i = 0; i < KeyWords; ++i) out_key[i] = key[i].load(std::memory_order_relaxed);
        for (size_t i = 0; i < ValueWords; ++i) {
          out_value[i] = value[i].load(std::memory_order_relaxed);
        }
        std::atomic_thread_fence(std::memory_order_acquire);
        // The writer is a few stores from being done.
        if ((before & 1) == 0 && version.load(std::memory_order_relaxed) == before) return;
      }
    }
  };

  std::array<size_t, 2> buckets_of(const Key& key) const {
    uint64_t hash = seed_;
    for (const uint64_t word : key) {
      hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
      hash ^= hash >> 32;
    }
    const size_t first = hash & (buckets_ - 1);
    const size_t second = (hash >> 40) & (buckets_ - 1);
    return {first, first == second ? (second + 1) & (buckets_ - 1) : second};
  }

  size_t buckets_;
  uint64_t seed_;
  size_t size_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace fedge::admission
