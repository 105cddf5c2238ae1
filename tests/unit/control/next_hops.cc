// R3: what signal tells about next hops, as the operator asks for it.
#include "firmware/control/next_hop_book.h"

#include "tests/unit/control/box.h"

namespace fedge::control::testing {

namespace {

const link::NextHopName kFrontEnd{"fe1.example.com", "inside", 5061, true};
const link::NextHopName kBackup{"fe2.example.com", "inside", 5061, true};

link::NextHopState state_of(link::HopState state, const char* reason = "") {
  return {kFrontEnd, state, reason, 1700000000, 1700000010};
}

link::Failover failover(const link::NextHopName& from, const link::NextHopName& to) {
  return {1700000000, "MESSAGE", "/federation_route",
          from,       to,        "no answer to the connection request",
          "call-1"};
}

// The other end of control's link to signal.
class Signal {
 public:
  explicit Signal(Box& box) : box_(box) {
    auto ends = link::make_link();
    channel_ = std::make_unique<link::Channel>(box.loop(), link::Process::signal,
                                               link::Process::control, std::move(ends->first));
    channel_->start([](const link::Received&) {}, [](const std::string&) {});
    box.open_link(link::Process::signal, std::move(ends->second));
  }
  template <class M>
  void tell(const M& message) {
    EXPECT_TRUE(channel_->send(message));
  }
  void await(link::HopState state) {
    box_.run_until([&] { return box_.control().next_hops().find(kFrontEnd).state == state; });
  }

 private:
  Box& box_;
  std::unique_ptr<link::Channel> channel_;
};

}  // namespace

TEST(NextHopBook, R3_KeepsTheLastThousandFailovers) {
  NextHopBook book;
  for (int i = 0; i < 1100; ++i) book.on_failover(failover(kFrontEnd, kBackup));
  ASSERT_EQ(book.failovers().size(), 1000u);
  EXPECT_EQ(book.failovers().front().number, 101u);
  EXPECT_EQ(book.failovers().back().number, 1100u);
}

TEST(NextHopBook, R3_MetricsNameWhatIsOrWasDown) {
  NextHopBook book;
  book.on_state(state_of(link::HopState::up));
  EXPECT_EQ(book.metrics(), "");
  book.on_state(state_of(link::HopState::down, "no response to the request"));
  const std::string series =
      "fedge_signal_next_hop_up{host=\"fe1.example.com\",port=\"5061\",realm=\"inside\"} ";
  EXPECT_EQ(book.metrics(), "# TYPE fedge_signal_next_hop_up gauge\n" + series + "0\n");
  book.on_state(state_of(link::HopState::up));
  EXPECT_NE(book.metrics().find(series + "1\n"), std::string::npos);
  link::NextHopState odd = state_of(link::HopState::down);
  odd.next_hop.host = "a\"} 1\nb";
  book.on_state(odd);
  EXPECT_NE(book.metrics().find("host=\"a?}?1?b\""), std::string::npos);
}

TEST(NextHopBook, R3_TextIsALineForEachHop) {
  NextHopBook book;
  book.on_state(state_of(link::HopState::down, "no\tresponse\nat all"));
  EXPECT_EQ(book.text(),
            "fe1.example.com\t5061\tinside\ttls\tdown\t2023-11-14T22:13:20Z\tno response at all\n");
}

TEST(NextHops, R3_StateAndFailoversOverRest) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  const std::string host =
      *box.get("/v1/next-hops").json().root().find("next_hops").items().at(0).find("host").text();
  const auto first = [&](const std::string& query) {
    const Answered answer = box.get("/v1/next-hops", query);
    EXPECT_EQ(answer.status, 200);
    return answer.body;
  };
  EXPECT_NE(first("state=unknown").find(host), std::string::npos);
  EXPECT_EQ(first("state=down").find(host), std::string::npos);
  Signal signal(box);
  signal.tell(state_of(link::HopState::down, "the TLS handshake failed"));
  signal.await(link::HopState::down);
  const auto metrics = box.get("/metrics");
  EXPECT_NE(metrics.body.find("fedge_signal_next_hop_up{host=\"fe1.example.com\""),
            std::string::npos);
  for (int i = 0; i < 3; ++i) signal.tell(failover(kFrontEnd, kBackup));
  signal.tell(failover(kBackup, {"fe3.example.com", "inside", 5061, true}));
  box.run_until([&] { return box.control().next_hops().failovers().size() == 4; });
  const auto count = [&](const std::string& query) {
    return box.get("/v1/failovers", query).json().root().find("failovers").size();
  };
  EXPECT_EQ(count(""), 4u);
  EXPECT_EQ(count("limit=2"), 2u);
  EXPECT_EQ(count("next_hop=fe1.example.com"), 3u);
  EXPECT_EQ(count("next_hop=fe2.example.com"), 4u);
  EXPECT_EQ(box.get("/v1/failovers", "limit=0").status, 400);
  const auto newest = box.get("/v1/failovers", "limit=1").json();
  EXPECT_EQ(*newest.root().find("failovers").items().at(0).find("number").integer(0, 10), 4);
}

TEST(NextHops, R3_ANewSignalHasLearntNothingYet) {
  Box box;
  ASSERT_TRUE(box.start());
  Signal before(box);
  before.tell(state_of(link::HopState::down));
  before.await(link::HopState::down);
  Signal after(box);
  after.await(link::HopState::unknown);
}

}  // namespace fedge::control::testing
