#include "dataplane/media/huge.h"

#include <sys/mman.h>

#include <cstdlib>

namespace fedge::media {

void* map_huge(size_t octets) {
  if (octets == 0) return nullptr;
  void* const memory = ::mmap(nullptr, octets, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) std::abort();
  advise_huge(memory, octets);
  return memory;
}

void unmap_huge(void* memory, size_t octets) { ::munmap(memory, octets); }

void advise_huge(void* memory, size_t octets) { (void)::madvise(memory, octets, MADV_HUGEPAGE); }

}  // namespace fedge::media
