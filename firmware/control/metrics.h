// Counter pages of every process as Prometheus text (exposition format 0.0.4).
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "firmware/base/counters.h"
#include "firmware/link/process.h"

namespace fedge::control {

using CounterPages = std::array<CountersView, link::kProcessCount>;

// A name that stands in the format as it is: family{label="value",…}. Pages come from processes
// that read the network; what is not well-formed is left out.
bool is_series_name(std::string_view name);

// Each family once, with its TYPE line first; a series that two pages have counts once (the
// first). Families ending in _total are counters, all others gauges.
std::string format_metrics(const CounterPages& pages);

// The series of `page` with the label `label="value"`: family and value, in page order.
std::vector<std::pair<std::string, uint64_t>> series_with_label(const CountersView& page,
                                                                std::string_view label,
                                                                std::string_view value);

}  // namespace fedge::control
