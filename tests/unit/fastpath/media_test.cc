// Media through the whole program: two ends on the port's link, init's and signal's part played by
// the test.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include "tests/unit/fastpath/traffic.h"

namespace fedge::fastpath {
namespace {

using namespace std::string_literals;

std::vector<TestRealm> with_media() {
  TestRealm realm{"outside", 0, "10.9.0.1/24", "fd00:9::1/64", 0};
  realm.media = true;
  return {realm};
}
const std::vector<TestRealm> kMedia = with_media();

class Datagrams {
 public:
  Datagrams(Box& box, const std::string& at) : at_(*Endpoint::parse(at)) {
    const netlink::Inside inside(box.peer);
    sockaddr_storage address{};
    const socklen_t size = at_.to_sockaddr(address);
    fd_.reset(::socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size), 0) << at;
  }
  void send(const Endpoint& to, const std::string& what) const {
    sockaddr_storage address{};
    const socklen_t size = to.to_sockaddr(address);
    EXPECT_EQ(::sendto(fd_.get(), what.data(), what.size(), 0,
                       reinterpret_cast<const sockaddr*>(&address), size),
              static_cast<ssize_t>(what.size()));
  }
  // What came within that time; empty when nothing did.
  std::string receive(int ms = 2000) const {
    if (!wait_for(fd_, POLLIN, ms)) return {};
    std::string buffer(10000, '\0');
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
    return buffer.substr(0, size < 0 ? 0 : static_cast<size_t>(size));
  }
  const Endpoint& at() const { return at_; }

 private:
  Endpoint at_;
  Fd fd_;
};

// A stream between 10.9.0.2 and 10.9.0.3 through ports 50000 (+ 2 i) and 50050 (+ 2 i) of ours,
// which one worker owns.
struct Call {
  Call(Box& box, unsigned i)
      : caller(box, "10.9.0.2:" + std::to_string(20000 + i)),
        callee(box, "10.9.0.3:" + std::to_string(30000 + i)) {
    what.id = 7000u + i;
    what.call = 77;
    what.call_id = "call@example.com";
    what.caller = side(50000 + 2 * i, caller.at());
    what.callee = side(50052 + 2 * i, callee.at());
  }
  static link::AnchorSide side(unsigned port, const Endpoint& remote) {
    link::AnchorSide out;
    out.realm = "outside";
    out.local = {*IpAddress::parse("10.9.0.1"), static_cast<uint16_t>(port)};
    out.remote = remote;
    out.prefix = 32;
    out.muxed = true;
    return out;
  }
  bool passes(const std::string& text, bool to_callee) const {
    const Datagrams& from = to_callee ? caller : callee;
    const Datagrams& to = to_callee ? callee : caller;
    from.send(to_callee ? what.caller.local : what.callee.local, text);
    for (std::string got = to.receive(); !got.empty(); got = to.receive()) {
      if (got == text) return true;
    }
    return false;
  }
  bool passes(const std::string& text) const { return passes(text, true) && passes(text, false); }

  Datagrams caller, callee;
  link::Anchor what;
};

class FastpathMedia : public testing::TestWithParam<unsigned> {
 protected:
  void SetUp() override {
    if (const auto why = Box::missing(); !why.empty()) GTEST_SKIP() << why;
    box = std::make_unique<Box>();
    box->workers = GetParam();
    box->set_up(kMedia);
    configure_peer(*box);
    shell("ip -n " + box->peer_name + " addr add 10.9.0.3/24 dev peer0");
    start(*box, kMedia);
  }
  std::unique_ptr<link::Channel> connect() {
    return box->connect_signal([this](link::Received message) {
      if (message.kind == link::MessageKind::anchor_held) {
        held.push_back(link::decode<link::AnchorHeld>(message.payload)->id);
      }
      if (message.kind == link::MessageKind::anchor_end) ++ends;
    });
  }
  // Both ways. Sends until something arrives, as ends of a call do: the first packets find no
  // neighbour, and the test is init, who has it looked for.
  bool works(const Call& call, const std::string& words) {
    const std::string text = "\x80" + words;  // as RTP begins (RFC 7983)
    const auto arrives = [&](const Datagrams& from, const Datagrams& to, const Endpoint& ours) {
      return box->run_until([&] {
        from.send(ours, text);
        return to.receive(20) == text;
      });
    };
    return arrives(call.caller, call.callee, call.what.caller.local) &&
           arrives(call.callee, call.caller, call.what.callee.local);
  }
  bool has_sessions(uint64_t number) {
    return box->run_until([&] { return box->counter("fedge_media_sessions") == number; });
  }
  std::unique_ptr<Box> box;
  std::vector<uint64_t> held;
  unsigned ends = 0;
};

TEST_P(FastpathMedia, M1_AnswersABindingRequestAndNothingElseOnItsPort) {
  const Datagrams client(*box, "10.9.0.2:40000");
  const Endpoint server = *Endpoint::parse("10.9.0.1:3478");
  const std::string request = "\x00\x01\x00\x00\x21\x12\xa4\x42"s + "0123456789ab";
  client.send(server, request);
  const std::string answer = client.receive();
  ASSERT_GE(answer.size(), 32u);
  EXPECT_EQ(answer.substr(0, 2), "\x01\x01"s);
  EXPECT_EQ(answer.substr(4, 16), request.substr(4));
  client.send(server, "hello");
  EXPECT_EQ(client.receive(100), "");
  // A relay port that nobody holds answers nothing, and the kernel nothing for it.
  client.send(*Endpoint::parse("10.9.0.1:51002"), "hello");
  EXPECT_EQ(client.receive(100), "");
  EXPECT_TRUE(box->counts("fedge_media_requests_total"));
  EXPECT_TRUE(box->counts("fedge_media_dropped_total{reason=\"no_session\"}"));
}

TEST_P(FastpathMedia, M4_CarriesAnchoredStreamsWhicheverQueueTheyComeOn) {
  auto signal = connect();
  for (unsigned i = 0; i < 6; ++i) {
    const Call call(*box, i);
    ASSERT_TRUE(signal->send(call.what));
    EXPECT_TRUE(works(call, "stream " + std::to_string(i))) << i << "\n" << box->losses();
  }
  EXPECT_TRUE(has_sessions(6));
  EXPECT_TRUE(
      box->counts("fedge_media_packets_total{kind=\"anchor\",direction=\"from_client\"}", 6));
  if (GetParam() > 1) {
    EXPECT_TRUE(box->counts("fedge_fastpath_crossed_total"));
  }
  ASSERT_TRUE(signal->send(link::AnchorEnd{7000, 77, {}}));
  EXPECT_TRUE(has_sessions(5));
  ASSERT_TRUE(signal->send(link::AnchorEnd{0, 77, {}}));
  EXPECT_TRUE(has_sessions(0));
  EXPECT_EQ(ends, 0u) << "signal knows what it ended itself";
}

TEST_P(FastpathMedia, M4_B4_StreamsLiveOnWithinTwoSecondsOfAKill) {
  auto signal = connect();
  const Call call(*box, 1);
  ASSERT_TRUE(signal->send(call.what));
  EXPECT_TRUE(works(call, "before"));
  const Instant killed = now_monotonic();
  box->kill_program();
  start(*box, kMedia, 2);
  EXPECT_TRUE(works(call, "after"));
  EXPECT_LT(now_monotonic() - killed, 2s);
  // Signal hears what is there.
  signal = connect();
  EXPECT_TRUE(box->run_until([&] { return held == std::vector{call.what.id}; }));
  // A publish without media ends it, and signal is told.
  const std::vector<TestRealm> none{{"outside", 0, "10.9.0.1/24", "", 0}};
  EXPECT_TRUE(box->offer(none, 3).accepted);
  EXPECT_TRUE(box->run_until([&] { return ends == 1; }));
}

TEST_P(FastpathMedia, M4_B6_PutsFragmentsTogetherAndCutsWhatDoesNotFit) {
  auto signal = connect();
  const Call call(*box, 2);
  ASSERT_TRUE(signal->send(call.what));
  EXPECT_TRUE(works(call, "small"));
  EXPECT_TRUE(call.passes(std::string(4000, 'L')));
}

INSTANTIATE_TEST_SUITE_P(Workers, FastpathMedia, testing::Values(1u, 2u),
                         [](const auto& workers) { return std::to_string(workers.param); });

}  // namespace
}  // namespace fedge::fastpath
