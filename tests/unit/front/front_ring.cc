#include "dataplane/media/front_ring.h"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <thread>

namespace fedge::media {
namespace {

Fd copy_of(int fd) { return Fd(::dup(fd)); }

struct Ends {
  Ends() {
    auto made = FrontRing::make(0);
    EXPECT_TRUE(made) << made.error().text();
    front = std::move(*made);
    const auto fds = front.fds();
    auto attached = FrontRing::attach(copy_of(fds[0]), copy_of(fds[1]), copy_of(fds[2]));
    EXPECT_TRUE(attached) << attached.error().text();
    worker = std::move(*attached);
    mapping = std::move(*Mapping::read_write(fds[0]));
  }
  FrontRingMemory& memory() { return *reinterpret_cast<FrontRingMemory*>(mapping.data()); }

  FrontRing front, worker;
  Mapping mapping;
  std::array<std::byte, kMostFrontMessage> room{};
};

FrontMessage some_message(ConnectionId connection) {
  FrontMessage m;
  m.connection = connection;
  m.realm = realm_name("outside");
  m.client = Address::of(*IpAddress::parse("192.0.2.7"));
  m.client_port = 4711;
  m.is_tls = 1;
  return m;
}

bool is_readable(int fd) {
  pollfd p{fd, POLLIN, 0};
  return ::poll(&p, 1, 0) == 1;
}

TEST(FrontRing, M2_CarriesMessagesBothWays) {
  Ends ends;
  FrontRecord record;
  EXPECT_FALSE(ends.worker.in().pop(record, ends.room));
  EXPECT_TRUE(ends.front.out().push(some_message(5), as_bytes("hello")));
  EXPECT_TRUE(ends.front.out().push(FrontClosed{6}));
  ASSERT_TRUE(ends.worker.in().pop(record, ends.room));
  ASSERT_EQ(record.kind, FrontKind::message);
  const auto message = record.as<FrontMessage>();
  EXPECT_EQ(message.connection, 5u);
  EXPECT_EQ(text_of(message.realm), "outside");
  EXPECT_EQ(message.client.ip().text(), "192.0.2.7");
  EXPECT_EQ(message.client_port, 4711);
  EXPECT_EQ(as_text(Bytes(ends.room).first(record.size)), "hello");
  ASSERT_TRUE(ends.worker.in().pop(record, ends.room));
  ASSERT_EQ(record.kind, FrontKind::closed);
  EXPECT_EQ(record.as<FrontClosed>().connection, 6u);
  EXPECT_EQ(record.size, 0u);
  EXPECT_FALSE(ends.worker.in().pop(record, ends.room));
  EXPECT_TRUE(ends.worker.out().push(FrontReply{5, 0}, as_bytes("back")));
  ASSERT_TRUE(ends.front.in().pop(record, ends.room));
  EXPECT_EQ(record.as<FrontReply>().connection, 5u);
  EXPECT_EQ(as_text(Bytes(ends.room).first(record.size)), "back");
}

TEST(FrontRing, M2_SaysNoWhenFullAndGoesOnAfterwards) {
  Ends ends;
  const std::string text(1000, 'x');
  uint64_t pushed = 0;
  while (ends.front.out().push(some_message(pushed), as_bytes(text))) ++pushed;
  EXPECT_GT(pushed, 900u);
  FrontRecord record;
  for (uint64_t i = 0; i < 5000; ++i) {  // several times around the end of the memory
    ASSERT_TRUE(ends.worker.in().pop(record, ends.room)) << i;
    EXPECT_EQ(record.as<FrontMessage>().connection, i);
    ASSERT_EQ(as_text(Bytes(ends.room).first(record.size)), text);
    ends.front.out().push(some_message(pushed + i), as_bytes(text));
  }
}

TEST(FrontRing, M2_CutsWhatDoesNotFitAndSaysHowMuchItWas) {
  Ends ends;
  EXPECT_TRUE(ends.front.out().push(some_message(1), as_bytes("0123456789")));
  EXPECT_TRUE(ends.front.out().push(some_message(2), as_bytes("ab")));
  FrontRecord record;
  ASSERT_TRUE(ends.worker.in().pop(record, MutableBytes(ends.room).first(4)));
  EXPECT_EQ(record.size, 10u);
  EXPECT_EQ(as_text(Bytes(ends.room).first(4)), "0123");
  ASSERT_TRUE(ends.worker.in().pop(record, ends.room));
  EXPECT_EQ(as_text(Bytes(ends.room).first(record.size)), "ab");
  const std::string longest(kMostFrontMessage, 'y');
  EXPECT_TRUE(ends.front.out().push(some_message(3), as_bytes(longest)));
  EXPECT_FALSE(ends.front.out().push(some_message(3), as_bytes(longest + "z")));
}

TEST(FrontRing, M2_WakesOnlyWhoSleeps) {
  Ends ends;
  FrontRecord record;
  ends.front.out().push(FrontClosed{1});
  ends.front.out().wake();
  EXPECT_FALSE(is_readable(ends.worker.event())) << "it does not sleep";
  EXPECT_FALSE(ends.worker.in().may_sleep()) << "something waits";
  EXPECT_TRUE(ends.worker.in().pop(record, ends.room));
  EXPECT_TRUE(ends.worker.in().may_sleep());
  ends.front.out().wake();
  EXPECT_FALSE(is_readable(ends.worker.event())) << "nothing new";
  ends.front.out().push(FrontClosed{2});
  ends.front.out().wake();
  EXPECT_TRUE(is_readable(ends.worker.event()));
  ends.worker.in().on_woken();
  EXPECT_FALSE(is_readable(ends.worker.event()));
  EXPECT_TRUE(ends.worker.in().pop(record, ends.room));
}

TEST(FrontRing, M2_RefusesMemoryThatCouldShrink) {
  Fd loose(::memfd_create("loose", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(loose.get(), sizeof(FrontRingMemory)), 0);
  EXPECT_FALSE(FrontRing::attach(std::move(loose), Fd(::dup(1)), Fd(::dup(1))));
  auto small = make_shared_memfd("small", 4096);
  EXPECT_FALSE(FrontRing::attach(std::move(*small), Fd(::dup(1)), Fd(::dup(1))));
  auto foreign = make_shared_memfd("foreign", sizeof(FrontRingMemory));
  EXPECT_FALSE(FrontRing::attach(std::move(*foreign), Fd(::dup(1)), Fd(::dup(1))));
}

// What a process that lost its mind may leave in the memory.
TEST(FrontRing, M2_BreaksForGoodOnTheImpossible) {
  const auto breaks = [](auto&& damage) {
    Ends ends;
    ends.front.out().push(some_message(1), as_bytes("hello"));
    damage(ends.memory());
    FrontRecord record;
    const bool got = ends.worker.in().pop(record, ends.room);
    EXPECT_FALSE(got);
    EXPECT_TRUE(ends.worker.broken());
    EXPECT_TRUE(ends.worker.in().may_sleep());
  };
  breaks([](FrontRingMemory& m) { m.to_worker.tail = FrontRingMemory::kCapacity + 8; });
  breaks([](FrontRingMemory& m) { m.to_worker.tail = 77; });
  breaks([](FrontRingMemory& m) { m.to_worker.tail = ~uint64_t{7}; });
  breaks([](FrontRingMemory& m) { m.to_worker.tail = 8; });  // a record that is not all there
  breaks([](FrontRingMemory& m) { m.for_worker[0] = std::byte{3}; });     // shorter than its head
  breaks([](FrontRingMemory& m) { m.for_worker[2] = std::byte{0x7f}; });  // longer than any
  breaks([](FrontRingMemory& m) { m.for_worker[4] = std::byte{200}; });   // of no kind
  breaks([](FrontRingMemory& m) {
    m.for_worker[4] = static_cast<std::byte>(FrontKind::reply);  // of the other direction
  });
}

TEST(FrontRing, M2_TheWriterTrustsNoReader) {
  for (const uint64_t head : {~uint64_t{7}, uint64_t{1} << 40, FrontRingMemory::kCapacity * 2}) {
    Ends ends;
    const std::string text(8000, 'x');
    while (ends.front.out().push(some_message(1), as_bytes(text))) {
    }
    EXPECT_FALSE(ends.front.broken());
    ends.memory().to_worker.head = head;
    EXPECT_FALSE(ends.front.out().push(some_message(1), as_bytes(text)));
    EXPECT_TRUE(ends.front.broken());
  }
}

// Two threads, sleeping by the rules: nothing is lost, nothing comes twice, nobody sleeps forever.
TEST(FrontRing, M2_LosesNothingBetweenTwoThreads) {
  Ends ends;
  constexpr uint64_t kRecords = 100000;
  std::thread worker([&ends] {
    FrontRecord record;
    std::array<std::byte, 256> room;
    for (uint64_t next = 0; next < kRecords;) {
      while (ends.worker.in().pop(record, room)) {
        ASSERT_EQ(record.as<FrontMessage>().connection, next);
        ASSERT_EQ(record.size, next % 200);
        ++next;
      }
      if (next == kRecords || !ends.worker.in().may_sleep()) continue;
      pollfd p{ends.worker.event(), POLLIN, 0};
      ASSERT_EQ(::poll(&p, 1, 10000), 1) << "nobody woke the worker at " << next;
      ends.worker.in().on_woken();
    }
  });
  const std::string text(200, 'x');
  for (uint64_t i = 0; i < kRecords;) {
    for (int burst = 0; burst < 7 && i < kRecords; ++burst) {
      if (!ends.front.out().push(some_message(i), as_bytes(text).first(i % 200))) break;
      ++i;
    }
    ends.front.out().wake();
  }
  worker.join();
  EXPECT_FALSE(ends.worker.broken());
  EXPECT_FALSE(ends.front.broken());
}

}  // namespace
}  // namespace fedge::media
