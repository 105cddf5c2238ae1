// Memory of the proxy: reserved once, taken and given back without allocation. What was never
// used takes no physical memory; what was used last is used next.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>

namespace fedge::sip {

inline constexpr uint32_t kNoIndex = 0xffffffff;

// Address space whose pages appear when first touched.
class Reservation {
 public:
  explicit Reservation(size_t size) : size_(size) {
    data_ = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                 -1, 0);
    if (data_ == MAP_FAILED) std::abort();  // at start only: more asked for than can be addressed
  }
  Reservation(const Reservation&) = delete;
  Reservation& operator=(const Reservation&) = delete;
  ~Reservation() { munmap(data_, size_); }
  void* data() const { return data_; }

 private:
  void* data_;
  size_t size_;
};

// Up to `most` objects named by index, of which allow() lets fewer be taken at once. T is
// constructed the first time its place is used and destroyed with the pool; in between it is reused
// as it is. T::next links free ones and is the owner's while taken.
template <class T>
class Pool {
 public:
  explicit Pool(uint32_t most) : memory_(sizeof(T) * size_t{most}), most_(most), allowed_(most) {}
  ~Pool() { std::destroy_n(objects(), made_); }

  void allow(uint32_t count) { allowed_ = std::min(count, most_); }
  // Null when all are taken.
  T* take() {
    if (is_full()) return nullptr;
    if (free_ != kNoIndex) {
      T* const taken = objects() + free_;
      free_ = taken->next;
      ++taken_;
      return taken;
    }
    ++taken_;
    return std::construct_at(objects() + made_++);
  }
  void give(T& object) {
    object.next = free_;
    free_ = index_of(object);
    --taken_;
  }
  // Any index that was ever taken, free ones too; null otherwise.
  T* find(uint32_t index) const { return index < made_ ? objects() + index : nullptr; }
  T& operator[](uint32_t index) const { return objects()[index]; }
  uint32_t index_of(const T& object) const { return static_cast<uint32_t>(&object - objects()); }
  uint32_t taken() const { return taken_; }
  bool is_full() const { return taken_ >= allowed_; }

 private:
  T* objects() const { return static_cast<T*>(memory_.data()); }

  Reservation memory_;
  uint32_t most_;
  uint32_t allowed_;
  uint32_t made_ = 0;
  uint32_t taken_ = 0;
  uint32_t free_ = kNoIndex;
};

// Blocks of one size, counted as a Pool's objects.
class BlockPool {
 public:
  BlockPool(uint32_t most, uint32_t size)
      : memory_(size_t{most} * size), most_(most), allowed_(most), size_(size) {}
  void allow(uint32_t count) { allowed_ = std::min(count, most_); }
  // Empty when all are taken.
  std::span<char> take() {
    if (taken_ >= allowed_) return {};
    ++taken_;
    if (free_ != nullptr) {
      Free* const block = free_;
      free_ = block->next;
      return {reinterpret_cast<char*>(block), size_};
    }
    return {base() + size_t{made_++} * size_, size_};
  }
  void give(char* block) {
    free_ = new (block) Free{free_};
    --taken_;
  }
  bool owns(const char* block) const {
    return block >= base() && block < base() + size_t{most_} * size_;
  }
  uint32_t block_size() const { return size_; }

 private:
  struct Free {
    Free* next;
  };
  char* base() const { return static_cast<char*>(memory_.data()); }

  Reservation memory_;
  uint32_t most_;
  uint32_t allowed_;
  uint32_t taken_ = 0;
  uint32_t size_;
  uint32_t made_ = 0;
  Free* free_ = nullptr;
};

}  // namespace fedge::sip
