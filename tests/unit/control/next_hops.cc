// R3: what signal tells about next hops, as the operator asks for it.
#include "firmware/control/next_hop_book.h"

#include "firmware/snapshot/lookup.h"
#include "tests/unit/control/box.h"
#include "tests/unit/topology/sample.h"

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
      "fedge_signal_next_hop_up{host=\"fe1.example.com\",port=\"5061\",realm=\"inside\","
      "transport=\"tls\"} ";
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

// Signal reads the network: whoever took it over must not fill control's memory.
TEST(NextHopBook, R3_KeepsNothingLongerThanANameCanBe) {
  NextHopBook book;
  link::NextHopState endless = state_of(link::HopState::down);
  endless.next_hop.host = std::string(60000, 'a');
  book.on_state(endless);
  EXPECT_EQ(book.text(), "");
  link::Failover told = failover(endless.next_hop, kBackup);
  told.method = told.rule = told.reason = told.call_id = endless.next_hop.host;
  book.on_failover(told);
  const link::Failover& kept = book.failovers().back().what;
  for (const std::string* text : {&kept.from.host, &kept.method, &kept.rule, &kept.reason}) {
    EXPECT_LE(text->size(), 255u);
  }
  EXPECT_LE(kept.call_id.size(), 255u);
}

TEST(NextHopBook, R3_TimesBeyondTheCalendarAreTold) {
  NextHopBook book;
  link::NextHopState odd = state_of(link::HopState::down);
  odd.since = INT64_MAX;
  odd.probed = INT64_MIN;
  book.on_state(odd);
  EXPECT_EQ(book.find(kFrontEnd).probed, 0);
  EXPECT_NE(book.text().find("9999-12-31T23:59:59Z"), std::string::npos);
}

TEST(NextHopBook, R4_TheLongestNameIsFoundAgain) {
  std::string host;
  while (host.size() < 244) host += "a12345678.";
  host += "b123456.c1";
  host.resize(253, 'd');
  for (const auto lookup : {snapshot::Lookup::address, snapshot::Lookup::srv}) {
    NextHopBook book;
    const std::string words = snapshot::describe_lookup(lookup, host);
    book.on_name({words, 5061, "192.0.2.1:5061", ""});
    EXPECT_EQ(book.names_text(), words + "\t5061\t192.0.2.1:5061\n");
  }
}

TEST(NextHopBook, R4_EveryAddressOfANameIsShown) {
  NextHopBook book;
  std::string addresses;
  for (int i = 0; i < 16; ++i) addresses += "[2001:db8:1111:2222:3333:4444:5555:6666]:5061, ";
  book.on_name({"A and AAAA of a.example", 5061, addresses, "no name server answers"});
  EXPECT_NE(book.names_text().find(addresses + ": no name server answers"), std::string::npos);
}

// Both may be configured, and a series that stands twice spoils the whole page for Prometheus.
TEST(NextHopBook, R3_TlsAndTcpAreTwoSeries) {
  NextHopBook book;
  link::NextHopState tcp = state_of(link::HopState::down);
  tcp.next_hop.tls = false;
  book.on_state(tcp);
  book.on_state(state_of(link::HopState::down));
  EXPECT_NE(book.metrics().find(",transport=\"tcp\"} 0\n"), std::string::npos);
  EXPECT_NE(book.metrics().find(",transport=\"tls\"} 0\n"), std::string::npos);
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
  EXPECT_EQ(box.get("/v1/next-hops", "state=dwon").status, 400);
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

// A gauge of what is no longer configured would keep its alarm up for ever.
TEST(NextHops, R3_APublishForgetsWhatItRemoved) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  ASSERT_EQ(publish(box, topology_text()).status, 200);
  Signal signal(box);
  link::NextHopState gone = state_of(link::HopState::down);
  gone.next_hop.host = "gone.example.com";
  signal.tell(gone);
  signal.tell(link::NameFound{"A and AAAA of gone.example.com", 5061, "192.0.2.1:5061", ""});
  signal.tell(state_of(link::HopState::down));
  signal.await(link::HopState::down);
  ASSERT_NE(box.get("/metrics").body.find("gone.example.com"), std::string::npos);
  ASSERT_EQ(publish(box, topology_text(5062)).status, 200);
  box.run_until([&] { return box.control().next_hops().find(gone.next_hop).since == 0; });
  EXPECT_EQ(box.get("/metrics").body.find("gone.example.com"), std::string::npos);
  EXPECT_EQ(box.control().next_hops().names_text(), "");
  EXPECT_EQ(box.control().next_hops().find(kFrontEnd).state, link::HopState::down);
}

// To signal it is another next hop, of which it knows nothing.
TEST(NextHops, R3_R4_AHopThatDnsFindsFromNowOnIsNotTheListedOne) {
  Box box;
  ASSERT_TRUE(box.start());
  import_all(box);
  topology::Topology t = topology::sample();
  auto& members = t.next_hop_pools.at(0).members;
  ASSERT_EQ(members.at(0).host, kFrontEnd.host);
  ASSERT_FALSE(members.at(0).addresses.empty());
  t.resolver = {{members.at(0).addresses.at(0)}, 53, members.at(0).realm};
  const auto text = [&] { return topology::encode(t, json::Writer::Style::compact); };
  ASSERT_EQ(publish(box, text()).status, 200);
  Signal signal(box);
  signal.tell(state_of(link::HopState::down));
  signal.await(link::HopState::down);
  EXPECT_NE(box.get("/v1/next-hops", "state=down").body.find(kFrontEnd.host), std::string::npos);
  members.at(0).addresses.clear();
  const Answered answer = publish(box, text());
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(box.get("/v1/next-hops", "state=down").body.find(kFrontEnd.host), std::string::npos);
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
