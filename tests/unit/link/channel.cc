#include "firmware/link/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

namespace fedge::link {
namespace {

struct End {
  End(Loop& loop, Process self, Process peer, Fd socket)
      : channel(std::make_unique<Channel>(loop, self, peer, std::move(socket))) {
    channel->start(
        [this](Received r) {
          kinds.push_back(r.kind);
          payloads.emplace_back(r.payload);
          for (Fd& fd : r.fds) fds.push_back(std::move(fd));
          if (close_on_message) channel.reset();
        },
        [this](const std::string& reason) {
          closed = reason;
          if (destroy_on_close) channel.reset();
        });
  }
  std::unique_ptr<Channel> channel;
  std::vector<MessageKind> kinds;
  std::vector<std::string> payloads;
  std::vector<Fd> fds;
  std::string closed;
  bool close_on_message = false;
  bool destroy_on_close = false;
};

struct ChannelTest : testing::Test {
  ChannelTest() : ends(std::move(*make_link())) {}
  void run_until(const std::function<bool()>& done) {
    const Instant limit = now_monotonic() + 5s;
    while (!done() && now_monotonic() < limit) loop.run_once(100ms);
    EXPECT_TRUE(done());
  }
  Loop loop;
  std::pair<Fd, Fd> ends;
};

TEST_F(ChannelTest, CarriesMessagesAndDescriptors) {
  End init(loop, Process::init, Process::agent, std::move(ends.first));
  End agent(loop, Process::agent, Process::init, std::move(ends.second));
  auto memory = make_sealed_memfd("t", as_bytes("hello"));
  ASSERT_TRUE(memory);
  const int fd = memory->get();
  EXPECT_TRUE(init.channel->send(ListeningSocket{"127.0.0.1:8443"}, {&fd, 1}));
  EXPECT_TRUE(agent.channel->send(Ready{}));
  run_until([&] { return agent.kinds.size() == 1 && init.kinds.size() == 1; });
  EXPECT_EQ(decode<ListeningSocket>(agent.payloads[0])->endpoint, "127.0.0.1:8443");
  ASSERT_EQ(agent.fds.size(), 1u);
  auto mapping = Mapping::read_only(agent.fds[0].get());
  ASSERT_TRUE(mapping);
  EXPECT_EQ(as_text(mapping->bytes()), "hello");
}

TEST_F(ChannelTest, RefusesToSendWhatTheTableForbids) {
  End fastpath(loop, Process::fastpath, Process::init, std::move(ends.first));
  EXPECT_FALSE(fastpath.channel->send(SnapshotOffer{}));
  EXPECT_FALSE(fastpath.channel->open());
  EXPECT_FALSE(fastpath.closed.empty());
}

TEST_F(ChannelTest, ClosesOnAMessageTheTableForbids) {
  End init(loop, Process::init, Process::fastpath, std::move(ends.first));
  const uint16_t kind = static_cast<uint16_t>(MessageKind::snapshot_offer);
  ASSERT_EQ(::send(ends.second.get(), &kind, sizeof kind, 0), 2);
  run_until([&] { return !init.closed.empty(); });
  EXPECT_TRUE(init.kinds.empty());
}

TEST_F(ChannelTest, ClosesOnAMessageOfTheWrongSize) {
  End init(loop, Process::init, Process::fastpath, std::move(ends.first));
  ASSERT_EQ(::send(ends.second.get(), "x", 1, 0), 1);
  run_until([&] { return !init.closed.empty(); });
}

TEST_F(ChannelTest, TellsWhenTheOtherEndIsGone) {
  End init(loop, Process::init, Process::signal, std::move(ends.first));
  init.destroy_on_close = true;
  ends.second.reset();
  run_until([&] { return !init.closed.empty(); });
  EXPECT_EQ(init.channel, nullptr);
}

TEST_F(ChannelTest, MayBeDestroyedInItsOwnCallback) {
  End init(loop, Process::init, Process::signal, std::move(ends.first));
  End signal(loop, Process::signal, Process::init, std::move(ends.second));
  init.close_on_message = true;
  EXPECT_TRUE(signal.channel->send(Ready{}));
  EXPECT_TRUE(signal.channel->send(Ready{}));
  run_until([&] { return !signal.closed.empty(); });
  EXPECT_EQ(init.kinds.size(), 1u);
}

TEST_F(ChannelTest, QueuesForASlowReaderAndKeepsOrderAndDescriptors) {
  End init(loop, Process::init, Process::agent, std::move(ends.first));
  auto memory = make_sealed_memfd("t", as_bytes("x"));
  ASSERT_TRUE(memory);
  const int fd = memory->get();
  const int count = 600;
  for (int i = 0; i < count; ++i) {
    ASSERT_TRUE(
        init.channel->send(ListeningSocket{std::to_string(i) + std::string(4000, ' ')}, {&fd, 1}));
  }
  End agent(loop, Process::agent, Process::init, std::move(ends.second));
  run_until([&] { return agent.kinds.size() == count; });
  EXPECT_EQ(agent.fds.size(), static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    EXPECT_EQ(std::stoi(decode<ListeningSocket>(agent.payloads[i])->endpoint), i);
  }
}

TEST_F(ChannelTest, GivesUpOnAReaderThatNeverReads) {
  End init(loop, Process::init, Process::agent, std::move(ends.first));
  init.destroy_on_close = true;
  int sent = 0;
  while (sent < 20000 && init.channel &&
         init.channel->send(ListeningSocket{std::string(4000, 'x')}))
    ++sent;
  EXPECT_GT(sent, 1000);
  EXPECT_FALSE(init.closed.empty());
}

TEST_F(ChannelTest, ABrokenQueueClosesOnce) {
  End init(loop, Process::init, Process::agent, std::move(ends.first));
  init.destroy_on_close = true;
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(init.channel->send(ListeningSocket{std::string(60000, 'x')}));
  }
  ends.second.reset();
  run_until([&] { return !init.closed.empty(); });
  EXPECT_EQ(init.channel, nullptr);
}

}  // namespace
}  // namespace fedge::link
