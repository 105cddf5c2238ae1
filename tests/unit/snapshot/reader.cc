#include "firmware/snapshot/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/snapshot/samples.h"

namespace fedge::snapshot {
namespace {

TEST(Snapshot, P1_EverySampleOpens) {
  for (const auto& [kind, section] : all_samples()) {
    const auto opened = open_as(kind, as_bytes(section));
    EXPECT_TRUE(opened) << opened.error().text();
  }
}

TEST(Snapshot, P1_WhatWasWrittenIsRead) {
  auto fd = make_sealed_memfd("realms", as_bytes(sample_realms()));
  ASSERT_TRUE(fd);
  auto opened = Section<Realms>::open(fd->get());
  ASSERT_TRUE(opened) << opened.error().text();
  const Section<Realms> realms = std::move(*opened);  // the mapping moves along
  const Realm& outside = realms.items(realms.root().realms)[0];
  EXPECT_EQ(realms.text(outside.name), "outside");
  EXPECT_EQ(outside.vlan, 100);
  EXPECT_EQ(realms.items(outside.addresses)[1].address.text(), "fd00:1::1/64");
  EXPECT_EQ(realms.items(outside.addresses)[0].public_address.text(), "198.51.100.1");
  EXPECT_EQ(realms.items(outside.routes)[0].via.text(), "10.1.0.254");
  EXPECT_EQ(realms.text(realms.items(realms.root().ports)[0].device), "port0");
}

TEST(Snapshot, P1_EqualInputGivesEqualBytes) {
  const auto first = all_samples();
  const auto second = all_samples();
  for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].second, second[i].second);
}

TEST(Snapshot, P1_AnyByteChangedIsRefused) {
  for (auto [kind, section] : all_samples()) {
    for (size_t at = 0; at < section.size(); ++at) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        section[at] = static_cast<char>(section[at] ^ flip);
        EXPECT_FALSE(open_as(kind, as_bytes(section))) << static_cast<int>(kind) << " at " << at;
        section[at] = static_cast<char>(section[at] ^ flip);
      }
    }
    EXPECT_TRUE(open_as(kind, as_bytes(section)));
  }
}

TEST(Snapshot, P1_TruncatedOrExtendedIsRefused) {
  for (const auto& [kind, section] : all_samples()) {
    for (size_t size = 0; size < section.size(); ++size) {
      EXPECT_FALSE(open_as(kind, as_bytes(section).first(size))) << size;
    }
    EXPECT_FALSE(open_as(kind, as_bytes(section + '\0')));
    EXPECT_FALSE(open_as(kind, as_bytes(section + section)));
  }
}

TEST(Snapshot, P1_AnotherKindIsRefused) {
  for (const auto& [kind, section] : all_samples()) {
    for (const auto& [other, ignored] : all_samples()) {
      EXPECT_EQ(open_as(other, as_bytes(section)).has_value(), kind == other);
    }
  }
}

TEST(Snapshot, P1_UnsealedMemoryIsRefused) {
  const std::string section = sample_realms();
  auto fd = make_shared_memfd("realms", section.size());
  ASSERT_TRUE(fd);
  auto memory = Mapping::read_write(fd->get());
  ASSERT_TRUE(memory);
  std::memcpy(memory->data(), section.data(), section.size());
  EXPECT_EQ(Section<Realms>::open(fd->get()).error().what, "is not sealed against changes");
}

// Damage with a right checksum: whatever a changed byte means, nothing outside is touched
// (sanitizers watch), and most of it is refused.
TEST(Snapshot, P1_DamageBeforeSealingStaysInside) {
  for (const auto& [kind, good] : all_samples()) {
    for (size_t at = sizeof(SectionHeader); at < good.size(); ++at) {
      for (const int value : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
        std::string section = good;
        section[at] = static_cast<char>(value);
        reseal(section);
        (void)open_as(kind, as_bytes(section));
      }
    }
  }
}

template <class Root, class Change>
std::string refusal(std::string section, Change change) {
  const auto opened = Section<Root>::open(as_bytes(section));
  if (!opened) return "sample: " + opened.error().text();
  // The section is this function's own text: changing it is what the test is about.
  change(*opened, const_cast<Root&>(opened->root()));
  reseal(section);
  const auto again = Section<Root>::open(as_bytes(section));
  return again ? "accepted" : again.error().what;
}

template <class T, class Root>
T& item(const Section<Root>& section, Slice<T> slice, size_t index) {
  return const_cast<T&>(section.items(slice)[index]);
}

TEST(Snapshot, P1_NumbersThatLeadNowhereAreRefused) {
  const std::string routing = sample_routing({"a.example", "b.example", "c.example"});
  EXPECT_EQ(
      refusal<Realms>(sample_realms(), [](auto& s, Realms& r) { item(s, r.realms, 0).port = 1; }),
      "realm 0 names a port that is not there");
  EXPECT_EQ(refusal<Realms>(sample_realms(),
                            [](auto& s, Realms& r) {
                              item(s, item(s, r.realms, 0).addresses, 0).address.length = 33;
                            }),
            "a prefix is longer than its address");
  EXPECT_EQ(refusal<Realms>(sample_realms(),
                            [](auto& s, Realms& r) {
                              item(s, item(s, r.realms, 0).addresses, 1).address.address.family = 5;
                            }),
            "an address is neither version 4 nor 6");
  EXPECT_EQ(refusal<Listeners>(
                sample_listeners(),
                [](auto& s, Listeners& l) { item(s, l.listeners, 0).tls_context = kNone16; }),
            "listener 0 has TLS without a context, or a context without TLS");
  EXPECT_EQ(refusal<Tls>(sample_tls(),
                         [](auto& s, Tls& t) { item(s, t.contexts, 0).certificates.count = 0; }),
            "TLS context 0 has no certificate");
  EXPECT_EQ(refusal<Routing>(
                routing,
                [](auto& s, Routing& r) { item(s, item(s, r.routes, 1).targets, 0).next_hop = 1; }),
            "route 0 has a target that is not there");
  EXPECT_EQ(refusal<Routing>(
                routing,
                [](auto& s, Routing& r) { item(s, r.routes, 2).kind = static_cast<RouteKind>(9); }),
            "an enumeration has an unknown value");
  EXPECT_EQ(refusal<Routing>(
                routing,
                [](auto& s, Routing& r) { std::swap(item(s, r.peers, 0), item(s, r.peers, 1)); }),
            "peer 1 is out of order");
  EXPECT_EQ(refusal<Routing>(routing, [](auto&, Routing& r) { r.routes.at += 2; }),
            "a list lies outside the section or askew");
  EXPECT_EQ(refusal<Routing>(routing, [](auto&, Routing& r) { r.routes.count = 0x10000000; }),
            "a list lies outside the section or askew");
  EXPECT_EQ(refusal<Management>(sample_management(),
                                [](auto&, Management& m) { m.certificate.id.size = 1u << 31; }),
            "a text lies outside the section");
}

TEST(Snapshot, R2_ABrokenRouteIndexIsRefused) {
  const std::string routing =
      sample_routing({"a.example", "b.example", "c.example", "d.example", "e.example"});
  const auto refused = [&](auto change) { return refusal<Routing>(routing, change); };
  const std::string elsewhere = "the route index leads outside";
  EXPECT_EQ(refused([](auto&, Routing& r) { r.index.groups.count -= 1; }),
            "the route index has the wrong size");
  EXPECT_EQ(refused([](auto& s, Routing& r) { item(s, r.index.groups, 0).first = 1; }), elsewhere);
  for (const uint8_t count : {4, 6}) {
    EXPECT_EQ(refused([=](auto& s, Routing& r) { item(s, r.index.groups, 0).count = count; }),
              elsewhere);
  }
  EXPECT_EQ(refused([](auto& s, Routing& r) { item(s, r.index.groups, 0).marks[3] ^= 1; }),
            "route 3 is not as the index says");
  EXPECT_EQ(
      refused([](auto& s, Routing& r) { std::swap(item(s, r.routes, 0), item(s, r.routes, 1)); }),
      "route 0 is not as the index says");
  EXPECT_EQ(refused([](auto& s, Routing& r) { item(s, r.routes, 2).head[35] = 1; }),
            "route 2 is not as the index says");
  EXPECT_EQ(refused([](auto& s, Routing& r) { item(s, r.routes, 2).head[0] ^= 1; }),
            "route 2 is not as the index says");
  for (const auto flag : {&RouteIndex::users, &RouteIndex::children}) {
    EXPECT_EQ(refused([&](auto&, Routing& r) { r.index.*flag = 1; }),
              "the route index does not say which kinds of routes there are");
  }
  const auto twins = [](const std::string& pattern) {
    return Section<Routing>::open(as_bytes(sample_routing({pattern, "x.example", pattern})));
  };
  EXPECT_THAT(twins("a.example").error().what, testing::HasSubstr("has the pattern of another"));
}

TEST(Snapshot, P1_SectionsOfOneSnapshotFitTogether) {
  const std::string realms_bytes = sample_realms();
  const std::string tls_bytes = sample_tls();
  const std::string listeners_bytes = sample_listeners();
  const std::string routing_bytes = sample_routing({"a.example"});
  const auto realms = Section<Realms>::open(as_bytes(realms_bytes));
  const auto tls = Section<Tls>::open(as_bytes(tls_bytes));
  const auto listeners = Section<Listeners>::open(as_bytes(listeners_bytes));
  const auto routing = Section<Routing>::open(as_bytes(routing_bytes));
  ASSERT_TRUE(realms && tls && listeners && routing);
  EXPECT_TRUE(check_against(*listeners, *realms, *tls));
  // Its peers come from realms 1 and 2, this snapshot has realm 0 only.
  EXPECT_EQ(check_against(*routing, *realms, *tls).error().where, "peer fe1.example.com");
}

TEST(Snapshot, C6_KeySectionsHaveTheSameEnvelope) {
  std::string keys = wrap_keys(Kind::keys_signal, as_bytes("sealed octets"));
  EXPECT_TRUE(check_envelope(as_bytes(keys), Kind::keys_signal));
  EXPECT_EQ(as_text(key_payload(as_bytes(keys))), "sealed octets");
  EXPECT_FALSE(check_envelope(as_bytes(keys), Kind::keys_agent));
  keys.back() ^= 1;
  EXPECT_FALSE(check_envelope(as_bytes(keys), Kind::keys_signal));
}

}  // namespace
}  // namespace fedge::snapshot
