#include "dataplane/signal/ring.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>

namespace fedge::signal {
namespace {

TEST(Ring, R10_KeepsOrderAndRefusesWhenFull) {
  Ring ring(1024);
  EXPECT_TRUE(ring.front(ring.mark()).empty());
  int pushed = 0;
  while (ring.push(as_bytes("head"), as_bytes(std::to_string(pushed)))) ++pushed;
  EXPECT_EQ(pushed, 64);  // 8 of length, 8 of record
  EXPECT_EQ(as_text(ring.front(ring.mark())), "head0");
  ring.pop();
  EXPECT_TRUE(ring.push(as_bytes("h"), {}));
  for (int i = 1; i < pushed; ++i) {
    EXPECT_EQ(as_text(ring.front(ring.mark())), "head" + std::to_string(i));
    ring.pop();
  }
  EXPECT_EQ(as_text(ring.front(ring.mark())), "h");
  ring.pop();
  EXPECT_TRUE(ring.front(ring.mark()).empty());
}

TEST(Ring, R10_KeepsItsReserveForWhatMustArrive) {
  Ring ring(1024);
  while (ring.push(as_bytes("request"), {}, 256)) {
  }
  int more = 0;
  while (ring.push(as_bytes("closed"), {})) ++more;
  EXPECT_EQ(more, 16);
}

TEST(Ring, R10_TakesNothingLongerThanHalfOfIt) {
  Ring ring(1024);
  EXPECT_FALSE(ring.push(as_bytes(std::string(521, 'x')), {}));
  EXPECT_TRUE(ring.push(as_bytes(std::string(512, 'x')), {}));
}

TEST(Ring, R10_AMarkEndsWhatIsReadNow) {
  Ring ring(1024);
  ASSERT_TRUE(ring.push(as_bytes("now"), {}));
  const uint64_t mark = ring.mark();
  ASSERT_TRUE(ring.push(as_bytes("later"), {}));
  EXPECT_EQ(as_text(ring.front(mark)), "now");
  ring.pop();
  EXPECT_TRUE(ring.front(mark).empty());
  EXPECT_EQ(as_text(ring.front(ring.mark())), "later");
}

// Lengths that meet the end of the memory at every offset, under the thread sanitizer.
TEST(Ring, R10_CarriesRecordsBetweenThreads) {
  Ring ring(4096);
  constexpr int kMany = 20000;
  const auto body_of = [](int i) {
    return std::string(static_cast<size_t>(i * 7 % 1500), static_cast<char>('a' + i % 26));
  };
  std::thread producer([&] {
    for (int i = 0; i < kMany;) {
      const std::string body = body_of(i);
      if (ring.push(as_bytes(std::to_string(i) + "/"), as_bytes(body))) {
        ++i;
      } else {
        std::this_thread::yield();
      }
    }
  });
  int wrong = 0;
  for (int i = 0; i < kMany;) {
    const uint64_t mark = ring.mark();
    for (Bytes record = ring.front(mark); !record.empty(); record = ring.front(mark)) {
      wrong += as_text(record) != std::to_string(i) + "/" + body_of(i);
      ++i;
      ring.pop();
    }
    std::this_thread::yield();
  }
  producer.join();
  EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace fedge::signal
