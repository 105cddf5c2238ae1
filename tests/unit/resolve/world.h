// A resolver with virtual time and name servers that are the test.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "firmware/resolve/discovery.h"
#include "tests/unit/wire_dns/message_builder.h"

namespace fedge::resolve {

using dns::MessageBuilder;
using dns::name_of;
using dns::Question;
using dns::Type;

class SeededRandom final : public RandomSource {
 public:
  explicit SeededRandom(uint32_t seed = 1) : engine_(seed) {}
  uint32_t next() override { return engine_(); }

 private:
  std::mt19937 engine_;
};

inline const Endpoint kFirst = Endpoint::parse("192.0.2.53:53").value();
inline const Endpoint kSecond = Endpoint::parse("[2001:db8::53]:53").value();
inline const Question kHost{name_of("edge.example.com"), Type::a};

// A query that went out.
struct Sent {
  uint64_t exchange;
  Endpoint server;
  bool is_stream;
  uint16_t id;
  Question question;
  bool with_edns;
};

class World : public ::testing::Test {
 protected:
  static Settings settings() {
    Settings s;
    s.servers = {kFirst, kSecond};
    return s;
  }

  State find(const Question& question = kHost) { return resolver.find(question, now).state; }
  std::vector<Sent> sent() {
    std::vector<Sent> out;
    for (const Action& action : resolver.take_actions()) {
      if (action.kind == Action::Kind::close) {
        open.erase(action.exchange);
        continue;
      }
      open[action.exchange] = action.server;
      const auto query = dns::read_envelope(action.message);
      out.push_back({action.exchange, action.server, action.kind == Action::Kind::send_stream,
                     query->id, *query->question, query->records[2] == 1});
    }
    return out;
  }
  Sent one_sent() {
    const auto all = sent();
    EXPECT_EQ(all.size(), 1u);
    return all.empty() ? Sent{} : all.front();
  }
  MessageBuilder reply(const Sent& query) const { return {query.id, query.question}; }
  void answer(const Sent& query, const MessageBuilder& message) {
    resolver.on_message(query.exchange, query.server, message.bytes(), now);
  }
  void answer_address(const Sent& query, uint32_t ttl, std::string_view address) {
    answer(query, reply(query).address(query.question.name.text(), ttl, address));
  }
  // Finds `question` fresh from now on.
  void learn(uint32_t ttl, std::string_view address = "192.0.2.1",
             const Question& question = kHost) {
    ASSERT_EQ(find(question), State::pending);
    answer_address(one_sent(), ttl, address);
    sent();
    resolver.take_settled();
  }
  void wait(Duration time) {
    const Instant end = now + time;
    while (resolver.next_due() <= end) {
      now = std::max(now, resolver.next_due());
      resolver.advance(now);
    }
    now = end;
  }
  bool has_settled(const Question& question = kHost) {
    const auto settled = resolver.take_settled();
    return std::ranges::find(settled, question) != settled.end();
  }
  const Counters& counters() const { return resolver.counters(); }

  Instant now = Instant{} + 1000s;
  SeededRandom random;
  Resolver resolver{settings(), random};
  std::map<uint64_t, Endpoint> open;
};

}  // namespace fedge::resolve
