// MS-TURN's TCP relays: one connection of the client's carries all its peers in frames.
#include "firmware/wire/ms_turn/message.h"
#include "firmware/wire/stun/attributes.h"
#include "tests/unit/front/relay_site.h"

namespace fedge::front {
namespace {

using media::FrontKind;

// One allocation of a client that speaks MS-TURN, with its relay port.
struct MsClient {
  MsClient(WithRelay& at, uint64_t allocation_name)
      : site(at), client(at.loop, at.port), allocation(allocation_name), port(free_port()) {
    client.send(ms_hello() + ms_frame(2, "allocate"));
    client.receive(server_hello().size());
    connection = site.next(FrontKind::message).record.as<media::FrontMessage>().connection;
    media::TcpListen what = site.listening();
    what.allocation = allocation;
    what.client = connection;
    what.port = port;
    site.push(what);
    reply("allocated");
    EXPECT_EQ(client.receive(13), ms_frame(2, "allocated"));
  }
  void reply(const std::string& text) { site.push(media::FrontReply{connection, 0}, text); }
  template <class Record>
  Record to(std::string_view address, uint16_t peer_port, bool is_inside = false) {
    Record what;
    what.allocation = allocation;
    what.peer_address = media::Address::of(*IpAddress::parse(address));
    what.peer_port = peer_port;
    what.is_inside = is_inside;
    return what;
  }
  void send_to(uint16_t peer_port, std::string_view data) {
    site.push(to<media::TcpSend>("127.0.0.1", peer_port), data);
  }
  void set_active(uint16_t peer_port) {
    site.push(to<media::TcpActive>("127.0.0.1", peer_port), "active");
    EXPECT_EQ(client.receive(10), ms_frame(2, "active"));
  }
  // What comes as data, without the heads of its frames.
  std::string receive_data(size_t count) {
    std::string out;
    while (out.size() < count && !::testing::Test::HasFailure()) {
      const std::string head = client.receive(4);
      if (head.size() < 4) break;
      EXPECT_EQ(head[0], 3);
      out += client.receive(load_be16(&as_bytes(head)[2]));
    }
    return out;
  }
  // A Data indication's data.
  std::string receive_indication(uint16_t from) {
    const std::string head = client.receive(4);
    EXPECT_EQ(head[0], 2);
    const std::string octets = client.receive(load_be16(&as_bytes(head)[2]));
    ms_turn::Message message;
    EXPECT_EQ(ms_turn::parse(as_bytes(octets), message), ms_turn::Malformed::none);
    EXPECT_EQ(message.kind, ms_turn::Kind::data_indication);
    const auto remote = stun::read_address(*message.find_value(ms_turn::Type::remote_address));
    EXPECT_EQ(remote->port, from);
    return std::string(as_text(*message.find_value(ms_turn::Type::data)));
  }

  WithRelay& site;
  Client client;
  uint64_t allocation;
  uint16_t port;
  media::ConnectionId connection = 0;
};

std::string noise(size_t size) {
  std::string out(size, 0);
  for (size_t i = 0, x = 1; i < size; ++i, x = x * 6364136223846793005u + 1) {
    out[i] = static_cast<char>(x >> 56);
  }
  return out;
}

TEST(MsRelays, M9_ASendConnectsAndDataComesBackIndicated) {
  WithRelay site;
  MsClient ms(site, 5);
  Listening there;
  ms.send_to(there.port, "check");
  Endpoint from;
  const Fd peer = site.accept(there, &from);
  EXPECT_EQ(from.port, ms.port);
  EXPECT_EQ(site.read(peer, 5), "check");
  ms.send_to(there.port, " again");
  EXPECT_EQ(site.read(peer, 6), " again");
  ASSERT_EQ(::send(peer.get(), "answer", 6, 0), 6);
  EXPECT_EQ(ms.receive_indication(there.port), "answer");
  // From now on it is bare.
  ms.set_active(there.port);
  ms.client.send(ms_frame(3, "bare "));
  const std::string large = noise(60000);
  ms.client.send(ms_frame(3, large));
  EXPECT_EQ(site.read(peer, 5 + large.size()), "bare " + large);
  ASSERT_EQ(::send(peer.get(), large.data(), large.size(), 0), static_cast<ssize_t>(large.size()));
  EXPECT_EQ(ms.receive_data(large.size()), large);
}

TEST(MsRelays, M9_APeerIsHeardWhenItMayBe) {
  WithRelay site;
  MsClient ms(site, 5);
  Client peer(site.loop, ms.port);
  const auto told = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  EXPECT_EQ(told.allocation, 5u);
  peer.send("hello");
  // Nobody has said that it may: a message that comes later is first.
  for (int i = 0; i < 20; ++i) site.loop.run_once(1ms);
  ms.reply("first");
  EXPECT_EQ(ms.client.receive(9), ms_frame(2, "first"));
  site.push(media::TcpAccept{told.peer});
  EXPECT_EQ(ms.receive_indication(told.peer_port), "hello");
  // Another one, to which the client sends before the worker has judged it.
  Client second(site.loop, ms.port);
  const auto other = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  ms.send_to(other.peer_port, "yes");
  EXPECT_EQ(second.receive(3), "yes");
  second.send("so");
  EXPECT_EQ(ms.receive_indication(other.peer_port), "so");
}

TEST(MsRelays, M9_AnActiveDestinationsEndIsTheClients) {
  WithRelay site;
  MsClient ms(site, 5);
  Listening there;
  ms.send_to(there.port, "check");
  Fd peer = site.accept(there);
  ms.set_active(there.port);
  const std::string last = noise(100000);
  ASSERT_EQ(::send(peer.get(), last.data(), last.size(), 0), static_cast<ssize_t>(last.size()));
  EXPECT_EQ(site.read(peer, 5), "check");
  peer.reset();
  EXPECT_EQ(ms.receive_data(last.size()), last);
  EXPECT_TRUE(ms.client.ended());
}

TEST(MsRelays, M9_AnothersEndIsNot) {
  WithRelay site;
  MsClient ms(site, 5);
  Listening there, elsewhere;
  ms.send_to(there.port, "a");
  ms.send_to(elsewhere.port, "b");
  const Fd peer = site.accept(there);
  Fd other = site.accept(elsewhere);
  EXPECT_EQ(site.read(other, 1), "b");
  ms.set_active(there.port);
  other.reset();
  site.next(FrontKind::tcp_closed);
  ASSERT_EQ(::send(peer.get(), "on", 2, 0), 2);
  EXPECT_EQ(ms.receive_data(2), "on");
}

TEST(MsRelays, M9_APeerGetsWhatWaitedForItWhenItsClientHasGone) {
  WithRelay site;
  MsClient ms(site, 5);
  Listening there;
  ms.set_active(there.port);
  const Fd peer = site.accept(there);
  const std::string all = noise(200000);
  for (size_t at = 0; at < all.size(); at += 50000)
    ms.client.send(ms_frame(3, all.substr(at, 50000)));
  ms.client.close();
  site.next(FrontKind::closed);
  site.push(media::TcpUnlisten{5});
  EXPECT_EQ(site.read(peer, all.size()), all);
  EXPECT_TRUE(site.ended(peer));
}

TEST(MsRelays, M9_TheClientStaysWhenItsAllocationEnds) {
  WithRelay site;
  MsClient ms(site, 5);
  Listening there;
  ms.send_to(there.port, "x");
  const Fd peer = site.accept(there);
  site.push(media::TcpUnlisten{5});
  EXPECT_EQ(site.read(peer, 1), "x");
  EXPECT_TRUE(site.ended(peer));
  ms.reply("refreshed");
  EXPECT_EQ(ms.client.receive(13), ms_frame(2, "refreshed"));
  ms.client.send(ms_frame(2, "allocate"));
  EXPECT_EQ(site.next(FrontKind::message).octets, "allocate");
}

TEST(MsRelays, M9_TwoReachEachOtherAndOneOfTheOtherDialect) {
  WithRelay site;
  MsClient one(site, 5), two(site, 6);
  const auto send = [&](MsClient& from, uint16_t to, std::string_view data) {
    site.push(from.to<media::TcpSend>("198.51.100.1", to, true), data);
  };
  send(one, two.port, "hello");
  const auto told = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  EXPECT_EQ(told.allocation, 6u);
  EXPECT_EQ(told.peer_port, one.port);
  site.push(media::TcpAccept{told.peer});
  EXPECT_EQ(two.receive_indication(one.port), "hello");
  // By whichever of its addresses.
  site.push(two.to<media::TcpActive>("127.0.0.1", one.port, true), "active");
  two.client.receive(10);
  two.client.send(ms_frame(3, "and back"));
  EXPECT_EQ(one.receive_indication(two.port), "and back");
  // RFC 6062's relay port: the client would bind it.
  send(one, site.relay_port, "mixed");
  const auto mixed = site.next(FrontKind::tcp_incoming).record.as<media::TcpIncoming>();
  EXPECT_EQ(mixed.allocation, kAllocation);
  Client client(site.loop, site.port);
  site.join(client, mixed.peer);
  EXPECT_EQ(client.receive(bind_success().size() + 5), bind_success() + "mixed");
  client.send("yes");
  EXPECT_EQ(one.receive_indication(site.relay_port), "yes");
}

TEST(MsRelays, M9_HoldBackWhoeverIsFaster) {
  WithRelay site;
  MsClient ms(site, 5);
  Listening there;
  ms.set_active(there.port);
  const Fd peer = site.accept(there);
  const std::string block = noise(32768), frame = ms_frame(3, block);
  size_t sent = 0, idle = 0;
  // Until nobody takes any more, front among them.
  for (std::string rest; idle < 50;) {
    if (rest.empty()) rest = frame;
    const ssize_t n = ::send(ms.client.fd(), rest.data(), rest.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) rest.erase(0, static_cast<size_t>(n));
    if (n > 0 && rest.empty()) sent += block.size();
    idle = n > 0 ? 0 : idle + 1;
    ASSERT_LT(sent, 64u << 20);
    site.loop.run_once(1ms);
  }
  const std::string taken = site.read(peer, sent);
  for (size_t at = 0; at < sent; at += block.size())
    ASSERT_EQ(taken.compare(at, block.size(), block), 0);
  // The other way, with a client that waits.
  sent = idle = 0;
  while (idle < 50) {
    const ssize_t n = ::send(peer.get(), block.data(), block.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) sent += static_cast<size_t>(n);
    idle = n > 0 ? 0 : idle + 1;
    ASSERT_LT(sent, 64u << 20);
    site.loop.run_once(1ms);
  }
  EXPECT_EQ(ms.receive_data(sent).size(), sent);
}

}  // namespace
}  // namespace fedge::front
