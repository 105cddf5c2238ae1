// R4: from a partner's domain to the addresses to try, in order.
#include "firmware/resolve/discovery.h"

#include <cmath>
#include <set>

#include "firmware/resolve/selection.h"
#include "tests/unit/resolve/world.h"

namespace fedge::resolve {
namespace {

dns::Service service(uint16_t priority, uint16_t weight, std::string_view target) {
  return {priority, weight, 5061, name_of(target)};
}

// Sum of squared deviations for 10,000 picks of the first one.
double chi_square(const std::vector<dns::Service>& services, const std::vector<double>& expected) {
  constexpr int kPicks = 10000;
  SeededRandom random(20);
  std::vector<int> picked(services.size());
  for (int i = 0; i < kPicks; ++i) {
    const auto order = order_services(services, random);
    EXPECT_EQ(order.size(), services.size());
    ++picked[std::ranges::find(services, order.front()) - services.begin()];
  }
  double sum = 0;
  for (size_t i = 0; i < services.size(); ++i) {
    const double wanted = expected[i] * kPicks;
    sum += (picked[i] - wanted) * (picked[i] - wanted) / wanted;
  }
  return sum;
}

// 99.9 % quantiles of chi-square with 2 and 3 degrees of freedom.
constexpr double kTwo = 13.82;
constexpr double kThree = 16.27;

TEST(Selection, R4_WeightsAreStatisticallyRight) {
  const std::vector list{service(1, 10, "a"), service(1, 20, "b"), service(1, 30, "c"),
                         service(1, 40, "d")};
  EXPECT_LT(chi_square(list, {.1, .2, .3, .4}), kThree);
  const std::vector small{service(1, 1, "a"), service(1, 1, "b"), service(1, 2, "c")};
  EXPECT_LT(chi_square(small, {.25, .25, .5}), kTwo);
  const std::vector equal{service(1, 0, "a"), service(1, 0, "b"), service(1, 0, "c")};
  EXPECT_LT(chi_square(equal, {1. / 3, 1. / 3, 1. / 3}), kTwo);
  const std::vector zeros{service(1, 0, "a"), service(1, 0, "b"), service(1, 9, "c")};
  EXPECT_LT(chi_square(zeros, {.05, .05, .9}), kTwo) << "a small chance, shared";
  const std::vector large{service(1, 65535, "a"), service(1, 65535, "b"), service(1, 65535, "c")};
  EXPECT_LT(chi_square(large, {1. / 3, 1. / 3, 1. / 3}), kTwo);
}

TEST(Selection, R4_SecondPickGoesByTheWeightsThatAreLeft) {
  SeededRandom random(3);
  const std::vector list{service(1, 60, "a"), service(1, 30, "b"), service(1, 10, "c")};
  int a_first = 0;
  int then_b = 0;
  for (int i = 0; i < 10000; ++i) {
    const auto order = order_services(list, random);
    if (order[0] != list[0]) continue;
    ++a_first;
    then_b += order[1] == list[1] ? 1 : 0;
  }
  const double wanted = a_first * .75;
  EXPECT_LT(std::abs(then_b - wanted), 4 * std::sqrt(a_first * .75 * .25));
}

TEST(Selection, R4_PriorityBeforeWeight) {
  SeededRandom random;
  const std::vector list{service(20, 65535, "c"), service(5, 0, "a"), service(10, 1, "b")};
  for (int i = 0; i < 100; ++i) {
    const auto order = order_services(list, random);
    EXPECT_EQ(order[0].priority, 5);
    EXPECT_EQ(order[2].priority, 20);
  }
}

TEST(Selection, R11_FamiliesInTurn) {
  SeededRandom random;
  std::vector<IpAddress> list;
  for (const auto text : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"})
    list.push_back(*IpAddress::parse(text));
  const auto order = order_addresses(list, random);
  ASSERT_EQ(order.size(), 4u);
  EXPECT_TRUE(order[0].is_v6());
  EXPECT_TRUE(order[1].is_v4());
  EXPECT_TRUE(std::ranges::is_permutation(order, list));
}

TEST(Selection, R4_ForbiddenTargets) {
  const std::vector own{*IpAddress::parse("203.0.113.5"), *IpAddress::parse("2001:db8::5")};
  for (const auto text : {"127.0.0.1",
                          "127.9.9.9",
                          "0.0.0.0",
                          "0.1.2.3",
                          "169.254.1.1",
                          "224.0.0.1",
                          "239.1.1.1",
                          "255.255.255.255",
                          "240.0.0.1",
                          "203.0.113.5",
                          "::",
                          "::1",
                          "fe80::1",
                          "ff02::1",
                          "2001:db8::5",
                          "::ffff:127.0.0.1",
                          "::ffff:203.0.113.5",
                          "::127.0.0.1",
                          "64:ff9b::7f00:1",
                          "2002:7f00:1::",
                          "2002:cb00:7105::1"})
    EXPECT_TRUE(is_forbidden(*IpAddress::parse(text), own)) << text;
  for (const auto text : {"192.0.2.1", "10.0.0.1", "203.0.113.6", "2001:db8::6", "fd00::1",
                          "::ffff:192.0.2.1", "2002:c000:201::1"})
    EXPECT_FALSE(is_forbidden(*IpAddress::parse(text), own)) << text;
  EXPECT_TRUE(is_forbidden({}, {}));
}

class Partners : public World {
 protected:
  // Answers everything that is asked from the zone; what is not there does not exist, and what
  // is in `silent` gets no answer.
  Partner find_partner() {
    Partner partner = resolve::find_partner(resolver, random, rules, "example.com", now);
    for (auto queries = sent(); !queries.empty(); queries = sent()) {
      for (const Sent& query : queries) serve(query);
      partner = resolve::find_partner(resolver, random, rules, "example.com", now);
    }
    return partner;
  }
  void serve(const Sent& query) {
    const std::string name = query.question.name.text();
    if (silent.contains({name, query.question.type})) return;
    MessageBuilder message = reply(query);
    bool any = false;
    for (const auto& s : services) {
      if (query.question.type != Type::srv) continue;
      any = true;
      message.service(name, 600, s.priority, s.weight, s.port, s.target.text());
    }
    const auto [begin, end] = hosts.equal_range(name);
    for (auto host = begin; host != end; ++host) {
      const auto type = host->second.find(':') == std::string::npos ? Type::a : Type::aaaa;
      if (query.question.type != type) continue;
      any = true;
      message.address(name, 600, host->second);
    }
    if (!any) message.rcode(3).authority("example.com", 600, 600);
    answer(query, message);
  }
  static std::vector<std::string> texts(const std::vector<Target>& targets) {
    std::vector<std::string> out;
    for (const Target& target : targets) out.push_back(target.endpoint.text());
    return out;
  }

  DiscoveryRules rules;
  std::vector<dns::Service> services;
  std::multimap<std::string, std::string> hosts;
  std::set<std::pair<std::string, Type>> silent;
};

using Strings = std::vector<std::string>;

TEST_F(Partners, R4_BySrvThenAddresses) {
  services = {service(10, 1, "a.example.com"), service(20, 1, "b.example.com")};
  services[1].port = 5062;
  hosts = {{"a.example.com", "192.0.2.1"},
           {"a.example.com", "2001:db8::1"},
           {"b.example.com", "192.0.2.2"}};
  EXPECT_EQ(resolve::find_partner(resolver, random, rules, "example.com", now).state,
            PartnerState::pending);
  const Partner partner = find_partner();
  ASSERT_EQ(partner.state, PartnerState::found);
  EXPECT_TRUE(partner.by_srv);
  EXPECT_EQ(texts(partner.targets),
            (Strings{"[2001:db8::1]:5061", "192.0.2.1:5061", "192.0.2.2:5062"}));
  EXPECT_EQ(partner.targets[0].host, "a.example.com");
  rules.use_v6 = false;
  EXPECT_EQ(find_partner().targets.size(), 2u);
}

TEST_F(Partners, R4_WithoutSrvTheDomainItself) {
  hosts = {{"example.com", "192.0.2.1"}};
  Partner partner = find_partner();
  EXPECT_EQ(partner.state, PartnerState::found);
  EXPECT_FALSE(partner.by_srv);
  EXPECT_EQ(texts(partner.targets), Strings{"192.0.2.1:5061"});
  rules.without_srv = false;
  EXPECT_EQ(find_partner().state, PartnerState::absent);
}

TEST_F(Partners, R4_AbsentNotOfferedFailed) {
  EXPECT_EQ(find_partner().state, PartnerState::absent);
  EXPECT_EQ(resolve::find_partner(resolver, random, rules, "192.0.2.1", now).state,
            PartnerState::absent);
  EXPECT_EQ(resolve::find_partner(resolver, random, rules, "", now).state, PartnerState::absent);
}

TEST_F(Partners, R4_NotOfferedBySrv) {
  services = {service(0, 0, ".")};
  hosts = {{"example.com", "192.0.2.1"}};
  EXPECT_EQ(find_partner().state, PartnerState::not_offered);
}

TEST_F(Partners, R4_ServersThatAreDeadAreNoReasonForTheDomainItself) {
  silent = {{"_sipfederationtls._tcp.example.com", Type::srv}};
  hosts = {{"example.com", "192.0.2.1"}};
  EXPECT_EQ(find_partner().state, PartnerState::pending);
  wait(5s);
  EXPECT_EQ(find_partner().state, PartnerState::failed);
}

TEST_F(Partners, R4_ForbiddenTargetsAreRefused) {
  rules.own = {*IpAddress::parse("203.0.113.5")};
  services = {service(10, 1, "a.example.com"), service(20, 1, "b.example.com")};
  hosts = {{"a.example.com", "127.0.0.1"}, {"a.example.com", "203.0.113.5"}};
  Partner partner = find_partner();
  EXPECT_EQ(partner.state, PartnerState::forbidden);
  EXPECT_TRUE(partner.targets.empty());
  ASSERT_EQ(partner.refused.size(), 2u);
  EXPECT_EQ(partner.refused[0].host, "a.example.com");
  wait(601s);
  hosts.emplace("b.example.com", "192.0.2.2");
  partner = find_partner();
  EXPECT_EQ(partner.state, PartnerState::found);
  EXPECT_EQ(texts(partner.targets), Strings{"192.0.2.2:5061"});
}

TEST_F(Partners, R4_WhatIsRefusedSaysWhy) {
  rules.inside_only = true;
  rules.own = {*IpAddress::parse("203.0.113.5")};
  services = {service(10, 1, "a.example.com"), service(20, 1, "sip.elsewhere.example"),
              service(30, 1, "b.example.com"), service(40, 1, "notexample.com")};
  hosts = {{"a.example.com", "127.0.0.1"},
           {"a.example.com", "203.0.113.5"},
           {"a.example.com", "fe80::1"},
           {"sip.elsewhere.example", "192.0.2.9"},
           {"b.example.com", "192.0.2.2"}};
  const Partner partner = find_partner();
  EXPECT_EQ(texts(partner.targets), Strings{"192.0.2.2:5061"});
  std::map<std::string, std::string_view> why;
  for (const Refused& r : partner.refused) {
    why[r.host + " " + (r.endpoint.address ? r.endpoint.address.text() : "")] = r.why;
  }
  const std::map<std::string, std::string_view> expected{
      {"a.example.com 127.0.0.1", "a loopback address"},
      {"a.example.com 203.0.113.5", "one of our own addresses"},
      {"a.example.com fe80::1", "a link-local address"},
      {"sip.elsewhere.example ", "outside the domain"},
      {"notexample.com ", "outside the domain"}};
  EXPECT_EQ(why, expected);
}

TEST_F(Partners, R4_AHostIsFoundByItsAddressesAlone) {
  rules.default_port = 5063;
  hosts = {{"edge.example.com", "192.0.2.1"}, {"edge.example.com", "2001:db8::1"}};
  const auto find = [&] { return find_host(resolver, random, rules, "edge.example.com", now); };
  EXPECT_EQ(find().state, PartnerState::pending);
  for (const Sent& query : sent()) {
    EXPECT_NE(query.question.type, Type::srv);
    serve(query);
  }
  EXPECT_EQ(find().state, PartnerState::found);
  EXPECT_EQ(texts(find().targets), (Strings{"[2001:db8::1]:5063", "192.0.2.1:5063"}));
  EXPECT_EQ(find_host(resolver, random, rules, "no such host", now).state, PartnerState::absent);
}

TEST_F(Partners, R4_SaysWhenToAskAgain) {
  services = {service(10, 1, "a.example.com")};
  hosts = {{"a.example.com", "192.0.2.1"}};
  EXPECT_EQ(find_partner().ask_again, now + 540s) << "the last tenth of 600 s";
  wait(540s);
  find_partner();  // renews
  EXPECT_EQ(counters().prefetches, 2u) << "SRV and A";
  EXPECT_EQ(find_partner().ask_again, now + 60s) << "that there is no AAAA holds until then";
}

TEST_F(Partners, R4_AnotherAttemptDrawsAnotherOrderByTheSameRules) {
  services = {service(10, 3, "a.example.com"), service(10, 1, "b.example.com"),
              service(20, 0, "c.example.com")};
  hosts = {{"a.example.com", "192.0.2.1"},
           {"a.example.com", "2001:db8::1"},
           {"b.example.com", "192.0.2.2"},
           {"c.example.com", "192.0.2.3"}};
  const auto targets = find_partner().targets;
  ASSERT_EQ(targets.size(), 4u);
  unsigned a_first = 0;
  for (int i = 0; i < 4000; ++i) {
    const Strings order = texts(order_targets(targets, random));
    ASSERT_EQ(order.size(), 4u);
    EXPECT_EQ(order[3], "192.0.2.3:5061");
    const size_t a = order[0] == "192.0.2.2:5061" ? 1 : 0;
    EXPECT_EQ(order[a], "[2001:db8::1]:5061") << "IPv6, then IPv4 of one host";
    EXPECT_EQ(order[a + 1], "192.0.2.1:5061");
    a_first += a == 0;
  }
  EXPECT_NEAR(a_first, 3000, 150) << "three in four, within five standard deviations";
}

TEST_F(Partners, R4_AFamilyThatNobodyAnswersForIsNotWaitedFor) {
  services = {service(10, 1, "a.example.com")};
  hosts = {{"a.example.com", "192.0.2.1"}};
  silent = {{"a.example.com", Type::aaaa}};
  const Partner partner = find_partner();
  EXPECT_EQ(partner.state, PartnerState::found);
  EXPECT_EQ(partner.awaits.size(), 1u);
}

TEST_F(Partners, R4_BackupsAreNotWaitedForAndDoNotStandIn) {
  services = {service(10, 1, "a.example.com"), service(20, 1, "b.example.com")};
  hosts = {{"a.example.com", "192.0.2.1"}, {"b.example.com", "192.0.2.2"}};
  silent = {{"b.example.com", Type::a}, {"b.example.com", Type::aaaa}};
  EXPECT_EQ(texts(find_partner().targets), Strings{"192.0.2.1:5061"});
  wait(601s);
  silent = {{"a.example.com", Type::a}, {"a.example.com", Type::aaaa}};
  EXPECT_EQ(find_partner().state, PartnerState::pending);
}

TEST_F(Partners, R4_KnownPartnersWorkWhileNameServersAreDead) {
  services = {service(10, 1, "a.example.com")};
  hosts = {{"a.example.com", "192.0.2.1"}};
  ASSERT_EQ(find_partner().state, PartnerState::found);
  silent = {{"_sipfederationtls._tcp.example.com", Type::srv},
            {"a.example.com", Type::a},
            {"a.example.com", Type::aaaa}};
  wait(3h);
  EXPECT_EQ(find_partner().state, PartnerState::pending);
  wait(1800ms);
  find_partner();
  wait(1800ms);
  for (int i = 0; i < 100; ++i) {
    wait(1s);
    const Partner partner = find_partner();
    ASSERT_EQ(partner.state, PartnerState::found) << i;
    EXPECT_TRUE(partner.is_stale);
  }
}

TEST_F(Partners, R4_TargetsAreBoundedAndEachOnce) {
  services = {service(10, 1, "a.example.com"), service(10, 1, "b.example.com")};
  for (int i = 1; i <= 30; ++i) {
    hosts.emplace("a.example.com", "192.0.2." + std::to_string(i));
    hosts.emplace("b.example.com", "192.0.2." + std::to_string(i));
  }
  const Partner partner = find_partner();
  EXPECT_EQ(partner.targets.size(), rules.most_targets);
  auto endpoints = texts(partner.targets);
  std::ranges::sort(endpoints);
  EXPECT_EQ(std::ranges::unique(endpoints).size(), 0u);
}

TEST(Random, R4_BelowIsWithinAndTheKernelsWordsDiffer) {
  KernelRandom random;
  std::set<uint32_t> seen;
  for (int i = 0; i < 200; ++i) {
    EXPECT_LT(random.below(7), 7u);
    seen.insert(random.next());
  }
  EXPECT_GE(seen.size(), 199u);
}

}  // namespace
}  // namespace fedge::resolve
