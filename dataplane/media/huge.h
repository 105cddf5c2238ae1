// Memory in huge pages where the kernel gives them: look-ups at random miss the TLB otherwise.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

namespace fedge::media {

inline constexpr size_t kHugePage = 2u << 20;

// Anonymous, zeroed. Aborts when there is no memory: at start only.
void* map_huge(size_t octets);
// A file's first octets, shared, so that collapse_huge() can be asked; null: as errno says.
void* map_file_huge(int fd, size_t octets);
void unmap_huge(void* memory, size_t octets);
// Makes kHugePage octets of a mapped file one page, whatever is in them, without a setting of the
// machine (MADV_COLLAPSE, Linux 6.1). It may take milliseconds, in which who touches them waits.
// False: the kernel has none to give; all works as before.
bool collapse_huge(void* at);

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
