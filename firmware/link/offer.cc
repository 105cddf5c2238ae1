#include "firmware/link/offer.h"

#include <algorithm>

namespace fedge::link {

int Offer::fd_of(snapshot::Kind kind) const {
  const auto it = std::ranges::find(message.sections, kind, &SectionRef::kind);
  const auto place = static_cast<size_t>(it - message.sections.begin());
  return it == message.sections.end() || place >= fds.size() ? -1 : fds[place].get();
}

Status Offer::missing(snapshot::Kind kind) {
  return fail("section " + std::to_string(static_cast<int>(kind)), "is missing",
              "the offer must bring every section that this process is given");
}

bool same_section(const std::vector<SectionRef>& a, const std::vector<SectionRef>& b,
                  snapshot::Kind kind) {
  const auto x = std::ranges::find(a, kind, &SectionRef::kind);
  const auto y = std::ranges::find(b, kind, &SectionRef::kind);
  if (x == a.end() || y == b.end()) return x == a.end() && y == b.end();
  return std::ranges::equal(x->checksum, y->checksum);
}

}  // namespace fedge::link
