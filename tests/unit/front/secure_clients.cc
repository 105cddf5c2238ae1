// Clients that come with TLS, and those who only pretend.
#include <deque>

#include "tests/unit/front/site.h"
#include "tests/unit/pki/authority.h"

namespace fedge::front {
namespace {

// A client of TLS: the library's stream over the test's socket.
class TlsClient final : public pki::CipherSink {
 public:
  TlsClient(Site& site, const Layout& layout, uint16_t port, const char* from = "127.0.0.1")
      : site_(site), client_(site.loop, port, from) {
    stream_ = std::move(*pki::TlsStream::make(make_context(layout), pki::TlsRole::client,
                                              "av.example.com", now_wall()));
    stream_->start(*this);
  }
  void append(Bytes ciphertext) override { client_.send(as_text(ciphertext)); }
  bool is_open() {
    advance();
    return stream_->state() == pki::TlsState::open;
  }
  void send(std::string_view text) { EXPECT_TRUE(stream_->send(as_bytes(text), *this)); }
  std::string receive(size_t count) {
    site_.run_until([&] {
      advance();
      return plain_.size() >= count;
    });
    return std::exchange(plain_, {});
  }
  bool ended() { return client_.ended(); }

 private:
  void advance() {
    const std::string cipher = client_.receive_now();
    Bytes left = as_bytes(cipher);
    std::vector<std::byte> plain(65536);
    while (!left.empty()) {
      const auto progress = stream_->receive(left, plain, *this);
      plain_ += as_text(Bytes(plain).first(progress.produced));
      left = left.subspan(progress.consumed);
      if (progress.state == pki::TlsState::failed) {
        ADD_FAILURE() << stream_->failure();
        return;
      }
      if (progress.state == pki::TlsState::closed) return;
    }
  }
  Site& site_;
  Client client_;
  std::unique_ptr<pki::TlsStream> stream_;
  std::string plain_;
};

struct Secure : Open {
  Secure() {
    static pki::Authority authority("Test CA");
    static const auto pair = authority.issue("av.example.com", "DNS:av.example.com");
    layout.chain = pair.chain;
    layout.key = pair.key;
    layout.trust = authority.certificate();
    secure_port = free_port();
    layout.listeners.push_back({secure_port, snapshot::Transport::tls});
    layout.generation = 2;
    EXPECT_TRUE(publish(layout)) << (answer ? answer->reason : "");
  }
  uint16_t secure_port;
};

TEST(Clients, M2_SpeakTurnInsideOfTls) {
  Secure site;
  TlsClient client(site, site.layout, site.secure_port);
  site.run_until([&] { return client.is_open(); });
  client.send(stun_message(8) + channel_data("abcde", true));
  const Kept first = site.next();
  EXPECT_EQ(first.octets, stun_message(8));
  const auto head = first.record.as<media::FrontMessage>();
  EXPECT_EQ(head.is_tls, 1);
  EXPECT_EQ(site.next().octets, channel_data("abcde", false));
  site.push(media::FrontReply{head.connection, 0}, channel_data("xyz", false));
  EXPECT_EQ(client.receive(8), channel_data("xyz", true));
  // A larger answer than one record, and many of them.
  std::string expected;
  for (int i = 0; i < 40; ++i) {
    const std::string data(996, static_cast<char>(i));
    site.push(media::FrontReply{head.connection, 0}, channel_data(data, false));
    expected += channel_data(data, true);
  }
  EXPECT_EQ(client.receive(expected.size()), expected);
  site.push(media::FrontClose{head.connection});
  EXPECT_TRUE(client.ended());
}

TEST(Clients, M2_ShareThePortOfTlsWithAllOtherDialects) {
  Secure site;
  Client ms(site.loop, site.secure_port);
  ms.send(ms_hello() + ms_frame(2, "allocate"));
  EXPECT_EQ(ms.receive(server_hello().size()), server_hello());
  EXPECT_EQ(site.next().octets, "allocate");
  Client turn(site.loop, site.secure_port);
  turn.send(stun_message());
  EXPECT_EQ(site.next().octets, stun_message());
}

TEST(Clients, M2_ThatStallHandshakesKeepNobodyOut) {
  Secure site;
  site.layout.limits.max_handshakes = 8;
  site.layout.generation = 3;
  ASSERT_TRUE(site.publish(site.layout));
  // A whole hello each, of clients that then say nothing more; all of one source.
  std::deque<TlsClient> stalled;
  for (int i = 0; i < 20; ++i) stalled.emplace_back(site, site.layout, site.secure_port);
  TlsClient client(site, site.layout, site.secure_port, "127.0.0.9");
  site.run_until([&] { return client.is_open(); });
  client.send(stun_message());
  EXPECT_EQ(site.next().octets, stun_message());
  EXPECT_EQ(site.count("fedge_front_closed_total{reason=\"silent\"}"), 0u) << "not by waiting";
}

TEST(Handshakes, M2_NoSourceHasMoreThanAQuarterOfThePlaces) {
  Handshakes handshakes(100);
  const auto from = [](int id, const char* address) {
    return Candidate{static_cast<media::ConnectionId>(id), 0, *IpAddress::parse(address)};
  };
  EXPECT_TRUE(handshakes.begin(from(1, "192.0.2.1"), 8));
  EXPECT_TRUE(handshakes.begin(from(2, "192.0.2.1"), 8));
  EXPECT_FALSE(handshakes.begin(from(3, "192.0.2.1"), 8));
  EXPECT_FALSE(handshakes.begin(from(4, "192.0.2.2"), 8)) << "behind who waits already";
  EXPECT_EQ(handshakes.next(8)->connection, 4u);
  EXPECT_FALSE(handshakes.next(8));
  handshakes.end(from(1, "192.0.2.1"));
  EXPECT_EQ(handshakes.next(8)->connection, 3u);
  EXPECT_EQ(handshakes.waiting(), 0u);
  EXPECT_EQ(handshakes.working(), 3u);
}

}  // namespace
}  // namespace fedge::front
