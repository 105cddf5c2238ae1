// R4 over real sockets on loopback: a name server in the same loop.
#include "firmware/resolve/service.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <set>

#include "tests/unit/wire_dns/message_builder.h"

namespace fedge::resolve {
namespace {

using dns::MessageBuilder;
using dns::name_of;
using dns::Question;
using dns::Type;

const Question kHost{name_of("edge.example.com"), Type::a};

// Answers with 192.0.2.1; `truncates` over UDP, so that the answer is on TCP at the same port.
class NameServer final : public Watcher {
 public:
  explicit NameServer(Loop& loop) : loop_(loop) {
    // The port that UDP is given may be somebody's over TCP.
    int attempts = 50;
    while (!open_sockets() && --attempts > 0) {
    }
    EXPECT_GT(attempts, 0);
    EXPECT_EQ(::listen(tcp_.get(), 8), 0);
    EXPECT_TRUE(loop_.watch(udp_.get(), EPOLLIN, *this));
    EXPECT_TRUE(loop_.watch(tcp_.get(), EPOLLIN, *this));
  }
  ~NameServer() override {
    for (const Fd* fd : {&udp_, &tcp_, &stream_}) {
      if (*fd) loop_.unwatch(fd->get(), *this);
    }
  }

  Endpoint endpoint;
  bool is_silent = false;
  bool truncates = false;
  bool hangs_up = false;
  std::set<uint16_t> ports;
  unsigned streams = 0;

 private:
  bool open_sockets() {
    sockaddr_storage address{};
    socklen_t size = Endpoint::parse("127.0.0.1:0")->to_sockaddr(address);
    udp_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
    if (::bind(udp_.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return false;
    ::getsockname(udp_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    endpoint = Endpoint::from_sockaddr(address);
    tcp_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    const int on = 1;  // or in TIME_WAIT
    ::setsockopt(tcp_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return ::bind(tcp_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0;
  }

  void on_ready(uint32_t) override {
    serve_datagrams();
    if (stream_) serve_stream();
    Fd accepted(::accept4(tcp_.get(), nullptr, nullptr, SOCK_NONBLOCK));
    if (!accepted) return;
    ++streams;
    if (hangs_up) return;
    stream_ = std::move(accepted);
    EXPECT_TRUE(loop_.watch(stream_.get(), EPOLLIN, *this));
  }
  void serve_datagrams() {
    std::array<std::byte, 2048> room;
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    for (;;) {
      const ssize_t got = ::recvfrom(udp_.get(), room.data(), room.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) return;
      ports.insert(Endpoint::from_sockaddr(from).port);
      if (is_silent) continue;
      const std::string out = answer(Bytes(room).first(static_cast<size_t>(got)), truncates);
      ::sendto(udp_.get(), out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
  void serve_stream() {
    std::array<std::byte, 2048> room;
    const ssize_t got = ::recv(stream_.get(), room.data(), room.size(), 0);
    if (got <= 2) return;
    const std::string out = answer(Bytes(room).subspan(2, static_cast<size_t>(got) - 2), false);
    std::string framed(2, '\0');
    store_be16(framed.data(), static_cast<uint16_t>(out.size()));
    // In two pieces: the length may come alone.
    ::send(stream_.get(), framed.data(), 2, MSG_NOSIGNAL);
    ::send(stream_.get(), out.data(), out.size(), MSG_NOSIGNAL);
  }
  static std::string answer(Bytes query, bool truncated) {
    const auto envelope = dns::read_envelope(query);
    MessageBuilder reply(envelope->id, *envelope->question);
    if (truncated) return reply.flags(0x8380).octets();
    return reply.address(envelope->question->name.text(), 60, "192.0.2.1").octets();
  }

  Loop& loop_;
  Fd udp_;
  Fd tcp_;
  Fd stream_;
};

class Service : public ::testing::Test {
 protected:
  void start(Settings settings, const std::string& device = "") {
    service = std::make_unique<NameService>(
        loop, std::move(settings), random, device,
        [this](const Question& question) { settled.push_back(question); });
  }
  void start() { start(Settings{.servers = {server.endpoint}}); }
  // Until `count` questions have settled.
  void await(size_t count = 1) {
    const Instant end = now_monotonic() + 10s;
    while (settled.size() < count && now_monotonic() < end) loop.run_once(100ms);
    ASSERT_GE(settled.size(), count);
  }

  Loop loop;
  KernelRandom random;
  NameServer server{loop};
  std::vector<Question> settled;
  std::unique_ptr<NameService> service;
};

TEST_F(Service, R4_AnswersOverUdp) {
  start();
  EXPECT_EQ(service->find(kHost).state, State::pending);
  EXPECT_TRUE(settled.empty());
  await();
  EXPECT_EQ(settled.front(), kHost);
  EXPECT_EQ(service->find(kHost).answer->addresses.at(0).text(), "192.0.2.1");
}

TEST_F(Service, R4_EveryQueryHasAPortOfItsOwn) {
  start();
  for (int i = 0; i < 60; ++i) {
    service->find({name_of("h" + std::to_string(i) + ".example"), Type::a});
  }
  await(60);
  EXPECT_EQ(server.ports.size(), 60u);
  const auto [least, most] = std::minmax_element(server.ports.begin(), server.ports.end());
  EXPECT_GT(*most - *least, 1000) << "at random, not one after the other";
}

TEST_F(Service, R4_TruncatedAnswersComeOverTcp) {
  server.truncates = true;
  start();
  service->find(kHost);
  await();
  EXPECT_EQ(server.streams, 1u);
  EXPECT_EQ(service->find(kHost).state, State::found);
}

TEST_F(Service, R4_AServerThatHangsUpFails) {
  server.truncates = server.hangs_up = true;
  start();
  service->find(kHost);
  await();
  EXPECT_EQ(service->find(kHost).state, State::failed);
}

TEST_F(Service, R4_NobodyAtTheAddressGoesToTheNextServerAtOnce) {
  Endpoint nobody = server.endpoint;
  {
    NameServer gone(loop);
    nobody = gone.endpoint;
  }
  start(Settings{.servers = {nobody, server.endpoint}});
  const Instant before = now_monotonic();
  service->find(kHost);
  await();
  EXPECT_EQ(service->find(kHost).state, State::found);
  EXPECT_LT(now_monotonic() - before, 900ms) << "by ICMP, not by time-out";
  EXPECT_EQ(service->resolver().counters().unreachable, 1u);
}

TEST_F(Service, R4_SilentServersFailAndNoSocketStays) {
  server.is_silent = true;
  start(Settings{.servers = {server.endpoint}, .first_timeout = 10ms, .longest_lookup = 100ms});
  service->find(kHost);
  await();
  EXPECT_EQ(service->find(kHost).state, State::failed);
  EXPECT_EQ(service->resolver().lookups(), 0u);
  EXPECT_EQ(service->resolver().next_due(), never);
}

TEST_F(Service, R4_ADeviceThatIsNotThereFailsInsteadOfUsingAnother) {
  start(Settings{.servers = {server.endpoint}}, "no-such-tap");
  EXPECT_EQ(service->find(kHost).state, State::pending) << "never told inside find()";
  EXPECT_TRUE(settled.empty());
  await();
  EXPECT_EQ(service->find(kHost).state, State::failed);
  EXPECT_TRUE(server.ports.empty());
}

TEST_F(Service, R4_MayBeDestroyedWhileAsking) {
  server.is_silent = true;
  start();
  service->find(kHost);
  service.reset();
  loop.run_once(10ms);
  EXPECT_TRUE(settled.empty());
}

}  // namespace
}  // namespace fedge::resolve
