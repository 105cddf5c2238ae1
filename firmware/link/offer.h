// A snapshot as init offers it: which sections it has, and a descriptor for each.
#pragma once

#include <string>
#include <vector>

#include "firmware/link/messages.h"
#include "firmware/snapshot/reader.h"

namespace fedge::link {

struct Offer {
  SnapshotOffer message;
  std::vector<Fd> fds;  // of message.sections, in their order

  // The descriptor of a section; -1 when the offer does not bring it.
  int fd_of(snapshot::Kind kind) const;
  bool brings(snapshot::Kind kind) const { return fd_of(kind) >= 0; }
  // Maps and checks the section of that type; fails when it is missing or damaged.
  template <class Root>
  Status open(snapshot::Section<Root>& section) const {
    const int fd = fd_of(Root::kKind);
    if (fd < 0) return missing(Root::kKind);
    auto opened = snapshot::Section<Root>::open(fd);
    if (!opened) return std::unexpected(opened.error());
    section = std::move(*opened);
    return {};
  }

 private:
  static Status missing(snapshot::Kind kind);
};

// Whether the section of a kind is one and the same in both, or in neither.
bool same_section(const std::vector<SectionRef>& a, const std::vector<SectionRef>& b,
                  snapshot::Kind kind);

}  // namespace fedge::link
