#include "mgmt/agent/agent.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/unit/agent/https_client.h"

namespace fedge::agent {
namespace {

using link::Channel;
using link::Process;
using snapshot::Kind;

// Init and control on the other ends of the agent's links.
class AgentLife : public testing::Test {
 protected:
  AgentLife() {
    auto [mine, its] = std::move(*link::make_link());
    init = std::make_unique<Channel>(loop, Process::init, Process::agent, std::move(mine));
    init->start([this](link::Received r) { on_init(r); }, [](const std::string&) {});
    agent = std::make_unique<Agent>(loop, std::move(its));
  }

  void on_init(link::Received received) {
    if (received.kind == link::MessageKind::ready) ready = true;
    if (received.kind == link::MessageKind::snapshot_running) {
      running.push_back(*link::decode<link::SnapshotRunning>(received.payload));
    }
  }

  void send_sealing_key() {
    const auto memory = make_sealed_memfd("key", sealing_key.bytes());
    init->send(link::SealingKey{Process::agent}, std::array{memory->get()});
  }

  void send_snapshot(uint64_t generation, const std::string& keys) {
    const std::string management = credentials.management_section(listener.endpoint(), 1 << 16);
    const auto first = make_sealed_memfd("management", as_bytes(management));
    const auto second = make_sealed_memfd("keys", as_bytes(keys));
    link::SnapshotOffer offer{generation, 1, {{Kind::management, {}}, {Kind::keys_agent, {}}}};
    init->send(offer, std::array{first->get(), second->get()});
  }

  void connect_control() {
    auto [mine, its] = std::move(*link::make_link());
    control = std::make_unique<Channel>(loop, Process::control, Process::agent, std::move(mine));
    control->start(
        [this](link::Received r) {
          asked.push_back(*link::decode<link::ApiRequest>(r.payload));
          bodies.emplace_back();
          if (r.fds.empty()) return;
          EXPECT_TRUE(is_sealed(r.fds[0].get()));
          bodies.back() = as_text(Mapping::read_only(r.fds[0].get())->bytes());
        },
        [](const std::string&) {});
    init->send(link::LinkOpened{Process::control}, std::array{its.get()});
  }

  template <class Condition>
  bool await(Condition done) {
    const Instant limit = now_monotonic() + 5s;
    while (!done() && now_monotonic() < limit) loop.run_once(100ms);
    return done();
  }

  void start() {
    send_sealing_key();
    send_snapshot(1, credentials.keys_section(sealing_key));
    init->send(link::ListeningSocket{listener.endpoint()}, std::array{listener.socket.get()});
    connect_control();
    ASSERT_TRUE(await([&] { return !running.empty(); }));
    ASSERT_TRUE(running[0].accepted) << running[0].reason;
  }

  HttpsClient connect() { return HttpsClient(loop, listener.port, credentials.client_context()); }

  static inline const Credentials credentials;
  const pki::Secret sealing_key{as_bytes(std::string(pki::kSealingKeySize, 's'))};
  LoopbackListener listener;
  Loop loop;
  std::unique_ptr<Channel> init, control;
  std::unique_ptr<Agent> agent;
  std::vector<link::SnapshotRunning> running;
  std::vector<link::ApiRequest> asked;
  std::vector<std::string> bodies;
  bool ready = false;
};

TEST_F(AgentLife, B4_SaysWhenItIsReady) {
  agent->announce_ready();
  EXPECT_TRUE(await([&] { return ready; }));
}

TEST_F(AgentLife, P1_CarriesARequestToControlAndBack) {
  start();
  auto client = connect();
  client.send(
      "POST /v1/topology/publish?wait=5s HTTP/1.1\r\nHost: box\r\n"
      "Authorization: bearer the-token\r\nIf-Match: \"7\"\r\n"
      "Content-Type: application/json\r\nContent-Length: 4\r\n\r\nbody");
  ASSERT_TRUE(await([&] { return !asked.empty(); }));
  EXPECT_EQ(asked[0].method, "POST");
  EXPECT_EQ(asked[0].path, "/v1/topology/publish");
  EXPECT_EQ(asked[0].query, "wait=5s");
  EXPECT_EQ(asked[0].token, "the-token");
  EXPECT_EQ(asked[0].if_match, "\"7\"");
  EXPECT_TRUE(asked[0].client.starts_with("127.0.0.1:"));
  EXPECT_EQ(bodies[0], "body");
  const auto body = make_sealed_memfd("reply", as_bytes("{\"revision\":8}"));
  link::ApiReply reply;
  reply.id = asked[0].id;
  reply.status = 202;
  reply.content_type = "application/json";
  reply.etag = "\"8\"";
  control->send(reply, std::array{body->get()});
  ASSERT_TRUE(client.await_text("{\"revision\":8}"));
  EXPECT_TRUE(client.got.starts_with("HTTP/1.1 202 Accepted\r\n"));
}

TEST_F(AgentLife, B4_ControlMayDieAndComeBack) {
  start();
  auto client = connect();
  client.send("GET /v1/status HTTP/1.1\r\nHost: box\r\n\r\n");
  ASSERT_TRUE(await([&] { return !asked.empty(); }));
  control.reset();
  ASSERT_TRUE(client.await_text("503 Service Unavailable"));
  client.got.clear();
  client.send("GET /v1/status HTTP/1.1\r\nHost: box\r\n\r\n");
  ASSERT_TRUE(client.await_text("traffic goes on"));
  connect_control();
  client.send("GET /v1/again HTTP/1.1\r\nHost: box\r\n\r\n");
  ASSERT_TRUE(await([&] { return asked.size() == 2; }));
  EXPECT_EQ(asked[1].path, "/v1/again");
}

TEST_F(AgentLife, C6_ASnapshotWaitsForTheSealingKey) {
  send_snapshot(1, credentials.keys_section(sealing_key));
  for (int i = 0; i < 5; ++i) loop.run_once(0ms);
  EXPECT_TRUE(running.empty());
  send_sealing_key();
  ASSERT_TRUE(await([&] { return !running.empty(); }));
  EXPECT_TRUE(running[0].accepted) << running[0].reason;
}

TEST_F(AgentLife, P1_ADamagedSnapshotIsRefusedAndTheOldOneServes) {
  start();
  std::string keys = credentials.keys_section(sealing_key);
  keys.back() = static_cast<char>(keys.back() ^ 1);
  send_snapshot(2, keys);
  ASSERT_TRUE(await([&] { return running.size() == 2; }));
  EXPECT_FALSE(running[1].accepted);
  EXPECT_FALSE(running[1].reason.empty());
  const pki::Secret other(as_bytes(std::string(pki::kSealingKeySize, 'x')));
  send_snapshot(3, credentials.keys_section(other));
  ASSERT_TRUE(await([&] { return running.size() == 3; }));
  EXPECT_FALSE(running[2].accepted);
  auto client = connect();
  client.send("GET /v1/status HTTP/1.1\r\nHost: box\r\n\r\n");
  EXPECT_TRUE(await([&] { return !asked.empty(); }));
}

TEST_F(AgentLife, B4_StopsCleanly) {
  start();
  auto client = connect();
  ASSERT_TRUE(client.await([&] { return client.open; }));
  init->send(link::Stop{});
  loop.run();  // returns
  EXPECT_TRUE(client.await_end());
}

}  // namespace
}  // namespace fedge::agent
