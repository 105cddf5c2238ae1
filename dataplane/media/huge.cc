#include "dataplane/media/huge.h"

#include <sys/mman.h>

#include <cstdlib>

namespace fedge::media {

namespace {

constexpr int kCollapse = 25;  // MADV_COLLAPSE, which the C library does not name yet

// Room at a multiple of huge pages; null: as errno says.
std::byte* reserve_aligned(size_t octets) {
  void* const room = ::mmap(nullptr, octets + kHugePage, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return nullptr;
  auto* const begin = static_cast<std::byte*>(room);
  const size_t before = -reinterpret_cast<uintptr_t>(room) % kHugePage;
  if (before != 0) ::munmap(begin, before);
  const size_t end = (octets + 4095) / 4096 * 4096;
  if (before + end != octets + kHugePage) {
    ::munmap(begin + before + end, octets + kHugePage - before - end);
  }
  return begin + before;
}

}  // namespace

void* map_huge(size_t octets) {
  if (octets == 0) return nullptr;
  void* const memory = reserve_aligned(octets);
  if (memory == nullptr || ::mprotect(memory, octets, PROT_READ | PROT_WRITE) != 0) std::abort();
  (void)::madvise(memory, octets, MADV_HUGEPAGE);
  return memory;
}

void* map_file_huge(int fd, size_t octets) {
  std::byte* const room = reserve_aligned(octets);
  if (room == nullptr) return nullptr;
  void* const memory =
      ::mmap(room, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

void unmap_huge(void* memory, size_t octets) { ::munmap(memory, octets); }

bool collapse_huge(void* at) {
  // The kernel passes over what has no page at all.
  (void)*static_cast<const volatile std::byte*>(at);
  return ::madvise(at, kHugePage, kCollapse) == 0;
}

}  // namespace fedge::media
