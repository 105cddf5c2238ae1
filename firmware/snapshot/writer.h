// Building a section. Text and slices are added first and give references; the root record goes
// last. Equal input gives equal bytes, so an unchanged section has an unchanged checksum.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/snapshot/sections.h"

namespace fedge::snapshot {

class Writer {
 public:
  explicit Writer(Kind kind);
  // Equal texts share their bytes.
  Text text(std::string_view value);
  template <class T>
  Slice<T> slice(const std::vector<T>& records) {
    return {append(records.data(), records.size() * sizeof(T), alignof(T)),
            static_cast<uint32_t>(records.size())};
  }
  template <class Root>
  std::string finish(const Root& root) {
    static_assert(std::is_trivially_copyable_v<Root>);
    return seal(append(&root, sizeof root, alignof(Root)));
  }

 private:
  uint32_t append(const void* data, size_t size, size_t alignment);
  std::string seal(uint32_t root);

  std::string out_;
  std::vector<std::pair<uint64_t, Text>> texts_;  // open-addressed by hash; see writer.cc
};

// A key section: the header of `kind` around an opaque payload.
std::string wrap_keys(Kind kind, Bytes sealed_payload);

}  // namespace fedge::snapshot
