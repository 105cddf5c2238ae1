// Reading a section: open() checks it once, whole; afterwards text() and items() are a pointer
// and a length, with no checks.
#pragma once

#include <span>
#include <string_view>

#include "firmware/base/fd.h"
#include "firmware/snapshot/sections.h"

namespace fedge::snapshot {

// Magic, format, kind, size and checksum: what init checks of sections it cannot interpret.
// Key sections carry the same header.
Status check_envelope(Bytes section, Kind kind);
// The bytes behind the header of a checked key section.
Bytes key_payload(Bytes section);

// One open section of root type Root (Appliance, Realms, …). Owns its mapping, or borrows bytes.
template <class Root>
class Section {
 public:
  Section() = default;
  // Maps and checks a sealed memfd. Fails on any damage, with the reason.
  static Result<Section> open(int fd);
  // The same over bytes that stay alive and unchanged as long as the Section.
  static Result<Section> open(Bytes bytes);

  const Root& root() const;
  std::string_view text(Text t) const {
    return {reinterpret_cast<const char*>(bytes_.data()) + t.at, t.size};
  }
  template <class T>
  std::span<const T> items(Slice<T> s) const {
    return {reinterpret_cast<const T*>(bytes_.data() + s.at), s.count};
  }
  explicit operator bool() const { return !bytes_.empty(); }

 private:
  Mapping mapping_;
  Bytes bytes_;
};

// Instantiated in reader.cc for every root in sections.h.

// What no section can know alone: that its realms and TLS contexts are there in the sections
// beside it. A forwarder calls these once per snapshot, after opening all it uses.
Status check_against(const Section<Listeners>& listeners, const Section<Realms>& realms,
                     const Section<Tls>& tls);
Status check_against(const Section<Resolver>& resolver, const Section<Realms>& realms);
Status check_against(const Section<Media>& media, const Section<Realms>& realms);
Status check_against(const Section<Routing>& routing, const Section<Realms>& realms,
                     const Section<Tls>& tls);

}  // namespace fedge::snapshot
