// Query strings, durations, times, and the metrics format.
#include <gtest/gtest.h>

#include "firmware/control/metrics.h"
#include "firmware/control/query.h"

namespace fedge::control {
namespace {

TEST(Query, P1_DecodesAndRefusesWhatIsBroken) {
  auto query = Query::parse("a=1&b=x%20y+z&flag&&utf8=%C3%A4");
  ASSERT_TRUE(query);
  EXPECT_EQ(query->text("a"), "1");
  EXPECT_EQ(query->text("b"), "x y z");
  EXPECT_NE(query->find("flag"), nullptr);
  EXPECT_EQ(query->text("utf8"), "\xc3\xa4");
  EXPECT_EQ(query->find("missing"), nullptr);
  for (const char* bad :
       {"a=%", "a=%1", "a=%zz", "a=%00", "a=%ff", "a=%C3", "a=%ED%A0%80", "a=%C0%80", "a=1&a=2"}) {
    EXPECT_FALSE(Query::parse(bad)) << bad;
  }
}

TEST(Query, P1_Durations) {
  EXPECT_EQ(parse_duration("5s"), 5s);
  EXPECT_EQ(parse_duration("500ms"), 500ms);
  EXPECT_EQ(parse_duration("2m"), 2min);
  EXPECT_EQ(parse_duration("0"), 0s);
  for (const char* bad : {"", "5", "s", "-1s", "5 s", "1.5s", "99999999999s", "9000000h", "5sec"}) {
    EXPECT_FALSE(parse_duration(bad)) << bad;
  }
}

TEST(Query, C3_Times) {
  EXPECT_EQ(format_time(*parse_time("2026-11-21T04:00:00Z")), "2026-11-21T04:00:00Z");
  EXPECT_EQ(format_time(*parse_time("2026-11-21T05:00:00.25+01:00")), "2026-11-21T04:00:00Z");
  EXPECT_EQ(parse_time("1970-01-01T00:00:10Z"), WallTime(10s));
  for (const char* bad : {"", "2026-11-21", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
                          "2026-11-21T24:00:00Z", "2026-11-21T04:00:00", "2026-11-21T04:00:00Zx",
                          "2026-11-21T04:00:00.Z", "26-11-21T04:00:00Z"}) {
    EXPECT_FALSE(parse_time(bad)) << bad;
  }
}

TEST(Query, P1_Ids) {
  EXPECT_TRUE(is_id("access-2026_v1.0"));
  for (const char* bad : {"", ".", "..", "a b", "a/b", "\xc3\xa4"}) EXPECT_FALSE(is_id(bad)) << bad;
  EXPECT_FALSE(is_id(std::string(65, 'a')));
}

TEST(Metrics, O3_OnlyWellFormedNamesStand) {
  EXPECT_TRUE(is_series_name("fedge_x_total"));
  EXPECT_TRUE(is_series_name(R"(fedge_x{a="b",c="d \" e"})"));
  for (const char* bad : {"", "1x", "x y", "x{", "x{}", "x{a}", R"(x{a="b)", R"(x{a="b"},)",
                          "x{a=\"b\nc\"}", R"(x{a="b"} 5)", R"(x{a="\q"})"}) {
    EXPECT_FALSE(is_series_name(bad)) << bad;
  }
}

TEST(Metrics, O3_EachFamilyOnceWithItsType) {
  auto memory = make_shared_memfd("page", sizeof(CounterPage));
  Counters writer(std::move(*Mapping::read_write(memory->get())));
  writer.add(writer.series("fedge_b_total{k=\"1\"}"), 5);
  writer.add(writer.series("fedge_a"), 7);
  writer.add(writer.series("fedge_b_total{k=\"2\"}"), 6);
  writer.add(writer.series("bad name"), 1);
  CounterPages pages;
  pages[1] = CountersView(std::move(*Mapping::read_only(memory->get())));
  pages[2] = CountersView(std::move(*Mapping::read_only(memory->get())));
  EXPECT_EQ(format_metrics(pages),
            "# TYPE fedge_a gauge\nfedge_a 7\n# TYPE fedge_b_total counter\n"
            "fedge_b_total{k=\"1\"} 5\nfedge_b_total{k=\"2\"} 6\n");
  const auto found = series_with_label(pages[1], "k", "2");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].second, 6u);
}

}  // namespace
}  // namespace fedge::control
