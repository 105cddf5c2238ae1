// The table of sessions: ports, permissions, time, and memory of an earlier process.
#include "dataplane/media/sessions.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <set>

#include "tests/unit/media/site.h"

namespace fedge::media::test {
namespace {

class Table : public testing::TestWithParam<int> {
 protected:
  Options options() const {
    Options out;
    out.workers = static_cast<uint8_t>(GetParam());
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Workers, Table, testing::Values(1, 2));

NewSession client(uint32_t n, const Site& site) {
  NewSession out;
  out.client = Address::of(IpAddress::v4(20u << 24 | n));
  out.client_port = 4000;
  out.server = site.local(to_ip(Site::kServer));
  out.server_port = 3478;
  out.user = n;
  out.client_realm = "outside";
  return out;
}

// A session of worker 0.
uint32_t make(Site& site, uint32_t n) {
  return site.sessions().create(client(n, site), site.now());
}

TEST_P(Table, M1_a_worker_gives_out_every_port_of_its_own_once) {
  Site site(options());
  std::set<std::pair<uint16_t, uint16_t>> taken;
  for (uint8_t worker = 0; worker < GetParam(); ++worker) {
    Sessions& table = site.sessions(worker);
    EXPECT_EQ(table.free_ports(4), 200u / static_cast<unsigned>(GetParam()));
    while (const auto port = table.take_port(4, PortWish::any)) {
      EXPECT_EQ(owner_of_port(port->port, static_cast<uint8_t>(GetParam())), worker);
      EXPECT_TRUE(taken.emplace(port->local, port->port).second);
    }
    EXPECT_EQ(table.free_ports(4), 0u);
  }
  EXPECT_EQ(taken.size(), 200u);
}

TEST_P(Table, M1_even_ports_come_alone_or_with_the_next_one_held) {
  Site site(options());
  Sessions& table = site.sessions();
  const auto even = table.take_port(4, PortWish::even);
  ASSERT_TRUE(even);
  EXPECT_EQ(even->port % 2, 0);
  EXPECT_TRUE(table.take_port({even->local, static_cast<uint16_t>(even->port + 1)},
                              snapshot::PoolUse::turn))
      << "the odd one stayed free";
  const auto pair = table.take_port(4, PortWish::even_and_next);
  ASSERT_TRUE(pair);
  const RelayPort next{pair->local, static_cast<uint16_t>(pair->port + 1)};
  EXPECT_FALSE(table.take_port(next, snapshot::PoolUse::turn));

  const uint32_t session = make(site, 1);
  table.set_relay(session, *pair);
  table.set_expiry(session, site.now() + 600s);
  const uint64_t token = table.new_reservation(session);
  table.hold_next_port(session, token, site.now() + 30s);
  EXPECT_EQ(table.find_reservation(token), session);
  EXPECT_EQ(table.find_reservation(token + 1), kNone);
  site.pass(29s);
  EXPECT_EQ(table.find_reservation(token), session);
  site.pass(2s);
  EXPECT_EQ(table.find_reservation(token), kNone) << "RFC 8656 section 7.2: it times out";
  EXPECT_TRUE(table.take_port(next, snapshot::PoolUse::turn));
}

TEST_P(Table, M1_a_session_is_found_by_its_five_tuple_and_ends_in_time) {
  Site site(options());
  Sessions& table = site.sessions();
  const NewSession what = client(1, site);
  const uint32_t session = make(site, 1);
  table.set_expiry(session, site.now() + 600s);
  const auto found = [&] {
    return table.find_client(what.client, what.client_port, what.server, what.server_port);
  };
  EXPECT_EQ(found(), session);
  EXPECT_EQ(table.find_client(what.client, 4001, what.server, what.server_port), kNone);
  EXPECT_EQ(site.quotas().of_user(1), 1u);
  EXPECT_EQ(site.quotas().of_source(source_hash(what.client)), 1u);
  const SessionId id = table.id(session);
  site.pass(599s);
  EXPECT_EQ(found(), session);
  table.set_expiry(session, site.now() + 600s);  // refreshed
  site.pass(599s);
  EXPECT_EQ(found(), session);
  site.pass(2s);
  EXPECT_EQ(found(), kNone);
  EXPECT_EQ(table.find(id), kNone);
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(site.quotas().total(), 0u);
  EXPECT_EQ(make(site, 2), session) << "its record is used again";
  EXPECT_NE(table.id(session), id);
}

TEST_P(Table, M1_lifetimes_beyond_a_turn_of_the_wheel_hold) {
  Site site(options());
  Sessions& table = site.sessions();
  const uint32_t session = make(site, 1);
  table.set_expiry(session, site.now() + 3h);
  for (int i = 0; i < 179; ++i) site.pass(1min);
  EXPECT_TRUE(table.in_use(session));
  site.pass(1min);
  site.pass(1s);
  EXPECT_FALSE(table.in_use(session));
}

TEST_P(Table, M6_a_full_table_and_a_full_list_of_peers_say_so) {
  Options chosen = options();
  chosen.capacity = 4;
  Site site(chosen);
  for (uint32_t i = 0; i < 4; ++i) EXPECT_NE(make(site, i), kNone);
  EXPECT_EQ(make(site, 9), kNone);
  Sessions& table = site.sessions();
  uint32_t permitted = 0;
  while (permitted < 1000 &&
         table.permit(0, Address::of(IpAddress::v4(permitted)), site.now() + 300s)) {
    ++permitted;
  }
  EXPECT_EQ(permitted, 4 * Sessions::kPeersPerSession);
  table.end(0, EndCause::client);
  EXPECT_TRUE(table.permit(1, to_address("8.8.8.8"), site.now() + 300s));
}

TEST_P(Table, M1_a_channel_has_one_peer_and_a_peer_one_channel) {
  Site site(options());
  Sessions& table = site.sessions();
  const uint32_t session = make(site, 1);
  const Address a = to_address("30.0.0.1");
  const Address b = to_address("30.0.0.2");
  const Instant soon = site.now() + 300s;
  using Bind = Sessions::Bind;
  EXPECT_EQ(table.bind_channel(session, 0x4000, a, 1000, soon, soon), Bind::ok);
  EXPECT_EQ(table.bind_channel(session, 0x4000, a, 1000, soon, soon), Bind::ok);
  EXPECT_EQ(table.bind_channel(session, 0x4000, b, 1000, soon, soon), Bind::mismatch);
  EXPECT_EQ(table.bind_channel(session, 0x4000, a, 1001, soon, soon), Bind::mismatch);
  EXPECT_EQ(table.bind_channel(session, 0x4001, a, 1000, soon, soon), Bind::mismatch);
  EXPECT_EQ(table.bind_channel(session, 0x4001, a, 1001, soon, soon), Bind::ok);
  EXPECT_EQ(table.record(session).peers, 2u);
  const uint32_t first = table.find_channel(session, 0x4000, site.now());
  ASSERT_NE(first, kNone);
  EXPECT_EQ(table.find_peer(session, a, 1000, site.now()), first);
  EXPECT_NE(table.find_peer(session, a, 1002, site.now()), kNone) << "permitted by address";
  EXPECT_EQ(table.find_peer(session, b, 1000, site.now()), kNone);
}

TEST_P(Table, M1_a_session_moves_to_another_client_address) {
  Site site(options());
  Sessions& table = site.sessions();
  const uint32_t session = make(site, 1);
  const uint32_t other = make(site, 2);
  EXPECT_FALSE(table.move(session, client(2, site)));
  const NewSession where = client(3, site);
  EXPECT_TRUE(table.move(session, where));
  EXPECT_EQ(table.find_client(where.client, 4000, where.server, 3478), session);
  EXPECT_EQ(table.find_client(client(1, site).client, 4000, where.server, 3478), kNone);
  EXPECT_NE(other, session);
}

// --- memory of an earlier process --------------------------------------------------------------

TEST_P(Table, M7_a_new_process_adopts_what_the_old_one_had) {
  Site site(options());
  std::vector<Flow> flows;
  for (uint32_t i = 0; i < 20; ++i) flows.push_back(site.make_flow(i));
  site.bind(flows[3], 0x4009, {to_ip("30.1.1.1"), 7});
  site.sessions(flows[7].worker).end(flows[7].session, EndCause::client);
  site.restart();
  uint32_t adopted = 0;
  for (uint8_t i = 0; i < GetParam(); ++i) {
    adopted += site.sessions(i).adoption().adopted;
    EXPECT_EQ(site.sessions(i).adoption().damaged, 0u);
    EXPECT_FALSE(site.sessions(i).adoption().foreign);
  }
  EXPECT_EQ(adopted, 19u);
  EXPECT_EQ(site.quotas().total(), 19u);
  for (size_t i = 0; i < flows.size(); ++i) {
    const Fate expected = i == 7 ? Fate::drop : Fate::send;
    EXPECT_EQ(site.deliver(site.channel_frame(flows[i], "x")).fate, expected) << i;
    EXPECT_EQ(site.deliver(site.peer_frame(flows[i], "x")).fate, expected) << i;
  }
  EXPECT_EQ(
      site.deliver(Site::frame(flows[3].client, flows[3].server, channel_data(0x4009, "x"))).fate,
      Fate::send);
  site.pass(601s);
  EXPECT_EQ(site.quotas().total(), 0u) << "their time goes on";
}

TEST(SessionMemory, M7_another_number_of_workers_begins_empty) {
  Site site({});
  (void)site.make_flow(1);
  Quotas quotas(1);
  const auto opened = Sessions::open(site.memory(), 0, 2, site.options.capacity, quotas);
  ASSERT_TRUE(opened);
  EXPECT_TRUE((*opened)->adoption().foreign);
  EXPECT_EQ((*opened)->size(), 0u);
  EXPECT_EQ((*opened)->adoption().adopted, 0u);
}

struct Damage {
  const char* name;
  void (*spoil)(Sessions& table, uint32_t a, uint32_t b);
};

class DamagedMemory : public testing::TestWithParam<Damage> {};

TEST_P(DamagedMemory, M7_frees_the_damaged_record_and_keeps_the_others) {
  Site site({});
  const std::array flows{site.make_flow(1), site.make_flow(2), site.make_flow(3)};
  GetParam().spoil(site.sessions(), flows[0].session, flows[1].session);
  site.restart();
  Sessions& table = site.sessions();
  EXPECT_LE(table.size(), 2u);
  EXPECT_EQ(table.adoption().adopted + table.adoption().damaged, 3u);
  EXPECT_EQ(site.deliver(site.channel_frame(flows[2], "x")).fate, Fate::send);
  EXPECT_EQ(site.quotas().total(), table.size());
  // Everything that is free can be had again.
  for (uint32_t i = 10; i < 100; ++i) (void)site.make_flow(i);
}

const std::array kDamages{
    Damage{"kind", [](Sessions& table, uint32_t a,
                      uint32_t) { table.record(a).kind = static_cast<SessionKind>(9); }},
    Damage{"transport",
           [](Sessions& table, uint32_t a, uint32_t) {
             table.record(a).transport = static_cast<ClientTransport>(3);
           }},
    Damage{"connection",
           [](Sessions& table, uint32_t a, uint32_t) { table.details(a).connection = 5; }},
    Damage{"key",
           [](Sessions& table, uint32_t a, uint32_t) { table.details(a).turn.key_size = 33; }},
    Damage{"peer",
           [](Sessions& table, uint32_t a, uint32_t) { table.record(a).first_peer = 1'000'000; }},
    Damage{"cycle",
           [](Sessions& table, uint32_t a, uint32_t) {
             table.peer(table.record(a).first_peer).next = table.record(a).first_peer;
           }},
    Damage{"shared_peer",
           [](Sessions& table, uint32_t a, uint32_t b) {
             table.record(a).first_peer = table.record(b).first_peer;
           }},
    Damage{"same_client", [](Sessions& table, uint32_t a,
                             uint32_t b) { table.record(a).client = table.record(b).client; }},
    Damage{"same_port",
           [](Sessions& table, uint32_t a, uint32_t b) {
             table.record(a).relay_port = table.record(b).relay_port;
           }},
    Damage{"foreign_port",
           [](Sessions& table, uint32_t a, uint32_t) { table.record(a).relay_port = 80; }},
    Damage{"realm",
           [](Sessions& table, uint32_t a, uint32_t) { table.details(a).relay_realm.fill('x'); }},
    Damage{"address", [](Sessions& table, uint32_t a,
                         uint32_t) { table.details(a).relay = to_address("1.2.3.4"); }},
};

INSTANTIATE_TEST_SUITE_P(Ways, DamagedMemory, testing::ValuesIn(kDamages),
                         [](const auto& way) { return std::string(way.param.name); });

// --- quotas and the index ----------------------------------------------------------------------

TEST(Quotas, M6_counts_are_never_too_small) {
  Quotas quotas(42);
  for (uint64_t i = 0; i < 100'000; ++i) quotas.add(i % 50'000, i);
  for (uint64_t i = 0; i < 50'000; ++i) ASSERT_GE(quotas.of_user(i), 2u);
  for (uint64_t i = 0; i < 100'000; ++i) quotas.remove(i % 50'000, i);
  for (uint64_t i = 0; i < 50'000; ++i) ASSERT_EQ(quotas.of_user(i), 0u);
}

TEST(SessionIndex, M1_holds_what_its_capacity_says_and_forgets_what_is_removed) {
  constexpr uint32_t kCount = 5000;
  SessionIndex index(kCount);
  const auto key = [](uint32_t i) { return fold_product(i / 3 + 1, 0x9e3779b97f4a7c15u); };
  for (uint32_t i = 0; i < kCount; ++i) index.add(key(i), i);
  const auto finds = [&](uint32_t i) {
    return index.find(key(i), [&](uint32_t at) { return at == i; }) == i;
  };
  for (uint32_t i = 0; i < kCount; ++i) ASSERT_TRUE(finds(i));
  for (uint32_t i = 0; i < kCount; i += 2) ASSERT_TRUE(index.remove(key(i), i));
  for (uint32_t i = 0; i < kCount; ++i) ASSERT_EQ(finds(i), i % 2 == 1);
  EXPECT_FALSE(index.remove(key(0), 0));
}

}  // namespace
}  // namespace fedge::media::test
