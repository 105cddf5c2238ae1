#include "dataplane/signal/found_names.h"

#include <algorithm>
#include <string_view>

#include "firmware/base/fd.h"
#include "firmware/snapshot/lookup.h"

namespace fedge::signal {

namespace {
constexpr size_t kMostOctets = 1 << 30;  // a million names
}

FoundNames FoundNames::read(const std::string& path) {
  FoundNames names;
  const auto text = read_file(path, kMostOctets);
  if (!text) return names;
  for (std::string_view rest = *text; !rest.empty();) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const size_t port = std::min(line.find('\t'), line.size());
    const size_t words = std::min(line.find('\t', port + 1), line.size());
    if (words < line.size())
      names.words_[std::string(line.substr(0, words))] = line.substr(words + 1);
  }
  return names;
}

void FoundNames::write(json::Writer& out, const snapshot::NextHop& hop,
                       const snapshot::Section<snapshot::Routing>& routing) const {
  if (hop.lookup == snapshot::Lookup::none) return;
  const std::string lookup = snapshot::describe_lookup(hop.lookup, routing.text(hop.host));
  const auto known = words_.find(lookup + '\t' + std::to_string(hop.port));
  out.member("lookup", lookup);
  out.member("addresses", known == words_.end() ? "not known" : known->second);
}

}  // namespace fedge::signal
