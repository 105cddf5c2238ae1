// R4: who is asked, when again, and which answer counts.
#include "firmware/resolve/resolver.h"

#include <set>

#include "tests/unit/resolve/world.h"

namespace fedge::resolve {
namespace {

using namespace std::string_literals;
using Queries = World;

TEST_F(Queries, R4_PendingThenFromTheCache) {
  EXPECT_EQ(find(), State::pending);
  const Sent query = one_sent();
  EXPECT_EQ(query.server, kFirst);
  EXPECT_EQ(query.question, kHost);
  EXPECT_TRUE(query.with_edns);
  EXPECT_EQ(find(), State::pending);
  EXPECT_TRUE(sent().empty()) << "asked once, whoever waits";
  answer_address(query, 60, "192.0.2.1");
  EXPECT_TRUE(has_settled());
  const Finding finding = resolver.find(kHost, now);
  ASSERT_EQ(finding.state, State::found);
  EXPECT_EQ(finding.answer->addresses.at(0).text(), "192.0.2.1");
  EXPECT_FALSE(finding.is_stale);
  sent();
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(resolver.next_due(), never);
}

TEST_F(Queries, R4_PtrRecords) {
  const Question question{dns::Name::reverse(*IpAddress::parse("192.0.2.1")), Type::ptr};
  EXPECT_EQ(find(question), State::pending);
  const Sent query = one_sent();
  answer(query, reply(query).record(dns::Section::answer, question.name.wire(), Type::ptr, 60,
                                    name_of("edge.example.com").wire()));
  EXPECT_EQ(resolver.find(question, now).answer->names.at(0), name_of("edge.example.com"));
}

TEST_F(Queries, R4_EveryQueryHasAnotherIdAndExchange) {
  std::set<uint16_t> ids;
  std::set<uint64_t> exchanges;
  for (int i = 0; i < 200; ++i) {
    find({name_of("h" + std::to_string(i) + ".example"), Type::a});
    const Sent query = one_sent();
    ids.insert(query.id);
    exchanges.insert(query.exchange);
  }
  EXPECT_GE(ids.size(), 198u);
  EXPECT_EQ(exchanges.size(), 200u);
}

TEST_F(Queries, R4_ForgedAnswersAreIgnoredAndCounted) {
  find();
  const Sent query = one_sent();
  const MessageBuilder sound = reply(query).address("edge.example.com", 60, "198.51.100.66");
  resolver.on_message(query.exchange, kSecond, sound.bytes(), now);
  resolver.on_message(query.exchange, {kFirst.address, 5353}, sound.bytes(), now);
  EXPECT_EQ(counters().elsewhere, 2u);
  resolver.on_message(query.exchange + 7, kFirst, sound.bytes(), now);
  EXPECT_EQ(counters().unknown, 1u);
  Sent wrong = query;
  wrong.id ^= 1;
  answer(query, reply(wrong).address("edge.example.com", 60, "198.51.100.66"));
  answer(query, reply(query).flags(0x0100).address("edge.example.com", 60, "198.51.100.66"));
  EXPECT_EQ(counters().wrong_id, 2u) << "another id; a query instead of a response";
  wrong = query;
  wrong.question.name = name_of("edge.example.net");
  answer(query, reply(wrong).address("edge.example.net", 60, "198.51.100.66"));
  wrong.question = {kHost.name, Type::aaaa};
  answer(query, reply(wrong));
  EXPECT_EQ(counters().wrong_question, 2u);
  EXPECT_EQ(find(), State::pending);
  EXPECT_TRUE(sent().empty());
  answer_address(query, 60, "192.0.2.1");
  EXPECT_EQ(resolver.find(kHost, now).answer->addresses.at(0).text(), "192.0.2.1");
  answer(query, sound);
  EXPECT_EQ(counters().unknown, 2u) << "the exchange has ended";
}

TEST_F(Queries, R4_AnIdOfAnotherExchangeDoesNotCount) {
  const Question other{name_of("other.example"), Type::a};
  find();
  const Sent first = one_sent();
  find(other);
  const Sent second = one_sent();
  resolver.on_message(first.exchange, kFirst,
                      reply(second).address("other.example", 60, "198.51.100.66").bytes(), now);
  EXPECT_EQ(find(other), State::pending);
  EXPECT_EQ(find(), State::pending);
}

TEST_F(Queries, R4_MalformedAnswersAreIgnoredAndTheNextServerAsked) {
  find();
  const Sent query = one_sent();
  resolver.on_message(query.exchange, kFirst, as_bytes("short"), now);
  answer(query, reply(query).count(dns::Section::answer, 3));
  answer(query, reply(query).record(dns::Section::answer, "\xc0\x0c", Type::a, 60, "\1\2\3"));
  EXPECT_EQ(counters().malformed, 3u);
  EXPECT_EQ(find(), State::pending);
  wait(1s);
  answer_address(one_sent(), 60, "192.0.2.1");
  EXPECT_EQ(find(), State::found);
}

TEST_F(Queries, R4_TimeOutThenTheNextServerAndALateAnswerStillCounts) {
  find();
  const Sent first = one_sent();
  wait(999ms);
  EXPECT_TRUE(sent().empty());
  wait(1ms);
  const Sent second = one_sent();
  EXPECT_EQ(second.server, kSecond);
  EXPECT_NE(second.exchange, first.exchange);
  answer_address(first, 60, "192.0.2.1");
  EXPECT_EQ(find(), State::found);
  sent();
  EXPECT_TRUE(open.empty()) << "both sockets closed";
}

TEST_F(Queries, R4_DeadServersFailInTimeAndAreRemembered) {
  find();
  wait(5s);
  EXPECT_EQ(sent().size(), 4u) << "two rounds: after 0, 1, 2 and 4 s";
  EXPECT_TRUE(has_settled());
  EXPECT_TRUE(open.empty());
  EXPECT_EQ(find(), State::failed);
  EXPECT_TRUE(sent().empty()) << "a failure is remembered";
  wait(5s);
  EXPECT_EQ(find(), State::pending);
  wait(5s);
  wait(9s);
  EXPECT_EQ(find(), State::failed) << "and twice as long the second time";
  wait(1s);
  EXPECT_EQ(find(), State::pending);
}

TEST_F(Queries, R4_AServerThatKeepsSilentIsAskedLastForAWhile) {
  for (int i = 0; i < 2; ++i) {
    find({name_of("h" + std::to_string(i) + ".example"), Type::a});
    sent();
    wait(1s);
    answer_address(one_sent(), 60, "192.0.2.1");
  }
  sent();
  EXPECT_EQ(find(), State::pending);
  EXPECT_EQ(one_sent().server, kSecond);
  wait(30s);
  find({name_of("later.example"), Type::a});
  const auto later = sent();
  EXPECT_EQ(later.back().server, kFirst) << "and tried again afterwards";
}

TEST_F(Queries, R4_RefusedOrUnreachableGoesOnAtOnce) {
  find();
  resolver.on_unreachable(one_sent().exchange, now);
  const Sent second = one_sent();
  EXPECT_EQ(second.server, kSecond);
  answer(second, reply(second).rcode(5));
  EXPECT_TRUE(sent().empty());
  EXPECT_TRUE(has_settled()) << "nobody left to ask";
  EXPECT_EQ(find(), State::failed);
  EXPECT_EQ(counters().server_errors, 1u);
}

TEST_F(Queries, R4_TruncatedGoesOverAStream) {
  find();
  const Sent query = one_sent();
  answer(query, reply(query).flags(0x8380));
  const Sent again = one_sent();
  EXPECT_TRUE(again.is_stream);
  EXPECT_EQ(again.server, kFirst);
  EXPECT_EQ(open.size(), 1u) << "the datagram's socket is closed";
  answer_address(again, 60, "192.0.2.1");
  EXPECT_EQ(find(), State::found);
}

TEST_F(Queries, R4_WithoutEdnsForAServerThatStumblesOverIt) {
  find();
  Sent query = one_sent();
  // A bare header, as old servers send it.
  MessageBuilder bare(query.id, query.question);
  bare.rcode(1).octets().resize(dns::kHeaderSize);
  bare.octets()[5] = 0;
  answer(query, bare);
  query = one_sent();
  EXPECT_EQ(query.server, kFirst);
  EXPECT_FALSE(query.with_edns);
  answer_address(query, 60, "192.0.2.1");
  sent();
  find({name_of("next.example"), Type::a});
  EXPECT_FALSE(one_sent().with_edns);
  wait(1h);
  sent();
  find({name_of("later.example"), Type::a});
  EXPECT_TRUE(sent().front().with_edns);
}

TEST_F(Queries, R4_FollowsAnAliasWithAQueryOfItsOwn) {
  find();
  Sent query = one_sent();
  answer(query, reply(query).alias("edge.example.com", 30, "real.example.net"));
  query = one_sent();
  EXPECT_EQ(query.question.name, name_of("real.example.net"));
  EXPECT_EQ(open.size(), 1u);
  answer_address(query, 600, "192.0.2.1");
  EXPECT_TRUE(has_settled()) << "under the name that was asked for";
  EXPECT_EQ(find(), State::found);
  wait(30s);
  EXPECT_EQ(find(), State::pending) << "no longer than the alias lives";
}

TEST_F(Queries, R4_EndlessAliasesFail) {
  find();
  for (unsigned i = 0; i <= dns::kMostAliases; ++i) {
    const Sent query = one_sent();
    const std::string next = "n" + std::to_string(i) + ".example";
    answer(query, reply(query).alias(query.question.name.text(), 30, next));
  }
  EXPECT_TRUE(sent().empty());
  EXPECT_EQ(find(), State::failed);
}

TEST_F(Queries, R4_LookupsAreBounded) {
  for (int i = 0; i < 300; ++i) find({name_of("h" + std::to_string(i) + ".example"), Type::a});
  EXPECT_EQ(resolver.lookups(), 256u);
  EXPECT_EQ(counters().refused_full, 44u);
  EXPECT_EQ(find(), State::failed);
  wait(5s);
  EXPECT_EQ(resolver.lookups(), 0u);
  EXPECT_EQ(find(), State::pending) << "being refused is not remembered";
}

TEST_F(Queries, R4_NewServersTakeOverWhatIsAsked) {
  const Endpoint third = Endpoint::parse("192.0.2.54:53").value();
  find();
  const Sent before = one_sent();
  resolver.set_servers({third}, now);
  const Sent after = one_sent();
  EXPECT_EQ(after.server, third);
  EXPECT_FALSE(open.contains(before.exchange));
  answer_address(before, 60, "198.51.100.66");
  EXPECT_EQ(find(), State::pending);
  answer_address(after, 60, "192.0.2.1");
  EXPECT_EQ(find(), State::found);
  resolver.set_servers({}, now);
  EXPECT_EQ(find(), State::found);
  EXPECT_EQ(find({name_of("other.example"), Type::a}), State::failed) << "nobody to ask";
}

}  // namespace
}  // namespace fedge::resolve
