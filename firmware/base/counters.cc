#include "firmware/base/counters.h"

#include <algorithm>
#include <cstring>

namespace fedge {

namespace {

std::string_view name_of(const CounterPage::Series& series) {
  return {series.name, ::strnlen(series.name, sizeof series.name)};
}

Mapping own_page() {
  auto fd = make_shared_memfd("counters", sizeof(CounterPage));
  if (!fd) return {};
  auto mapping = Mapping::read_write(fd->get());
  return mapping ? std::move(*mapping) : Mapping{};
}

}  // namespace

Counters::Counters() : Counters(own_page()) {}

Counters::Counters(Mapping page) : page_memory_(std::move(page)) {
  if (page_memory_.size() < sizeof(CounterPage)) page_memory_ = own_page();
  page_ = reinterpret_cast<CounterPage*>(page_memory_.data());
  if (page_->magic != CounterPage::kMagic || page_->count > CounterPage::kMost) {
    page_->count.store(0, std::memory_order_relaxed);
    page_->magic = CounterPage::kMagic;
  }
}

uint32_t Counters::series(std::string_view name) {
  // Cut before comparing, or a long name would get a new series each time.
  name = name.substr(0, sizeof CounterPage::Series::name - 1);
  const uint32_t count = page_->count.load(std::memory_order_relaxed);
  for (uint32_t i = 0; i < count; ++i) {
    if (name_of(page_->series[i]) == name) return i;
  }
  if (count == CounterPage::kMost) return count - 1;
  auto& series = page_->series[count];
  std::memcpy(series.name, name.data(), name.size());
  series.name[name.size()] = '\0';
  series.value.store(0, std::memory_order_relaxed);
  page_->count.store(count + 1, std::memory_order_release);
  return count;
}

uint32_t Counters::count() const { return page_->count.load(std::memory_order_acquire); }

std::string_view Counters::name(uint32_t index) const { return name_of(page_->series[index]); }

void Counters::beat(Instant now) {
  page_->heartbeat_ns.store(static_cast<uint64_t>(now.time_since_epoch().count()),
                            std::memory_order_relaxed);
}

const CounterPage* CountersView::page() const {
  if (page_memory_.size() < sizeof(CounterPage)) return nullptr;
  const auto* page = reinterpret_cast<const CounterPage*>(page_memory_.data());
  return page->magic == CounterPage::kMagic ? page : nullptr;
}

uint32_t CountersView::count() const {
  const auto* p = page();
  return p == nullptr ? 0 : std::min(p->count.load(std::memory_order_acquire), CounterPage::kMost);
}

std::string_view CountersView::name(uint32_t index) const {
  return index < count() ? name_of(page()->series[index]) : std::string_view{};
}

uint64_t CountersView::value(uint32_t index) const {
  return index < count() ? page()->series[index].value.load(std::memory_order_relaxed) : 0;
}

uint64_t CountersView::heartbeat_ns() const {
  const auto* p = page();
  return p == nullptr ? 0 : p->heartbeat_ns.load(std::memory_order_relaxed);
}

}  // namespace fedge
