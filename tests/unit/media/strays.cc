// Clients whose session is another worker's than their address says: who has moved (RFC 8016), and
// who brings the token of a reserved port (RFC 8656 section 7.2).
#include "dataplane/media/strays.h"

#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "tests/unit/media/fake_edge.h"
#include "tests/unit/media/turn_site.h"
#include "tests/unit/wire_ip/packet_builder.h"

namespace fedge::media {
namespace {

using stun::Type;

// --- the table -----------------------------------------------------------------------------------

TEST(Strays, M1_EachIsFoundUntilItIsRemoved) {
  Strays strays;
  constexpr uint64_t kKey = 0x123456789abcdef0;
  EXPECT_EQ(strays.find(kKey), Strays::kNobody);
  EXPECT_EQ(strays.find(0), Strays::kNobody);
  ASSERT_TRUE(strays.add(kKey, 0));
  ASSERT_TRUE(strays.add(kKey, 0));
  ASSERT_TRUE(strays.add(~kKey, 7));
  EXPECT_EQ(strays.find(kKey), 0);
  EXPECT_EQ(strays.find(~kKey), 7);
  strays.remove(kKey, 1);
  strays.remove(kKey, 0);
  EXPECT_EQ(strays.find(kKey), 0);
  strays.remove(kKey, 0);
  EXPECT_EQ(strays.find(kKey), Strays::kNobody);
  EXPECT_EQ(strays.find(~kKey), 7);
}

TEST(Strays, M1_WhoFindsNoRoomIsToldAndOthersAreNot) {
  Strays strays;
  // They differ below what tells the lines.
  const auto key = [](uint64_t n) { return 0x5555555500000000u | n << 8; };
  uint64_t count = 0;
  while (strays.add(key(count), 3)) ++count;
  EXPECT_EQ(count, 16u);
  EXPECT_TRUE(strays.add(0x7777777777777777, 1));
  strays.remove(key(5), 3);
  EXPECT_TRUE(strays.add(key(100), 2));
  EXPECT_EQ(strays.find(key(100)), 2);
  EXPECT_EQ(strays.find(key(5)), Strays::kNobody);
  EXPECT_EQ(strays.find(key(6)), 3);
}

TEST(Strays, M1_WorkersChangeItAtTheSameTime) {
  Strays strays;
  constexpr uint64_t kEach = 4000;
  const auto key = [](uint64_t worker, uint64_t n) {
    return (worker * kEach + n + 1) * 0x9e3779b97f4a7c15u;
  };
  std::vector<std::thread> threads;
  for (uint8_t worker = 0; worker < 4; ++worker) {
    threads.emplace_back([&, worker] {
      for (uint64_t n = 0; n < kEach; ++n) {
        EXPECT_TRUE(strays.add(key(worker, n), worker));
        EXPECT_EQ(strays.find(key(worker, n)), worker);
        if (n % 2 == 0) strays.remove(key(worker, n), worker);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (uint8_t worker = 0; worker < 4; ++worker) {
    for (uint64_t n = 0; n < kEach; ++n) {
      EXPECT_EQ(strays.find(key(worker, n)), n % 2 == 0 ? Strays::kNobody : worker);
    }
  }
}

// --- several workers, whole ----------------------------------------------------------------------

class StrayClients : public testing::TestWithParam<int> {
 protected:
  static constexpr size_t kHeadroom = 128;
  uint8_t workers() const { return static_cast<uint8_t>(GetParam()); }

  StrayClients() {
    for (uint8_t i = 0; i < workers(); ++i) {
      memories.emplace_back(::memfd_create("strays", MFD_CLOEXEC));
    }
    start();
    site.carry = [this](const Endpoint& client, Bytes message) {
      const std::string out = deliver(client, {ip(site.own_v4), TurnSite::kPort}, as_text(message));
      const Bytes octets = as_bytes(out);
      return std::vector<std::byte>(octets.begin(), octets.end());
    };
  }
  // As a new process would: from the memory alone.
  void start() {
    stations.clear();
    servers.clear();
    sessions.clear();
    quotas = std::make_unique<Quotas>(1);
    for (uint8_t i = 0; i < workers(); ++i) {
      sessions.push_back(must(Sessions::open(memories[i], i, workers(), 64, *quotas)));
      TurnServer::Setup setup;
      setup.seed.fill(std::byte{42});
      setup.seed.back() = std::byte{i};
      servers.push_back(std::make_unique<TurnServer>(*sessions[i], *quotas, nullptr, setup));
      servers[i]->set_time_of_day(site.now, WallTime(std::chrono::seconds(TurnSite::kWall)));
      stations.push_back(
          std::make_unique<Station>(*sessions[i], next_hops, *servers[i], servers[i].get()));
      stations[i]->adopt(site.plan.get(), site.now);
    }
  }
  // Through the workers, beginning with one after the other. What leaves, and where to; empty:
  // nothing.
  std::string deliver(const Endpoint& from, const Endpoint& to, std::string_view payload,
                      Endpoint* target = nullptr) {
    fedge::ip::PacketBuilder builder;
    builder.ethernet({2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 9});
    builder.ipv4(from.address.text(), to.address.text(), fedge::ip::kUdp);
    const std::string frame = builder.udp(from.port, to.port, payload).finish();
    std::memcpy(&buffer[kHeadroom], frame.data(), frame.size());
    Packet packet;
    packet.frame = &buffer[kHeadroom];
    packet.size = static_cast<uint16_t>(frame.size());
    packet.room_before = kHeadroom;
    packet.room_behind = static_cast<uint16_t>(buffer.size() - kHeadroom - frame.size());
    auto worker = static_cast<uint8_t>(++delivered % workers());
    for (int i = 0;; ++i) {
      EXPECT_LT(i, 4) << "handed around";
      stations[worker]->process({&packet, 1}, site.now);
      if (packet.fate != Fate::hand_over || i == 4) break;
      EXPECT_EQ(as_text(packet.bytes()), frame) << "handed over as it came";
      worker = packet.worker;
    }
    reason = packet.reason;
    carried_by = worker;
    if (packet.fate != Fate::send) return {};
    fedge::ip::PacketView view;
    if (fedge::ip::parse_frame(packet.bytes(), view) != fedge::ip::Malformed::none) std::abort();
    if (target != nullptr) *target = {view.destination, view.destination_port};
    return std::string(as_text(view.transport().subspan(fedge::ip::kUdpSize)));
  }
  uint8_t owner(const TurnClient& client) const {
    return owner_of_client(Address::of(client.address.address), client.address.port, workers());
  }
  // At an address of each worker, by its number.
  TurnClient make_client(uint8_t of_worker, std::string_view user = "bob") {
    for (;;) {
      TurnClient client(site, "8.1.1.1:" + std::to_string(++last_port), user);
      if (owner(client) == of_worker) return client;
    }
  }
  Answer move(TurnClient& to, const std::string& ticket) {
    return to.ask(stun::Method::refresh, [&](stun::Writer& w) {
      w.add_number(Type::lifetime, 600).add_text(Type::mobility_ticket, ticket);
    });
  }
  size_t count() const {
    size_t sum = 0;
    for (const auto& table : sessions) sum += table->size();
    return sum;
  }
  // Data of the client's channel reaches the peer from its relay port, and the peer's the client.
  void expect_relayed(const TurnClient& client, uint16_t relay_port) {
    const Endpoint peer = endpoint("8.8.8.8:9");
    Endpoint to;
    std::string message(8, 'x');
    store_be16(message.data(), 0x4001);
    store_be16(&message[2], 4);
    EXPECT_EQ(deliver(client.address, {ip(site.own_v4), TurnSite::kPort}, message, &to), "xxxx");
    EXPECT_EQ(to, peer);
    EXPECT_EQ(carried_by, owner_of_port(relay_port, workers()));
    EXPECT_EQ(deliver(peer, {ip(site.own_v4), relay_port}, "yyyy", &to),
              message.substr(0, 4) + "yyyy");
    EXPECT_EQ(to, client.address);
  }

  TurnSite site{[](TurnSite& s) { s.last_port = 50063; }};
  std::vector<Fd> memories;
  std::unique_ptr<Quotas> quotas;
  test::FakeNextHops next_hops;
  std::vector<std::unique_ptr<Sessions>> sessions;
  std::vector<std::unique_ptr<TurnServer>> servers;
  std::vector<std::unique_ptr<Station>> stations;
  std::array<std::byte, 2048> buffer{};
  Reason reason{};
  uint8_t carried_by = 0;
  int delivered = 0;
  int last_port = 4000;
};
INSTANTIATE_TEST_SUITE_P(Workers, StrayClients, testing::Values(1, 2, 4, 8));

TEST_P(StrayClients, M1_AnAllocationFollowsItsClientToEveryWorkersAddresses) {
  TurnClient home = make_client(0);
  const Answer made = home.allocate([](stun::Writer& w) { w.add_flag(Type::mobility_ticket); });
  ASSERT_TRUE(made.is_success()) << made.error();
  const uint16_t relay_port = made.xor_address(Type::xor_relayed_address).port;
  ASSERT_TRUE(home.bind(0x4001, "8.8.8.8:9").is_success());
  expect_relayed(home, relay_port);
  std::string ticket = made.text(Type::mobility_ticket);
  // What coturn's clients have room for, who take it for a string.
  EXPECT_TRUE(std::ranges::all_of(ticket, [](char c) { return c > ' ' && c <= '~'; }));
  EXPECT_LE(ticket.size(), 32u);
  std::deque<TurnClient> places{home};
  for (uint8_t i = 0; i < 2 * workers(); ++i) {
    TurnClient& before = places.back();
    TurnClient& away = places.emplace_back(make_client(static_cast<uint8_t>((i + 1) % workers())));
    const std::string old = ticket;
    const Answer moved = move(away, old);
    ASSERT_TRUE(moved.is_success()) << moved.error();
    EXPECT_TRUE(away.is_signed(moved));
    ticket = moved.text(Type::mobility_ticket);
    // The answer was lost.
    const Answer again = away.ask_again(stun::Method::refresh, [&](stun::Writer& w) {
      w.add_number(Type::lifetime, 600).add_text(Type::mobility_ticket, old);
    });
    EXPECT_EQ(as_text(again.octets), as_text(moved.octets));
    expect_relayed(away, relay_port);
    EXPECT_TRUE(away.permit("8.8.4.4:1").is_success());
    EXPECT_EQ(before.refresh(600).error(), 437) << "nobody is there any more";
    EXPECT_EQ(count(), 1u);
  }
  TurnClient& last = places.back();
  EXPECT_TRUE(last.refresh(0).is_success());
  EXPECT_EQ(count(), 0u);
  // Nothing leads there any more: the next allocation is its own worker's.
  ASSERT_TRUE(last.allocate().is_success());
  EXPECT_EQ(sessions[owner(last)]->size(), 1u);
}

TEST_P(StrayClients, M1_WhoHasMovedIsFoundAfterARestart) {
  TurnClient home = make_client(0);
  TurnClient away = make_client(static_cast<uint8_t>(workers() - 1));
  const Answer made = home.allocate([](stun::Writer& w) { w.add_flag(Type::mobility_ticket); });
  ASSERT_TRUE(made.is_success());
  const uint16_t relay_port = made.xor_address(Type::xor_relayed_address).port;
  ASSERT_TRUE(home.bind(0x4001, "8.8.8.8:9").is_success());
  ASSERT_TRUE(move(away, made.text(Type::mobility_ticket)).is_success());
  start();
  EXPECT_EQ(sessions[0]->adoption().adopted, 1u);
  expect_relayed(away, relay_port);
  EXPECT_TRUE(away.refresh(600).is_success());
  EXPECT_EQ(home.refresh(600).error(), 437);
  site.now += 601s;
  for (auto& station : stations) station->tick(site.now);
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(quotas->strays().find(Sessions::index_key(Address::of(away.address.address),
                                                      away.address.port, TurnSite::kPort)),
            Strays::kNobody);
}

TEST_P(StrayClients, M7_MemoryThatContradictsItselfAboutItIsNotBelieved) {
  if (workers() == 1) return;
  TurnClient home = make_client(0), away = make_client(1), other = make_client(0);
  const Answer made = home.allocate([](stun::Writer& w) { w.add_flag(Type::mobility_ticket); });
  ASSERT_TRUE(made.is_success());
  ASSERT_TRUE(move(away, made.text(Type::mobility_ticket)).is_success());
  ASSERT_TRUE(other.allocate().is_success());
  sessions[0]->record(0).flags ^= session_flag::kStray;
  sessions[0]->record(1).flags ^= session_flag::kStray;
  start();
  EXPECT_EQ(sessions[0]->adoption().damaged, 2u);
  EXPECT_EQ(count(), 0u);
  EXPECT_EQ(away.refresh(600).error(), 437);
}

TEST_P(StrayClients, M1_AForgedTicketMovesNothingWhateverWorkerItNames) {
  TurnClient home = make_client(0);
  const Answer made = home.allocate([](stun::Writer& w) { w.add_flag(Type::mobility_ticket); });
  ASSERT_TRUE(made.is_success());
  const std::string ticket = made.text(Type::mobility_ticket);
  for (uint8_t worker = 0; worker < workers(); ++worker) {
    TurnClient away = make_client(worker);
    for (int named = 0; named < 256; ++named) {
      std::string forged = ticket;
      forged[0] = static_cast<char>(named);  // the worker's digit
      if (forged == ticket) forged.back() = static_cast<char>(forged.back() ^ 1);
      EXPECT_FALSE(move(away, forged).is_success()) << named;
    }
    TurnClient eve = make_client(worker, "eve");
    EXPECT_EQ(move(eve, ticket).error(), 441);
  }
  EXPECT_TRUE(home.refresh(600).is_success());
}

TEST_P(StrayClients, M1_AReservedPortIsGivenAtEveryWorkersAddresses) {
  const auto with_token = [](TurnClient& client, const std::string& token) {
    return client.allocate([&](stun::Writer& w) { w.add_text(Type::reservation_token, token); });
  };
  for (uint8_t worker = 0; worker < workers(); ++worker) {
    TurnClient first = make_client(0), second = make_client(worker);
    TurnClient eve = make_client(worker, "eve");
    const Answer made = first.allocate([](stun::Writer& w) { turn::add_even_port(w, true); });
    ASSERT_TRUE(made.is_success()) << made.error();
    const uint16_t even = made.xor_address(Type::xor_relayed_address).port;
    const std::string token = made.text(Type::reservation_token);
    ASSERT_EQ(token.size(), 8u);
    EXPECT_EQ(with_token(eve, token).error(), 508);
    const Answer next = with_token(second, token);
    ASSERT_TRUE(next.is_success()) << next.error();
    EXPECT_EQ(next.xor_address(Type::xor_relayed_address).port, even + 1);
    // The answer was lost.
    const Answer again = second.ask_again(stun::Method::allocate, [&](stun::Writer& w) {
      turn::add_transport(w, turn::kUdp);
      w.add_text(Type::reservation_token, token);
    });
    EXPECT_EQ(as_text(again.octets), as_text(next.octets));
    ASSERT_TRUE(second.bind(0x4001, "8.8.8.8:9").is_success());
    expect_relayed(second, static_cast<uint16_t>(even + 1));
    TurnClient third = make_client(worker);
    EXPECT_EQ(with_token(third, token).error(), 508) << "it is taken";
    for (int named = 0; named < 16; ++named) {
      std::string forged = token;
      forged[4] = static_cast<char>(named << 4);
      EXPECT_EQ(with_token(third, forged).error(), 508) << named;
    }
    EXPECT_TRUE(second.refresh(0).is_success());
    EXPECT_TRUE(first.refresh(0).is_success());
    EXPECT_EQ(count(), 0u);
  }
}

TEST_P(StrayClients, M1_WithoutRoomForMoreTheyAreRefused) {
  if (workers() == 1) return;
  TurnClient home = make_client(0), away = make_client(1);
  const Answer made = home.allocate([](stun::Writer& w) { w.add_flag(Type::mobility_ticket); });
  ASSERT_TRUE(made.is_success());
  const uint64_t key =
      Sessions::index_key(Address::of(away.address.address), away.address.port, TurnSite::kPort);
  away.be_challenged();
  // Of others, whose keys lie in the same lines.
  for (uint64_t i = 1; quotas->strays().add(key ^ i << 8, 1); ++i) {
  }
  EXPECT_FALSE(move(away, made.text(Type::mobility_ticket)).is_success());
  EXPECT_TRUE(home.refresh(600).is_success());
  EXPECT_EQ(count(), 1u);
}

}  // namespace
}  // namespace fedge::media
