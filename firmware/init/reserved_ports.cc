#include "firmware/init/reserved_ports.h"

#include <set>
#include <utility>

namespace fedge::init {

std::string reserved_ports(const snapshot::Section<snapshot::Listeners>* listeners,
                           const snapshot::Section<snapshot::Media>* media) {
  // Always one, because nothing cannot be written.
  std::set<std::pair<uint16_t, uint16_t>> ranges{{3478, 3478}};
  if (listeners != nullptr) {
    for (const snapshot::Listener& l : listeners->items(listeners->root().listeners)) {
      if (l.transport != snapshot::Transport::udp) continue;
      ranges.emplace(l.endpoint.port, l.endpoint.port);
    }
  }
  if (media != nullptr) {
    for (const snapshot::MediaPool& pool : media->items(media->root().pools)) {
      ranges.emplace(pool.first_port, pool.last_port);
    }
  }
  std::string out;
  for (const auto& [first, last] : ranges) {
    if (!out.empty()) out += ',';
    out += std::to_string(first);
    if (last != first) out += '-' + std::to_string(last);
  }
  return out;
}

}  // namespace fedge::init
