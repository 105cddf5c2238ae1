// M4: anchored streams on their way to the fast path: in order, bounded, nothing lost quietly.
#include "dataplane/signal/anchor_news.h"

#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class AnchorNewsTest : public ::testing::Test {
 protected:
  AnchorNewsTest() {
    auto ends = link::make_link();
    fastpath = std::make_unique<link::Channel>(site.loop, link::Process::fastpath,
                                               link::Process::signal, std::move(ends->first));
    fastpath->start(
        [this](const link::Received& received) {
          if (received.kind == link::MessageKind::anchor) {
            anchors.push_back(*link::decode<link::Anchor>(received.payload));
            order.push_back(anchors.back().id);
          } else if (received.kind == link::MessageKind::anchor_end) {
            order.push_back(0);
          }
        },
        [](const std::string&) {});
    own = std::make_unique<link::Channel>(site.loop, link::Process::signal, link::Process::fastpath,
                                          std::move(ends->second));
    own->start([](const link::Received&) {}, [](const std::string&) {});
  }
  static sip::AnchorUpdate update(uint64_t id) {
    sip::AnchorUpdate out;
    out.id = id;
    out.call = id & ~uint64_t{7};
    out.call_id = "call \"1";
    out.realms = {0, 1};
    out.locals = {*Endpoint::parse("192.0.2.1:50000"), *Endpoint::parse("10.0.0.1:50000")};
    out.remote = *Endpoint::parse("203.0.113.7:4000");
    out.remote_rtcp = *Endpoint::parse("203.0.113.7:4001");
    out.prefix = 24;
    return out;
  }
  uint64_t untold() { return counters.value(counters.series("fedge_signal_anchors_untold_total")); }

  Site site;
  Counters counters;
  std::vector<std::string> realms{"outside", "inside"};
  AnchorNews news{[this](uint16_t realm) -> std::string_view { return realms[realm]; }, counters};
  std::unique_ptr<link::Channel> fastpath, own;
  std::vector<link::Anchor> anchors;
  std::vector<uint64_t> order;
};

TEST_F(AnchorNewsTest, M4_SaysWhatTheSpeakersSideWantsAndLeavesTheOtherAsItWas) {
  news.note(update(8));
  sip::AnchorUpdate answer = update(8);
  answer.from_caller = true;
  news.note(answer);
  // A publish between the message and the end of the round.
  realms = {"other", "others"};
  news.flush(own.get());
  EXPECT_TRUE(news.empty());
  site.until([&] { return anchors.size() == 2; }, "the anchors");
  EXPECT_EQ(anchors[0].call_id, "call?\"1");
  EXPECT_EQ(anchors[0].caller.realm, "outside");
  EXPECT_EQ(anchors[0].callee.realm, "inside");
  EXPECT_EQ(anchors[0].callee.remote.text(), "203.0.113.7:4000");
  EXPECT_EQ(anchors[0].callee.prefix, 24);
  EXPECT_FALSE(anchors[0].caller.remote.address);
  EXPECT_EQ(anchors[1].caller.remote_rtcp.text(), "203.0.113.7:4001");
  EXPECT_FALSE(anchors[1].callee.remote.address);
}

TEST_F(AnchorNewsTest, M4_WaitsForTheLinkInOrderUpToTheBound) {
  news.flush(nullptr);
  for (uint64_t i = 1; i <= 768; ++i) EXPECT_TRUE(news.note(update(i * 8)));
  EXPECT_EQ(untold(), 0u);
  EXPECT_FALSE(news.note(update(8 * 5000))) << "whoever asks must know";
  EXPECT_EQ(untold(), 1u);
  // Ends have room of their own.
  for (uint64_t i = 1; i <= 256; ++i) news.note_end(i * 8);
  EXPECT_EQ(untold(), 1u);
  news.note_end(8);
  EXPECT_EQ(untold(), 2u) << "it ends by silence";
  site.until(
      [&] {
        news.flush(own.get());
        return order.size() == 1024;
      },
      "everything");
  EXPECT_EQ(order.front(), 8u);
  EXPECT_EQ(order[767], 768u * 8);
  EXPECT_EQ(order.back(), 0u);
}

}  // namespace
}  // namespace fedge::signal
