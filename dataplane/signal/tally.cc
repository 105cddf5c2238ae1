#include "dataplane/signal/tally.h"

#include <algorithm>
#include <string_view>

namespace fedge::signal {

namespace {

// As against a gauge, by what Prometheus calls them.
bool counts_up(std::string_view name) {
  name = name.substr(0, name.find('{'));
  return name.ends_with("_total") || name.ends_with("_count") || name.ends_with("_sum") ||
         name.ends_with("_bucket");
}

}  // namespace

void Tally::learn(Source& source) {
  for (auto i = static_cast<uint32_t>(source.lines.size()); i < source.counters->count(); ++i) {
    const std::string_view name = source.counters->name(i);
    const uint32_t index = page_.series(name);
    source.lines.push_back(index);
    lines_.resize(std::max<size_t>(lines_.size(), index + size_t{1}));
    Line& line = lines_[index];
    if (line.used) continue;
    line.used = true;
    line.base = counts_up(name) ? page_.value(index) : 0;
  }
}

void Tally::sum() {
  for (Source& source : workers_) {
    learn(source);
    for (uint32_t i = 0; i < source.lines.size(); ++i) {
      lines_[source.lines[i]].sum += source.counters->value(i);
    }
  }
  for (uint32_t i = 0; i < lines_.size(); ++i) {
    if (lines_[i].used) page_.set(i, lines_[i].base + lines_[i].sum);
    lines_[i].sum = 0;
  }
}

}  // namespace fedge::signal
