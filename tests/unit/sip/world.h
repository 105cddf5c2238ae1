// A proxy between a partner outside and front ends inside, with a list in place of connections
// and time that only tests move.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/sip/health.h"
#include "dataplane/sip/proxy.h"
#include "firmware/snapshot/routes.h"
#include "firmware/snapshot/writer.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

// Indices of the snapshot below.
enum Hop : uint32_t { fe1, fe2, partner_edge, imp, other_edge, fe6 };
inline constexpr uint16_t kOutside = 0;
inline constexpr uint16_t kInside = 1;

struct WorldOptions {
  uint8_t federation = 1;
  bool without_fe1 = false;                 // the route of example.com has lost its first target
  bool mixed_families = false;              // example.com is served by fe6, over IPv6
  std::vector<snapshot::Target> ours = {};  // targets of example.com, when not fe1, then fe2
  snapshot::Forking forking = snapshot::Forking::one;  // of example.com
  // M4: media of calls with the partner is anchored, on so many ports of each side; 0: of nobody's.
  uint16_t anchor_ports = 0;
};

class Sections {
 public:
  explicit Sections(const WorldOptions& options = {});
  SnapshotView view() const {
    return {&appliance_, &realms_, &listeners_, &routing_, &signalling_, &media_, token_secrets};
  }
  const snapshot::Section<snapshot::Routing>& routing() const { return routing_; }
  std::vector<TokenSecret> token_secrets;

 private:
  std::vector<std::string> bytes_;
  snapshot::Section<snapshot::Appliance> appliance_;
  snapshot::Section<snapshot::Realms> realms_;
  snapshot::Section<snapshot::Listeners> listeners_;
  snapshot::Section<snapshot::Routing> routing_;
  snapshot::Section<snapshot::Signalling> signalling_;
  snapshot::Section<snapshot::Media> media_;
};

// One message that the proxy handed out.
struct Taken {
  ConnectionId connection = 0;
  uint32_t next_hop = kNoNextHop;  // kNoNextHop: sent on exactly that connection
  SendToken token = 0;
  std::string bytes;
  // Parsed; an assertion fails when it is malformed.
  const Message& message();

 private:
  std::shared_ptr<Message> parsed_;
};

class FakeOutbound : public Outbound {
 public:
  SendOutcome send(ConnectionId connection, std::string_view bytes) override;
  SendResult send_to_next_hop(uint32_t next_hop, std::string_view bytes, SendToken token) override;

  // The oldest message not taken yet; fails the test when there is none.
  Taken take();
  bool empty() const { return queue_.empty(); }

  // Health: the tests of other things are not asked with OPTIONS.
  bool asks_next_hop(std::string_view) const override { return asks; }
  void on_hop_report(const HopReport& report) override { reports.push_back(report); }
  void on_failover(const FailoverReport& report) override;

  // Media: what the fast path would hear.
  bool set_anchor(const AnchorUpdate& update) override;
  bool takes_anchors = true;
  void end_anchor(uint64_t call) override { ended.push_back(call); }
  int64_t wall_seconds() const override { return wall; }
  int64_t wall = 1'800'000'000;
  struct Anchored : AnchorUpdate {
    std::string call_id_text;
  };
  std::vector<Anchored> anchors;
  std::vector<uint64_t> ended;

  struct Failed {
    std::string method, rule, call_id;
    uint32_t from, to;
    HopFailure why;
  };
  bool asks = false;
  std::vector<HopReport> reports;
  std::vector<Failed> failovers;
  std::map<uint32_t, SendOutcome> outcomes;           // of next hops; sent when absent
  std::map<ConnectionId, SendOutcome> send_outcomes;  // of connections; sent when absent
  static ConnectionId connection_of(uint32_t next_hop) { return 1000 + next_hop; }

 private:
  std::vector<Taken> queue_;
};

// The proxy's side of Health, for tests of it alone.
class FakeAsker : public HealthEvents {
 public:
  SendResult send_probe(uint32_t next_hop, const Branch& branch) override;
  bool asks(std::string_view) const override { return is_asking; }
  void on_hop_report(const HopReport& report) override { reports.push_back(report); }
  void drop(ConnectionId connection) override { dropped.push_back(connection); }

  struct Asked {
    uint32_t next_hop;
    Branch branch;
  };
  bool is_asking = true;
  SendOutcome outcome = SendOutcome::sent;
  std::vector<Asked> asked;
  std::vector<ConnectionId> dropped;
  std::vector<HopReport> reports;
};

inline constexpr std::string_view kRouteKey = "the same at every start of the process";
inline constexpr ConnectionId kFromPartner = 1;
inline constexpr ConnectionId kFromFe1 = 2;
inline constexpr ConnectionId kFromStranger = 3;
inline constexpr ConnectionId kFromFe2 = 4;

struct RequestText {
  std::string method = "MESSAGE";
  std::string uri = "sip:bob@example.com";
  std::string from = "<sip:alice@partner.example>;tag=a1";
  std::string to = "<sip:bob@example.com>";
  std::string call_id = "call-1";
  std::string branch = "z9hG4bK-a";
  std::string via_parameters;
  std::string headers = "Max-Forwards: 70\r\n";
  std::string body;
  std::string text() const;
};

class World : public ::testing::Test {
 public:
  World() : World(Capacity{1024, 65536}) {}
  explicit World(const Capacity& capacity);

  Arrival from_partner() const;
  Arrival from_fe1() const;
  Arrival from_fe2() const;
  Arrival from_stranger() const;

  void receive(const Arrival& arrival, const std::string& text);
  void receive(const Arrival& arrival, const RequestText& request) {
    receive(arrival, request.text());
  }
  // The next hop's answer to a request that the proxy sent it.
  void respond(Taken& request, uint16_t status, const std::string& headers = {});
  void pass(Duration time);
  uint64_t counter(const std::string& name) { return counters.value(counters.series(name)); }
  Taken take() { return outbound.take(); }
  // Takes the next message, which must be a response of that status on that connection.
  Taken take_response(ConnectionId connection, uint16_t status);
  Taken take_request(uint32_t next_hop, Method method);
  void expect_idle();

  Instant now{std::chrono::hours(1)};
  TimerWheel wheel{now};
  Counters counters;
  FakeOutbound outbound;
  Sections sections;
  Proxy proxy;
};

std::string value_of(const Message& message, HeaderId id, size_t nth = 0);
size_t count_of(const Message& message, HeaderId id);
// From 1 to 10 seconds.
void expect_retry_after(const Message& message);

}  // namespace fedge::sip
