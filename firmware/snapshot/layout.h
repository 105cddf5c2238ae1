// What a snapshot section is made of: plain records, and references by offset from the start of
// the section. A section is immutable, position-independent and checksummed; a reader checks it
// once, whole (reader.h), and then follows references without further checks.
#pragma once

#include <cstdint>
#include <type_traits>

namespace fedge::snapshot {

// Sections by kind. A kind is a file name beside the revision and a memfd on a link.
enum class Kind : uint16_t {
  appliance = 1,
  realms = 2,
  listeners = 3,
  tls = 4,
  routing = 5,
  signalling = 6,
  management = 7,
  resolver = 8,
  media = 9,
  // Private keys, encrypted for one process (pki/seal.h): opaque here.
  keys_signal = 100,
  keys_agent = 101,
  keys_fastpath = 102,
  keys_front = 103,
};

struct SectionHeader {
  static constexpr uint32_t kMagic = 0x53474546;  // "FEGS"
  static constexpr uint16_t kFormat = 5;          // of the records below; any change counts up
  uint32_t magic;
  uint16_t format;
  uint16_t kind;
  uint64_t size;         // whole section, header included
  uint64_t checksum[2];  // XXH3-128 of the section with these two words zero
  uint32_t root;         // offset of the kind's root record
  uint32_t reserved;
};
static_assert(sizeof(SectionHeader) == 40);

// A run of bytes: text in UTF-8, or DER where the field says so.
struct Text {
  uint32_t at = 0;
  uint32_t size = 0;
};

// A run of records of type T, aligned to alignof(T).
template <class T>
struct Slice {
  static_assert(std::is_trivially_copyable_v<T>);
  uint32_t at = 0;
  uint32_t count = 0;
};

}  // namespace fedge::snapshot
