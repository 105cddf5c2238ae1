#include "firmware/base/counters.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <string>
#include <thread>

namespace fedge {
namespace {

struct Page {
  Fd fd = *make_shared_memfd("counters", sizeof(CounterPage));
  Mapping writable() const { return std::move(*Mapping::read_write(fd.get())); }
  CountersView view() const { return CountersView(std::move(*Mapping::read_only(fd.get()))); }
};

TEST(Counters, O3_ReadersSeeNamesAndValues) {
  const Page page;
  Counters counters(page.writable());
  const CountersView view = page.view();
  const uint32_t a = counters.series("fedge_a_total");
  const uint32_t b = counters.series("fedge_b{x=\"1\"}");
  counters.add(a);
  counters.add(a, 41);
  counters.set(b, 7);
  counters.beat(Instant{} + 5ns);
  ASSERT_EQ(view.count(), 2u);
  EXPECT_EQ(view.name(a), "fedge_a_total");
  EXPECT_EQ(view.value(a), 42u);
  EXPECT_EQ(view.name(b), "fedge_b{x=\"1\"}");
  EXPECT_EQ(view.value(b), 7u);
  EXPECT_EQ(view.heartbeat_ns(), 5u);
  EXPECT_EQ(view.name(2), "");
  EXPECT_EQ(view.value(2), 0u);
}

TEST(Counters, B4_ARestartedWriterGoesOnCounting) {
  const Page page;
  {
    Counters counters(page.writable());
    counters.add(counters.series("fedge_a_total"), 10);
  }
  Counters counters(page.writable());
  const uint32_t b = counters.series("fedge_b_total");
  const uint32_t a = counters.series("fedge_a_total");
  counters.add(a, 5);
  counters.add(b, 1);
  EXPECT_EQ(page.view().value(a), 15u);
  EXPECT_EQ(page.view().count(), 2u);
}

TEST(Counters, O3_AFullPageSharesItsLastSeries) {
  Counters counters;
  for (uint32_t i = 0; i < CounterPage::kMost; ++i) {
    EXPECT_EQ(counters.series("s" + std::to_string(i)), i);
  }
  EXPECT_EQ(counters.series("one too many"), CounterPage::kMost - 1);
  EXPECT_EQ(counters.series("s5"), 5u);
}

TEST(Counters, O3_LongNamesAreCutAndFoundAgain) {
  const Page page;
  Counters counters(page.writable());
  const std::string name(200, 'x');
  const uint32_t first = counters.series(name);
  EXPECT_EQ(counters.series(name), first);
  EXPECT_EQ(page.view().name(first).size(), 119u);
}

TEST(Counters, B4_ADamagedPageIsNotTrusted) {
  const Page page;
  Mapping raw = page.writable();
  std::memset(raw.data(), 0xff, raw.size());
  EXPECT_EQ(page.view().count(), 0u);
  reinterpret_cast<CounterPage*>(raw.data())->magic = CounterPage::kMagic;
  EXPECT_EQ(page.view().count(), CounterPage::kMost);
  EXPECT_LE(page.view().name(CounterPage::kMost - 1).size(), 120u);
  EXPECT_EQ(page.view().name(CounterPage::kMost), "");
  // A writer starts over on it.
  Counters counters(page.writable());
  EXPECT_EQ(counters.series("fedge_a_total"), 0u);
  EXPECT_EQ(page.view().value(0), 0u);
  EXPECT_EQ(CountersView().count(), 0u);
  const Fd small = *make_shared_memfd("small", 64);
  EXPECT_EQ(CountersView(std::move(*Mapping::read_only(small.get()))).count(), 0u);
}

// A series is seen only with its whole name (thread sanitizer watches the rest).
TEST(Counters, O3_ReadersRunBesideTheWriter) {
  const Page page;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    Counters counters(page.writable());
    for (int i = 0; i < 500; ++i) {
      const uint32_t s = counters.series("series_" + std::to_string(i));
      for (int n = 0; n < 100; ++n) counters.add(s);
    }
    done = true;
  });
  const CountersView view = page.view();
  while (!done) {
    for (uint32_t i = 0, n = view.count(); i < n; ++i) {
      EXPECT_EQ(view.name(i), "series_" + std::to_string(i));
      EXPECT_LE(view.value(i), 100u);
    }
  }
  writer.join();
  EXPECT_EQ(view.count(), 500u);
}

}  // namespace
}  // namespace fedge
