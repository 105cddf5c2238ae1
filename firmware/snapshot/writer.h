// Building a section. Text and slices are added first and give references; the root record goes
// last. Equal input gives equal bytes, so an unchanged section has an unchanged checksum.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/snapshot/sections.h"

namespace fedge::snapshot {

class Writer {
 public:
  explicit Writer(Kind kind);
  // Equal texts share their bytes.
  Text text(std::string_view value);
  // What text() was given; until the next call.
  std::string_view read(Text text) const {
    return std::string_view(out_).substr(text.at, text.size);
  }
  template <class T>
  Slice<T> slice(const std::vector<T>& records) {
    if (records.empty()) return {};
    const uint32_t at = append(records.data(), records.size() * sizeof(T), kAlignment<T>);
    if constexpr (!std::has_unique_object_representations_v<T>) {
      for (size_t i = 0; i < records.size(); ++i) clear_gap(Gap<T>{}, at + i * sizeof(T));
    }
    return {at, static_cast<uint32_t>(records.size())};
  }
  // The finished section; the writer is empty afterwards. Aborts beyond 4 GiB, which no accepted
  // document comes near.
  template <class Root>
  std::string finish(const Root& root) {
    static_assert(std::has_unique_object_representations_v<Root>);
    return seal(append(&root, sizeof root, alignof(Root)));
  }

 private:
  // A record as large as a cache line, or half of one, lies in one.
  template <class T>
  static constexpr size_t kAlignment = sizeof(T) == 64 || sizeof(T) == 32 ? sizeof(T) : alignof(T);
  // The one octet between an Endpoint's address and port; no other record may have a gap.
  template <class T>
  struct Gap;
  template <class T>
  void clear_gap(Gap<T>, size_t record) {
    out_[record + Gap<T>::kAt] = 0;
  }
  uint32_t append(const void* data, size_t size, size_t alignment);
  std::string seal(uint32_t root);
  void grow_texts();

  std::string out_;
  std::vector<std::pair<uint64_t, Text>> texts_;  // open addressing by hash; size 0 is free
  size_t text_count_ = 0;
};

static_assert(sizeof(Endpoint) == 20 && offsetof(Endpoint, port) == 18);
template <>
struct Writer::Gap<Endpoint> {
  static constexpr size_t kAt = sizeof(IpAddress);
};
template <>
struct Writer::Gap<Listener> {
  static constexpr size_t kAt = offsetof(Listener, endpoint) + sizeof(IpAddress);
};

// A key section: the header of `kind` around an opaque payload.
std::string wrap_keys(Kind kind, Bytes sealed_payload);

}  // namespace fedge::snapshot
