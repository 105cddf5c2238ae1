// Two workers: connections move to the owner of their peer, messages cross, counters add up. On
// one loop where the order of things matters, in threads where it must not.
#include <sys/socket.h>

#include <atomic>
#include <thread>

#include "dataplane/signal/tally.h"
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class Workers : public ::testing::Test {
 protected:
  // The front end is the one worker's, the partner the other's.
  void SetUp() override {
    layout.listeners = {{port}};
    layout.front_end.endpoints = {front_end.endpoint()};
    ASSERT_TRUE(site.publish(layout));
    const uint32_t partners = site.crew().owner_of(layout.partner.host);
    for (int i = 2; site.crew().owner_of(layout.front_end.host) == partners; ++i) {
      layout.front_end.host = "fe" + std::to_string(i) + ".example.com";
    }
    layout.generation = 2;
    ASSERT_TRUE(site.publish(layout));
    owner = partners;
  }
  Worker& partners_worker() { return site.worker(owner); }
  Worker& front_ends_worker() { return site.worker(1 - owner); }

  Server front_end{"127.0.0.2"};
  uint16_t port = free_port();
  Layout layout;
  Site site{2};
  uint32_t owner = 0;
};

std::string with_method(std::string text, const std::string& method) {
  for (size_t at = text.find("MESSAGE"); at != std::string::npos; at = text.find("MESSAGE", at)) {
    text.replace(at, 7, method);
  }
  return text;
}

TEST_F(Workers, R10_AllConnectionsOfAPeerComeToItsOwner) {
  std::vector<Peer> partners;
  for (int i = 0; i < 4; ++i) partners.push_back(site.connect(port));
  site.until([&] { return partners_worker().connections().size() == 4; }, "all of them there");
  EXPECT_EQ(front_ends_worker().connections().size(), 0u);
  EXPECT_EQ(site.counter("moved_connections_total"), 2u);
  EXPECT_EQ(site.counter("accepted_total"), 4u);
  site.until([&] { return site.counter("connections{kind=\"accepted\"}") == 4; }, "the gauge");
  for (Peer& partner : partners) {
    partner.send("\r\n\r\n");
    EXPECT_EQ(site.expect(partner, "\r\n"), "\r\n");
  }
}

TEST_F(Workers, R10_AStrangerStaysWhereItsHandshakeWas) {
  Peer first = site.connect(port, "127.0.0.9");
  Peer second = site.connect(port, "127.0.0.9");
  site.until([&] { return site.counter("accepted_total") == 2; }, "two strangers");
  site.until([&] { return site.worker(0).connections().size() == 1; }, "one here");
  site.until([&] { return site.worker(1).connections().size() == 1; }, "one there");
  EXPECT_EQ(site.counter("moved_connections_total"), 0u);
}

TEST_F(Workers, R10_ARequestCrossesToItsNextHopAndTheResponseBack) {
  Peer partner = site.connect(port);
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  const std::string request = site.expect(fe, "hello");
  EXPECT_EQ(front_ends_worker().connections().size(), 1u);
  fe.send(answer(request));
  EXPECT_TRUE(site.expect(partner, "\r\n\r\n").starts_with("SIP/2.0 200 OK\r\n"));
  EXPECT_EQ(site.counter("crossings_total"), 2u);
}

TEST_F(Workers, R10_16_10_CancelOverAnotherConnectionFindsItsInvite) {
  Peer first = site.connect(port);
  Peer second = site.connect(port);
  first.send(with_method(message(1), "INVITE"));
  Peer fe = site.expect_connection(front_end);
  const std::string invite = site.expect(fe, "hello");
  site.expect(first, "SIP/2.0 100 ");
  fe.send(answer(invite, "180 Ringing"));
  site.expect(first, "SIP/2.0 180 ");
  second.send(with_method(message(1, ""), "CANCEL"));
  EXPECT_TRUE(site.expect(second, "\r\n\r\n").starts_with("SIP/2.0 200 OK\r\n"));
  const std::string cancel = site.expect(fe, "CANCEL sip:alice@example.com");
  // On the connection that the INVITE took, though it is another worker's.
  fe.send(answer(cancel) + answer(invite, "487 Request Terminated"));
  site.expect(fe, "ACK sip:alice@example.com");
  site.expect(first, "SIP/2.0 487 ");
}

TEST_F(Workers, R3_ARefusedNextHopOfAnotherWorkerIsReportedBack) {
  const std::string dead = "127.0.0.2:" + std::to_string(free_port());
  layout.front_end.endpoints = {dead};
  layout.generation = 3;
  ASSERT_TRUE(site.publish(layout));
  Peer partner = site.connect(port);
  partner.send(message(1));
  EXPECT_TRUE(site.expect(partner, "\r\n\r\n").starts_with("SIP/2.0 500 "));
}

TEST_F(Workers, R10_16_9_ALostConnectionOfAnotherWorkerFailsWhatWaits) {
  Peer partner = site.connect(port);
  partner.send(message(1));
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "hello");
  fe.close();
  EXPECT_TRUE(site.expect(partner, "\r\n\r\n").starts_with("SIP/2.0 500 "));
}

TEST_F(Workers, P1_ARetiredNextHopWaitsForWhatAnotherWorkerAwaits) {
  Server after("127.0.0.2");
  Peer partner = site.connect(port);
  partner.send(message(1));
  Peer old_fe = site.expect_connection(front_end);
  const std::string request = site.expect(old_fe, "hello");
  layout.front_end.endpoints = {after.endpoint()};
  layout.generation = 3;
  ASSERT_TRUE(site.publish(layout));
  partner.send(message(2));
  Peer new_fe = site.expect_connection(after);
  site.expect(new_fe, "call2");
  const Instant quiet = site.loop.now() + 800ms;
  site.until([&] { return site.loop.now() > quiet; }, "time to pass");
  std::string none;
  EXPECT_TRUE(old_fe.receive(none)) << "closed while its answer was awaited";
  old_fe.send(answer(request));
  site.expect(partner, "SIP/2.0 200 OK");
  site.expect_closed(old_fe);
}

// A stranger that a publish makes a peer is closed, and comes back to the owner.
TEST_F(Workers, P1_AConnectionWhoseOwnerChangedIsClosedWhenQuiet) {
  Peer first = site.connect(port, "127.0.0.9");
  Peer second = site.connect(port, "127.0.0.9");
  site.until([&] { return site.counter("accepted_total") == 2; }, "two strangers");
  layout.partner.endpoints = {"127.0.0.9:9"};
  layout.generation = 3;
  ASSERT_TRUE(site.publish(layout));
  site.until([&] { return site.counter("closed_total{reason=\"owner_changed\"}") == 1; }, "one");
  EXPECT_EQ(partners_worker().connections().size(), 1u);
  EXPECT_EQ(front_ends_worker().connections().size(), 0u);
}

// What the other worker had read already comes first, then what is still in the socket.
TEST_F(Workers, R10_AMoveTakesPendingOctetsAlong) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
  Peer partner{Fd(ends[1])};
  const std::string stream = message(1) + message(2) + message(3);
  const size_t cut = message(1).size() + 100;
  Visitor visitor;
  visitor.socket = Fd(ends[0]);
  visitor.transport = Transport::tcp;
  visitor.is_open = true;
  visitor.generation = std::shared_ptr<const Generation>(std::shared_ptr<const Generation>(),
                                                         partners_worker().generation());
  visitor.realm = visitor.listener = 0;
  visitor.local = *Endpoint::parse("127.0.0.1:5060");
  visitor.remote = *Endpoint::parse("127.0.0.3:40000");
  visitor.plain.assign(as_bytes(stream).begin(), as_bytes(stream).begin() + cut);
  visitor.unsent.assign(as_bytes("said before").begin(), as_bytes("said before").end());
  partners_worker().take_in(std::move(visitor));
  partner.send(std::string_view(stream).substr(cut));
  Peer fe = site.expect_connection(front_end);
  const std::string requests = site.expect(fe, "call3");
  EXPECT_LT(requests.find("call1"), requests.find("call2"));
  EXPECT_LT(requests.find("call2"), requests.find("call3"));
  EXPECT_EQ(site.expect(partner, "before"), "said before");
}

// Accepted, or on its way between workers, while a publish took its realm away.
TEST_F(Workers, P1_AVisitorWhoseRealmIsGoneIsClosed) {
  std::array<int, 2> link{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, link.data()),
            0);
  const Fd fastpath(link[1]);
  site.crew().use_fastpath_link(Fd(link[0]));
  const link::Offer before = compile(layout);
  auto opened = open_generation(before, sealing_key(), nullptr);
  ASSERT_TRUE(opened);
  layout.realm = "other";
  layout.listeners = {{free_port()}};
  layout.generation = 3;
  ASSERT_TRUE(site.publish(layout));
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()), 0);
  Peer peer{Fd(ends[1])};
  Visitor visitor;
  visitor.socket = Fd(ends[0]);
  visitor.transport = Transport::tcp;
  visitor.generation = std::move(*opened);
  visitor.realm = visitor.listener = 0;
  visitor.local = *Endpoint::parse("127.0.0.1:5060");
  visitor.remote = *Endpoint::parse("127.0.0.3:40000");
  partners_worker().take_in(std::move(visitor));
  site.expect_closed(peer);
  EXPECT_EQ(site.counter("closed_total{reason=\"realm_gone\"}"), 1u);
}

// Their keys are equal: a key has 31 bits, and says nothing of addresses and TLS contexts.
TEST_F(Workers, R10_NextHopsOfEqualKeysAreNotMixedUp) {
  const auto same_port = Endpoint::parse(front_end.endpoint())->port;
  Server second("127.0.0.4", same_port);
  layout.partner_peer = layout.partner.host;
  layout.partner = {layout.front_end.host, {second.endpoint()}};
  layout.generation = 3;
  ASSERT_TRUE(site.publish(layout));
  const uint32_t other = 1 - site.crew().owner_of(layout.partner.host);
  for (const uint32_t next_hop : {0u, 1u}) {
    site.worker(other).send_to_next_hop(next_hop, message(1), 0);
    Peer peer = site.expect_connection(next_hop == 0 ? front_end : second);
    site.expect(peer, "call1");
  }
}

// Rings are for those who may have been asked: a stranger's responses take no room in them.
TEST_F(Workers, T7_AStrangersResponsesDoNotCross) {
  Peer first = site.connect(port, "127.0.0.9");
  Peer second = site.connect(port, "127.0.0.9");
  site.until([&] { return site.counter("accepted_total") == 2; }, "two strangers");
  for (Peer* stranger : {&first, &second}) {
    for (const std::string worker : {"0", "1"}) {
      std::string request = message(1);
      request.replace(request.find("z9hG4bK1"), 8,
                      "z9hG4bK" + worker + "0000001.0000000000000001.0000000000000001");
      stranger->send(answer(request));
    }
    stranger->send("\r\n\r\n");
    site.expect(*stranger, "\r\n");
  }
  EXPECT_EQ(site.counter("received_messages_total"), 4u);
  EXPECT_EQ(site.counter("crossings_total"), 0u);
}

TEST(Tally, P7_AddsWorkersUpAndGoesOnFromWhereThePageStood) {
  Counters page, one, two;
  page.set(page.series("requests_total"), 100);
  page.set(page.series("open"), 55);
  Tally tally(page);
  tally.include(one);
  tally.include(two);
  one.add(one.series("requests_total"), 3);
  two.add(two.series("other_total{reason=\"x\"}"), 1);
  two.add(two.series("requests_total"), 4);
  one.set(one.series("open"), 2);
  two.set(two.series("open"), 5);
  tally.sum();
  tally.sum();
  EXPECT_EQ(page.value(page.series("requests_total")), 107u);
  EXPECT_EQ(page.value(page.series("other_total{reason=\"x\"}")), 1u);
  EXPECT_EQ(page.value(page.series("open")), 7u);
  two.add(two.series("late_total"), 9);
  tally.sum();
  EXPECT_EQ(page.value(page.series("late_total")), 9u);
}

// Under the thread sanitizer: a crew in threads of its own, requests both ways of the crossing,
// publishes meanwhile.
TEST(Threads, P1_PublishesUnderTrafficLoseNothing) {
  Server front_end("127.0.0.2");
  Layout layout;
  const uint16_t port = free_port();
  layout.listeners = {{port}};
  layout.front_end.endpoints = {front_end.endpoint()};
  Site site;  // its loop is the process's
  std::unique_ptr<Crew> crew;
  std::shared_ptr<const Generation> last;
  const auto publish = [&] {
    const link::Offer compiled = compile(layout);
    auto next = open_generation(compiled, sealing_key(), last.get());
    ASSERT_TRUE(next) << next.error().text();
    last = std::move(*next);
    ++layout.generation;
    if (crew == nullptr) {
      crew = std::make_unique<Crew>(
          site.loop, site.counters, layout.limits,
          CrewOptions{.workers = 2, .directory = false, .each = {.use_devices = false}});
    }
    bool running = false;
    ASSERT_TRUE(crew->use(last, [&] { running = true; }));
    site.until([&] { return running; }, "all workers to run it");
  };
  publish();
  std::vector<Peer> partners;
  for (int i = 0; i < 4; ++i) partners.push_back(site.connect(port));
  std::vector<Peer> fes;
  std::string requests;
  size_t answered = 0;
  std::string responses;
  const auto serve = [&] {
    if (Peer fe = front_end.accept()) fes.push_back(std::move(fe));
    for (Peer& fe : fes) {
      fe.receive(requests);
      for (size_t end; (end = requests.find("\r\n\r\nhello")) != std::string::npos;) {
        fe.send(answer(requests.substr(0, end + 4)));
        requests.erase(0, end + 9);
      }
    }
    for (Peer& partner : partners) partner.receive(responses);
    for (size_t at; (at = responses.find("SIP/2.0 200 OK")) != std::string::npos;) {
      responses.erase(0, at + 14);
      ++answered;
    }
  };
  constexpr int kMany = 200;
  for (int i = 0; i < kMany; ++i) {
    partners[static_cast<size_t>(i) % partners.size()].send(message(i));
    if (i % 20 == 19) publish();
    serve();
  }
  site.until(
      [&] {
        serve();
        return answered == kMany;
      },
      "every request to be answered");
  EXPECT_TRUE(crew->beat(site.loop.now()));
  bool stopped = false;
  crew->begin_stop([&] { stopped = true; });
  site.until([&] { return stopped; }, "the crew to stop");
}

}  // namespace
}  // namespace fedge::signal
