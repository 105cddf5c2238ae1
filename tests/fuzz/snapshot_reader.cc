// A snapshot section of any content: opened as every kind, as it is and with its header made to
// fit, so that the checks behind the checksum are reached. What opens is then used.
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/snapshot/checksum.h"
#include "firmware/snapshot/reader.h"
#include "firmware/snapshot/routes.h"

using namespace fedge;
using namespace fedge::snapshot;

namespace {

// Touches everything a section refers to.
class Toucher {
 public:
  explicit Toucher(Bytes section) : section_(section) {}
  void operator()(const Text& text) {
    for (uint32_t i = 0; i < text.size; ++i)
      sum_ = sum_ + std::to_integer<int>(section_[text.at + i]);
  }
  template <class T>
  void operator()(const Slice<T>& slice) {
    const auto* records = reinterpret_cast<const T*>(section_.data() + slice.at);
    for (uint32_t i = 0; i < slice.count; ++i) {
      if constexpr (requires { records[i].each(*this); }) {
        records[i].each(*this);
      } else {
        (*this)(records[i]);
      }
    }
  }
  template <class T>
  void operator()(const T& value) {
    sum_ = sum_ + *reinterpret_cast<const unsigned char*>(&value);
  }

 private:
  Bytes section_;
  volatile int sum_ = 0;
};

template <class Root>
void open_as(std::string& bytes) {
  SectionHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.magic = SectionHeader::kMagic;
  header.format = SectionHeader::kFormat;
  header.kind = static_cast<uint16_t>(Root::kKind);
  header.size = bytes.size();
  header.reserved = 0;
  std::memcpy(bytes.data(), &header, sizeof header);
  const auto checksum = checksum_of(as_bytes(bytes));
  std::memcpy(bytes.data() + offsetof(SectionHeader, checksum), checksum.data(), 16);
  const auto section = Section<Root>::open(as_bytes(bytes));
  if (!section) return;
  Toucher toucher(as_bytes(bytes));
  section->root().each(toucher);
  if constexpr (std::is_same_v<Root, Routing>) {
    (void)find_route(*section, "alice", "a.b.example.com");
    for (const Route& route : section->items(section->root().routes)) {
      (void)find_route(*section, "", section->text(route.pattern));
    }
    const std::string_view names[] = {"fe1.example.com"};
    (void)find_peer(*section, names, 0);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  for (const Kind kind : {Kind::realms, Kind::routing, Kind::keys_signal}) {
    (void)check_envelope(as_bytes(bytes), kind);
  }
  if (bytes.size() < sizeof(SectionHeader)) return 0;
  open_as<Appliance>(bytes);
  open_as<Realms>(bytes);
  open_as<Listeners>(bytes);
  open_as<Tls>(bytes);
  open_as<Routing>(bytes);
  open_as<Signalling>(bytes);
  open_as<Management>(bytes);
  open_as<Resolver>(bytes);
  open_as<Media>(bytes);
  return 0;
}
