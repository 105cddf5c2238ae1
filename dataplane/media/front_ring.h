// The way between front and one worker of the fast path: two rings of octets in one shared memory,
// each with one writer and one reader. Neither side can bring the other down by what it writes
// there: all that is read is copied once, then checked; after anything impossible a ring is broken
// for good and gives nothing more.
//
// Front makes the memory and passes it, with the two eventfds, in link::FrontRing. Nothing here
// blocks, allocates or makes a system call but waking a reader that sleeps.
#pragma once

#include <atomic>
#include <cstdint>

#include "dataplane/media/front_records.h"
#include "firmware/base/fd.h"

namespace fedge::media {

// One direction, as it lies in the memory. Positions count octets ever written and read.
struct FrontRingHead {
  alignas(64) std::atomic<uint64_t> tail;    // the writer's
  alignas(64) std::atomic<uint64_t> head;    // the reader's
  alignas(64) std::atomic<uint32_t> asleep;  // the reader's word, which the writer takes back
};

struct FrontRingMemory {
  static constexpr uint64_t kMagic = 0x31676e6972746667;  // "gftring1"
  static constexpr size_t kCapacity = 1u << 20;           // of each direction
  alignas(64) uint64_t magic;
  FrontRingHead to_worker;
  FrontRingHead to_front;
  alignas(64) std::byte for_worker[kCapacity];
  alignas(64) std::byte for_front[kCapacity];
};

class FrontWriter {
 public:
  FrontWriter() = default;
  FrontWriter(FrontRingHead& ring, std::byte* data, int wakes)
      : ring_(&ring), data_(data), wakes_(wakes) {}

  // Appends a record. False, and nothing is appended, when it does not fit now.
  template <class Record>
  bool push(const Record& record, Bytes octets = {}) {
    static_assert(std::is_trivially_copyable_v<Record> && sizeof(Record) <= kMostFrontHead);
    return push(Record::kKind, {reinterpret_cast<const std::byte*>(&record), sizeof record},
                octets);
  }
  // Whether so many octets, heads and all, would fit now.
  bool has_room(size_t wanted);
  // After a burst of push(): wakes the reader if it sleeps.
  void wake();
  // The reader's place in the ring is impossible.
  bool broken() const { return broken_; }

 private:
  bool push(FrontKind kind, Bytes head, Bytes octets);
  void copy_in(uint64_t at, Bytes bytes);

  FrontRingHead* ring_ = nullptr;
  std::byte* data_ = nullptr;
  int wakes_ = -1;
  uint64_t tail_ = 0;
  uint64_t known_head_ = 0;
  bool pushed_ = false;
  bool broken_ = false;
};

// A copy of a record's head.
struct FrontRecord {
  FrontKind kind{};
  uint32_t size = 0;  // of its octets; more than there was room for: they were cut off, drop it
  alignas(8) std::array<std::byte, kMostFrontHead> head;

  // Record::kKind is `kind`.
  template <class Record>
  Record as() const {
    Record out;
    std::memcpy(&out, head.data(), sizeof out);
    return out;
  }
};

class FrontReader {
 public:
  FrontReader() = default;
  // `for_worker`: the kinds that this reader takes; any other breaks the ring.
  FrontReader(FrontRingHead& ring, const std::byte* data, int woken_by, bool for_worker)
      : ring_(&ring), data_(data), woken_by_(woken_by), for_worker_(for_worker) {}

  // Takes the oldest record: its head into `out`, its octets into `into`. False when there is none,
  // or the ring is broken.
  bool pop(FrontRecord& out, MutableBytes into);
  // Before the reader sleeps on its eventfd: false when there is something to pop already.
  bool may_sleep();
  // After it slept, or when the eventfd is readable.
  void on_woken();
  bool broken() const { return broken_; }

 private:
  bool look();
  void copy_out(uint64_t at, MutableBytes into) const;

  FrontRingHead* ring_ = nullptr;
  const std::byte* data_ = nullptr;
  int woken_by_ = -1;
  bool for_worker_ = false;
  uint64_t head_ = 0;
  uint64_t known_tail_ = 0;
  bool broken_ = false;
};

// Both directions, as one side holds them. The descriptors live as long as it does.
class FrontRing {
 public:
  // Front's: makes memory and eventfds. Those in fds() go to the worker.
  static Result<FrontRing> make(uint16_t worker);
  // The worker's: what came in link::FrontRing, in that order; each ring only once.
  static Result<FrontRing> attach(Fd memory, Fd wakes_worker, Fd wakes_front);

  std::array<int, 3> fds() const {
    return {memory_.get(), wakes_worker_.get(), wakes_front_.get()};
  }
  FrontWriter& out() { return out_; }
  FrontReader& in() { return in_; }
  // Readable when the other side has written and this side sleeps (FrontReader::may_sleep).
  int event() const { return is_front_ ? wakes_front_.get() : wakes_worker_.get(); }
  bool broken() const { return out_.broken() || in_.broken(); }

 private:
  Status map(bool is_front);
  FrontRingMemory& shared() const { return *reinterpret_cast<FrontRingMemory*>(mapping_.data()); }

  bool is_front_ = false;
  Fd memory_, wakes_worker_, wakes_front_;
  Mapping mapping_;
  FrontWriter out_;
  FrontReader in_;
};

}  // namespace fedge::media
