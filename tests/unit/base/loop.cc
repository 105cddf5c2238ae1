#include "firmware/base/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <vector>

namespace fedge {
namespace {

// A pipe whose reading end is watched.
class Pipe final : public Watcher {
 public:
  Pipe(Loop& loop, std::function<void(uint32_t)> callback)
      : loop_(loop), callback_(std::move(callback)) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) std::abort();
    reader_.reset(ends[0]);
    writer_.reset(ends[1]);
    EXPECT_TRUE(loop_.watch(reader_.get(), EPOLLIN, *this));
  }
  ~Pipe() override { stop(); }
  void write() const { EXPECT_EQ(::write(writer_.get(), "x", 1), 1); }
  void stop() {
    if (reader_) loop_.unwatch(reader_.get(), *this);
    reader_.reset();
  }
  void close_writer() { writer_.reset(); }

 private:
  void on_ready(uint32_t events) override {
    char byte;
    (void)!::read(reader_.get(), &byte, 1);
    callback_(events);
  }
  Loop& loop_;
  std::function<void(uint32_t)> callback_;
  Fd reader_;
  Fd writer_;
};

TEST(Loop, B4_HandsOutEvents) {
  Loop loop;
  uint32_t seen = 0;
  Pipe pipe(loop, [&](uint32_t events) { seen |= events; });
  loop.run_once(0ms);
  EXPECT_EQ(seen, 0u);
  pipe.write();
  loop.run_once(1s);
  EXPECT_TRUE(seen & EPOLLIN);
  pipe.close_writer();
  loop.run_once(1s);
  EXPECT_TRUE(seen & EPOLLHUP);
}

TEST(Loop, B4_AnUnwatchedDescriptorIsSilentInTheSameRound) {
  Loop loop;
  std::vector<std::unique_ptr<Pipe>> pipes(2);
  int calls = 0;
  for (size_t i = 0; i < 2; ++i) {
    pipes[i] = std::make_unique<Pipe>(loop, [&, i](uint32_t) {
      ++calls;
      pipes[1 - i].reset();  // whichever comes first destroys the other
    });
    pipes[i]->write();
  }
  loop.run_once(1s);
  EXPECT_EQ(calls, 1);
}

TEST(Loop, B4_AWatcherMayDestroyItself) {
  Loop loop;
  int calls = 0;
  std::unique_ptr<Pipe> pipe;
  pipe = std::make_unique<Pipe>(loop, [&](uint32_t) {
    ++calls;
    pipe->stop();
  });
  pipe->write();
  loop.run_once(1s);
  loop.run_once(0ms);
  EXPECT_EQ(calls, 1);
}

TEST(Loop, B4_TimersEndTheWait) {
  Loop loop;
  Instant fired{};
  Alarm alarm([&](Instant now) {
    fired = now;
    loop.stop();
  });
  const Instant due = loop.now() + 20ms;
  loop.timers().set(alarm, due);
  loop.run();
  EXPECT_GE(fired, due);
  EXPECT_EQ(fired, loop.now());
}

TEST(Loop, B4_ARoundEndsAfterItsEvents) {
  Loop loop;
  std::string order;
  Pipe pipe(loop, [&](uint32_t) { order += "event "; });
  loop.at_round_end([&] { order += "end "; });
  pipe.write();
  loop.run_once(1s);
  loop.run_once(0ms);
  EXPECT_EQ(order, "event end end ");
}

TEST(Loop, B4_ADescriptorThatIsNotOpenIsAnError) {
  Loop loop;
  Alarm alarm([](Instant) {});
  struct Nothing final : Watcher {
    void on_ready(uint32_t) override {}
  } nothing;
  EXPECT_FALSE(loop.watch(-1, EPOLLIN, nothing));
}

TEST(Loop, B4_SignalsAreEvents) {
  Loop loop;
  int seen = 0;
  const SignalWatcher signals(loop, [&](int signal) {
    seen = signal;
    loop.stop();
  });
  ASSERT_EQ(::raise(SIGTERM), 0);
  loop.run();
  EXPECT_EQ(seen, SIGTERM);
}

}  // namespace
}  // namespace fedge
