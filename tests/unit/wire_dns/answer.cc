#include "firmware/wire/dns/answer.h"

#include <gtest/gtest.h>

#include "tests/unit/wire_dns/message_builder.h"

namespace fedge::dns {
namespace {

using namespace std::string_literals;

const Question kHost{name_of("edge.example.com"), Type::a};
const Question kService{name_of("_sipfederationtls._tcp.example.com"), Type::srv};
const std::string kPointer = "\xc0\x0c";  // the question's name
constexpr auto kAnswer = Section::answer;

TEST(DnsMessage, R4_QueryReadsBack) {
  const auto query = build_query(kService, 0x1234, true);
  const auto envelope = read_envelope(query);
  ASSERT_TRUE(envelope);
  EXPECT_EQ(envelope->id, 0x1234);
  EXPECT_FALSE(envelope->is_response);
  EXPECT_EQ(envelope->question, kService);
  EXPECT_EQ(load_be16(&query[2]), 0x0100) << "recursion desired, nothing else";
  const auto records = read_records(query, *envelope);
  ASSERT_EQ(records->size(), 1u);
  EXPECT_EQ(records->front().type, Type::opt);
  EXPECT_EQ(records->front().record_class, kUdpPayload);
  EXPECT_EQ(build_query(kService, 0x1234, false).size(), query.size() - 11);
}

TEST(DnsAnswer, R4_Addresses) {
  const auto answer = MessageBuilder(1, kHost)
                          .record(kAnswer, kPointer, Type::a, 300, "\xc0\x00\x02\x01"s)
                          .address("EDGE.example.com", 60, "192.0.2.2")
                          .address("edge.example.com", 90, "192.0.2.2")
                          .address("other.example.com", 1, "192.0.2.3")
                          .read();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->outcome, Outcome::found);
  EXPECT_EQ(answer->ttl, 60u);
  ASSERT_EQ(answer->addresses.size(), 2u);
  EXPECT_EQ(answer->addresses[0].text(), "192.0.2.1");
  EXPECT_EQ(answer->addresses[1].text(), "192.0.2.2");
  const auto six = MessageBuilder(1, {kHost.name, Type::aaaa})
                       .address("edge.example.com", 60, "2001:db8::1")
                       .read();
  EXPECT_EQ(six->addresses.at(0).text(), "2001:db8::1");
}

TEST(DnsAnswer, R4_ServicesWithCompressedTargets) {
  const auto answer =
      MessageBuilder(1, kService)
          // "edge" and a pointer to "example.com" in the question
          .record(kAnswer, kPointer, Type::srv, 60, "\0\x0a\0\x05\x13\xc5\4edge\xc0\x23"s)
          .service(kService.name.text(), 30, 20, 0, 5061, ".")
          .read();
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->services.size(), 2u);
  EXPECT_EQ(answer->services[0], (Service{10, 5, 5061, name_of("edge.example.com")}));
  EXPECT_TRUE(answer->services[1].target.is_root());
  EXPECT_EQ(answer->ttl, 30u);
}

TEST(DnsAnswer, R4_Pointers) {
  const Question question{Name::reverse(*IpAddress::parse("192.0.2.1")), Type::ptr};
  const auto answer = MessageBuilder(1, question)
                          .record(kAnswer, kPointer, Type::ptr, 60, name_of("e.example").wire())
                          .read();
  EXPECT_EQ(answer->names, std::vector{name_of("e.example")});
}

TEST(DnsAnswer, R4_AliasChainsInAnyOrder) {
  const auto answer = MessageBuilder(1, kHost)
                          .address("c.example", 300, "192.0.2.1")
                          .alias("b.example", 20, "c.example")
                          .alias("edge.example.com", 100, "b.example")
                          .read();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->outcome, Outcome::found);
  EXPECT_EQ(answer->ttl, 20u) << "the least along the chain";
  EXPECT_EQ(answer->name, name_of("c.example"));
}

TEST(DnsAnswer, R4_AliasWithoutItsEndIsToBeAsked) {
  const auto answer = MessageBuilder(1, kHost).alias("edge.example.com", 100, "b.example").read();
  EXPECT_EQ(answer->outcome, Outcome::alias);
  EXPECT_EQ(answer->name, name_of("b.example"));
  EXPECT_EQ(answer->ttl, 100u);
}

TEST(DnsAnswer, R4_AliasLoopFails) {
  const auto answer = MessageBuilder(1, kHost)
                          .alias("edge.example.com", 100, "b.example")
                          .alias("b.example", 100, "edge.example.com")
                          .read();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->outcome, Outcome::failed);
}

TEST(DnsAnswer, R4_NegativeTtlIsTheLesserOfSoaAndMinimum) {
  const auto missing = MessageBuilder(1, kHost).rcode(3).authority("example.com", 900, 120).read();
  EXPECT_EQ(missing->outcome, Outcome::no_name);
  EXPECT_EQ(missing->ttl, 120u);
  const auto empty = MessageBuilder(1, kHost).authority("example.com", 60, 120).read();
  EXPECT_EQ(empty->outcome, Outcome::no_data);
  EXPECT_EQ(empty->ttl, 60u);
  const auto foreign = MessageBuilder(1, kHost).rcode(3).authority("other.com", 60, 120).read();
  EXPECT_EQ(foreign->ttl, 0u) << "a SOA of somebody else's says nothing";
  const auto aliased = MessageBuilder(1, kHost)
                           .rcode(3)
                           .alias("edge.example.com", 10, "gone.example.org")
                           .authority("example.org", 60, 120)
                           .read();
  EXPECT_EQ(aliased->outcome, Outcome::no_name);
  EXPECT_EQ(aliased->ttl, 10u);
}

TEST(DnsAnswer, R4_FailuresAndReferrals) {
  for (const unsigned rcode : {1u, 2u, 4u, 5u})
    EXPECT_EQ(MessageBuilder(1, kHost).rcode(rcode).read()->outcome, Outcome::failed);
  const auto referral =
      MessageBuilder(1, kHost)
          .record(Section::authority, name_of("com").wire(), Type::ns, 60, name_of("ns.com").wire())
          .read();
  EXPECT_EQ(referral->outcome, Outcome::failed);
  const auto version =
      MessageBuilder(1, kHost).record(Section::additional, "\0"s, Type::opt, 0x01000000, "").read();
  EXPECT_EQ(version->rcode, Rcode::bad_version);
  EXPECT_EQ(version->outcome, Outcome::failed);
}

TEST(DnsAnswer, R4_AdditionalRecordsAreNotBelieved) {
  const auto sound = MessageBuilder(1, kHost)
                         .authority("example.com", 60, 60)
                         .record(Section::additional, kPointer, Type::a, 60, "\1\2\3\4")
                         .read();
  EXPECT_EQ(sound->outcome, Outcome::no_data);
  EXPECT_TRUE(sound->addresses.empty());
}

TEST(DnsAnswer, R4_Malformed) {
  const auto one = [](Type type, std::string_view data) {
    return MessageBuilder(1, {kHost.name, type}).record(kAnswer, kPointer, type, 60, data).read();
  };
  EXPECT_FALSE(one(Type::a, "\1\2\3")) << "an address too short";
  EXPECT_FALSE(one(Type::a, "\1\2\3\4\5")) << "an address too long";
  EXPECT_FALSE(one(Type::aaaa, "\1\2\3\4")) << "of the other family";
  EXPECT_FALSE(one(Type::srv, "\0\1\0\1\0\1"s)) << "no target";
  EXPECT_FALSE(one(Type::srv, "\0\1\0\1\0\1\1a\0x"s)) << "octets behind the target";
  EXPECT_FALSE(one(Type::ptr, "")) << "no name";
  EXPECT_FALSE(one(Type::ptr, "\3ab")) << "a name over its record's end";
  EXPECT_FALSE(MessageBuilder(1, kHost).count(kAnswer, 1).read()) << "a record that is not there";
  EXPECT_FALSE(MessageBuilder(1, kHost).count(kAnswer, 65535).read());
  MessageBuilder soa(1, kHost);
  soa.record(Section::authority, name_of("com").wire(), Type::soa, 60, "\1a\0\1b\0short"s);
  EXPECT_FALSE(soa.read());
  MessageBuilder twice(1, kHost);
  for (int i = 0; i < 2; ++i) twice.record(Section::additional, "\0"s, Type::opt, 0, "");
  EXPECT_FALSE(twice.read()) << "two OPT records";
}

TEST(DnsAnswer, R4_EveryTruncationIsRefusedOrShort) {
  const std::string whole = MessageBuilder(1, kService)
                                .service(kService.name.text(), 60, 1, 2, 5061, "a.example")
                                .authority("example.com", 60, 60)
                                .octets();
  for (size_t size = 0; size < whole.size(); ++size) {
    // On the heap without room behind, for ASan.
    const std::vector<std::byte> cut(as_bytes(whole).begin(), as_bytes(whole).begin() + size);
    const auto envelope = read_envelope(cut);
    EXPECT_FALSE(envelope && read_answer(cut, *envelope)) << size;
  }
}

TEST(DnsAnswer, R4_KeepsABoundedNumber) {
  MessageBuilder builder(1, kHost);
  for (int i = 0; i < 200; ++i)
    builder.address("edge.example.com", 60, "192.0.2." + std::to_string(i));
  EXPECT_EQ(builder.read()->addresses.size(), kMostRecords);
}

TEST(DnsAnswer, R4_TopBitOfATtlMeansZero) {
  EXPECT_EQ(
      MessageBuilder(1, kHost).address("edge.example.com", 0x80000001, "192.0.2.1").read()->ttl,
      0u);
}

TEST(DnsMessage, R4_RefusesSeveralQuestionsAndOtherClasses) {
  MessageBuilder builder(1, kHost);
  builder.octets()[5] = 2;
  EXPECT_FALSE(read_envelope(builder.bytes()));
  MessageBuilder chaos(1, kHost);
  chaos.octets().back() = 3;
  EXPECT_FALSE(read_envelope(chaos.bytes()));
}

}  // namespace
}  // namespace fedge::dns
