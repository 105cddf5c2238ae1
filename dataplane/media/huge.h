// Anonymous memory, zeroed, in huge pages where the kernel gives them: look-ups at random miss the
// TLB otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace fedge::media {

// Aborts when there is no memory: at start only.
void* map_huge(size_t octets);
void unmap_huge(void* memory, size_t octets);
// Asks for huge pages under a mapping that is there; whether it helps is the kernel's to say.
void advise_huge(void* memory, size_t octets);

template <class T>
class HugeArray {
 public:
  explicit HugeArray(size_t count)
      : items_(static_cast<T*>(map_huge(count * sizeof(T)))), count_(count) {}
  ~HugeArray() {
    if (items_ != nullptr) unmap_huge(items_, count_ * sizeof(T));
  }
  HugeArray(HugeArray&& other) noexcept
      : items_(std::exchange(other.items_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  HugeArray& operator=(HugeArray&& other) noexcept {
    std::swap(items_, other.items_);
    std::swap(count_, other.count_);
    return *this;
  }
  T& operator[](size_t i) { return items_[i]; }
  const T& operator[](size_t i) const { return items_[i]; }
  T* data() { return items_; }
  const T* data() const { return items_; }
  size_t size() const { return count_; }

 private:
  T* items_;
  size_t count_;
};

}  // namespace fedge::media
