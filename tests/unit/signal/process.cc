// The process around the workers, with the test as init.
#include "dataplane/signal/process.h"

#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class ProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto ends = link::make_link();
    ASSERT_TRUE(ends);
    init = std::make_unique<link::Channel>(site.loop, link::Process::init, link::Process::signal,
                                           std::move(ends->first));
    init->start([this](const link::Received& received) { on_message(received); },
                [](const std::string&) {});
    process = std::make_unique<Process>(site.loop, std::move(ends->second),
                                        CrewOptions{.each = {.use_devices = false, .secret = 1}});
    process->start();
    layout.listeners = {{port}};
  }
  void on_message(const link::Received& received) {
    if (received.kind == link::MessageKind::ready) ready = true;
    if (received.kind == link::MessageKind::snapshot_running) {
      running = link::decode<link::SnapshotRunning>(received.payload);
    }
  }
  void give_counters() {
    page = std::move(*make_shared_memfd("counters", sizeof(CounterPage)));
    const int fd = page.get();
    init->send(link::CounterPages{link::Process::signal}, {&fd, 1});
  }
  void give_key() {
    const Fd key = std::move(*make_sealed_memfd("key", sealing_key().bytes()));
    const int fd = key.get();
    init->send(link::SealingKey{link::Process::signal}, {&fd, 1});
  }
  void offer(const link::Offer& compiled) {
    std::vector<int> fds;
    for (const Fd& fd : compiled.fds) fds.push_back(fd.get());
    running.reset();
    init->send(compiled.message, fds);
  }
  void offer_and_wait(const link::Offer& compiled) {
    offer(compiled);
    site.until([&] { return running.has_value(); }, "the answer to an offer");
  }

  uint16_t port = free_port();
  Layout layout;
  Site site;  // its loop and clients; the worker is the process's
  std::unique_ptr<link::Channel> init;
  std::unique_ptr<Process> process;
  Fd page;
  bool ready = false;
  std::optional<link::SnapshotRunning> running;
};

TEST_F(ProcessTest, P1_RunsAnOfferWheneverKeyAndCountersCome) {
  site.until([&] { return ready; }, "ready");
  offer(compile(layout));
  give_key();
  give_counters();
  site.until([&] { return running.has_value(); }, "the answer to an offer");
  EXPECT_TRUE(running->accepted) << running->reason;
  EXPECT_EQ(running->generation, 1u);
  Peer peer = site.connect(port);
  peer.send("\r\n\r\n");
  site.expect(peer, "\r\n");
  CountersView view(std::move(*Mapping::read_only(page.get())));
  EXPECT_GT(view.count(), 0u);
  site.until([&] { return view.heartbeat_ns() > 0; }, "a heartbeat");
}

TEST_F(ProcessTest, P1_RefusesADamagedOfferWithTheReasonAndRunsOn) {
  give_key();
  give_counters();
  offer_and_wait(compile(layout));
  ASSERT_TRUE(running->accepted) << running->reason;
  layout.generation = 2;
  link::Offer bad = compile(layout);
  bad.fds[2] = std::move(*make_sealed_memfd("noise", as_bytes("noise")));
  offer_and_wait(bad);
  EXPECT_FALSE(running->accepted);
  EXPECT_FALSE(running->reason.empty());
  EXPECT_EQ(process->generation()->number, 1u);
  layout.generation = 3;
  offer_and_wait(compile(layout));
  EXPECT_TRUE(running->accepted) << running->reason;
  EXPECT_EQ(process->generation()->number, 3u);
}

TEST_F(ProcessTest, T7_TellsTheFastPathWhoIsConnected) {
  give_key();
  give_counters();
  std::vector<link::PeerConnected> connected;
  std::vector<link::PeerGone> gone;
  const auto open_link = [&] {
    auto ends = link::make_link();
    const int fd = ends->second.get();
    init->send(link::LinkOpened{link::Process::fastpath}, {&fd, 1});
    auto channel = std::make_unique<link::Channel>(site.loop, link::Process::fastpath,
                                                   link::Process::signal, std::move(ends->first));
    channel->start(
        [&](const link::Received& received) {
          if (auto m = link::decode<link::PeerConnected>(received.payload);
              m && received.kind == link::MessageKind::peer_connected) {
            connected.push_back(*m);
          }
          if (auto m = link::decode<link::PeerGone>(received.payload);
              m && received.kind == link::MessageKind::peer_gone) {
            gone.push_back(*m);
          }
        },
        [](const std::string&) {});
    return channel;
  };
  auto fastpath = open_link();
  offer_and_wait(compile(layout));
  Peer partner = site.connect(port);
  site.until([&] { return connected.size() == 1; }, "an announcement");
  EXPECT_TRUE(connected[0].trusted);
  EXPECT_EQ(connected[0].remote.address.text(), "127.0.0.3");
  EXPECT_EQ(connected[0].realm, "lo");
  // A restarted fast path is told everything again.
  connected.clear();
  fastpath = open_link();
  site.until([&] { return connected.size() == 1; }, "the announcement again");
  // What the peer is now counts.
  layout.partner.endpoints = {"127.0.0.5:9"};
  layout.generation = 2;
  offer_and_wait(compile(layout));
  site.until([&] { return connected.size() == 2; }, "the changed announcement");
  EXPECT_FALSE(connected[1].trusted);
  partner.close();
  site.until([&] { return gone.size() == 1; }, "the departure");
  EXPECT_EQ(gone[0].remote, connected[1].remote);
}

TEST_F(ProcessTest, R3_TellsControlWhichNextHopsAnswer) {
  give_key();
  give_counters();
  offer_and_wait(compile(layout));
  std::vector<link::NextHopState> states;
  const auto open_link = [&] {
    auto ends = link::make_link();
    const int fd = ends->second.get();
    init->send(link::LinkOpened{link::Process::control}, {&fd, 1});
    auto channel = std::make_unique<link::Channel>(site.loop, link::Process::control,
                                                   link::Process::signal, std::move(ends->first));
    channel->start(
        [&](const link::Received& received) {
          auto m = link::decode<link::NextHopState>(received.payload);
          ASSERT_TRUE(m && received.kind == link::MessageKind::next_hop_state);
          states.push_back(*m);
        },
        [](const std::string&) {});
    return channel;
  };
  auto control = open_link();
  Peer partner = site.connect(port);
  partner.send(message(1));  // nobody listens where the front end is
  site.expect(partner, "SIP/2.0 500 ");
  site.until([&] { return !states.empty(); }, "the state of the front end");
  EXPECT_EQ(states[0].next_hop, (link::NextHopName{"fe1.example.com", "lo", 9, false}));
  EXPECT_EQ(states[0].state, link::HopState::down);
  EXPECT_EQ(states[0].reason, "the connection request was refused");
  EXPECT_GT(states[0].since, 1700000000);
  // A restarted control is told everything again, and so it is after a publish.
  states.clear();
  layout.generation = 2;
  offer_and_wait(compile(layout));
  control = open_link();
  site.until([&] { return !states.empty(); }, "the state again");
  EXPECT_EQ(states[0].state, link::HopState::down);
}

TEST_F(ProcessTest, B4_StopSendsWhatWaitsAndEnds) {
  give_key();
  give_counters();
  offer_and_wait(compile(layout));
  Peer peer = site.connect(port);
  peer.send("\r\n\r\n");
  site.expect(peer, "\r\n");
  init->send(link::Stop{});
  site.loop.run();
  EXPECT_EQ(process->exit_code(), 0);
  site.expect_closed(peer);
}

TEST_F(ProcessTest, B4_EndsWithInit) {
  init.reset();
  site.loop.run();
  EXPECT_EQ(process->exit_code(), 1);
}

}  // namespace
}  // namespace fedge::signal
