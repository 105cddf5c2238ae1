// The directory with a name server on loopback, in the same loop.
#include "dataplane/signal/directory.h"

#include <sys/socket.h>

#include <algorithm>
#include <map>

#include "firmware/net/socket.h"
#include "tests/unit/signal/site.h"
#include "tests/unit/wire_dns/message_builder.h"

namespace fedge::signal {
namespace {

using dns::MessageBuilder;
using dns::Type;
using Strings = std::vector<std::string>;

// Answers at once; what it does not know does not exist.
class NameServer final : public Watcher {
 public:
  explicit NameServer(Loop& loop) : loop_(loop) {
    fd_ = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    socklen_t size = Endpoint::parse("127.0.0.1:0")->to_sockaddr(address);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ::getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &size);
    endpoint = Endpoint::from_sockaddr(address).text();
    EXPECT_TRUE(loop_.watch(fd_.get(), EPOLLIN, *this));
  }
  ~NameServer() override { loop_.unwatch(fd_.get(), *this); }

  std::string endpoint;
  bool is_silent = false;
  std::map<std::string, std::vector<dns::Service>> services;
  std::multimap<std::string, std::string> hosts;
  std::vector<std::string> asked;  // names, in the order in which they came
  uint32_t ttl = 600;

 private:
  void on_ready(uint32_t) override {
    std::array<std::byte, 2048> room;
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    for (;;) {
      const ssize_t got = ::recvfrom(fd_.get(), room.data(), room.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) return;
      const auto query = dns::read_envelope(Bytes(room).first(static_cast<size_t>(got)));
      asked.push_back(query->question->name.text());
      if (is_silent) continue;
      const std::string out = answer(*query);
      ::sendto(fd_.get(), out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
    }
  }
  std::string answer(const dns::Envelope& query) {
    const std::string name = query.question->name.text();
    MessageBuilder reply(query.id, *query.question);
    bool any = false;
    if (query.question->type == Type::srv && services.contains(name)) {
      for (const auto& s : services[name]) {
        any = true;
        reply.service(name, ttl, s.priority, s.weight, s.port, s.target.text());
      }
    }
    const auto [begin, end] = hosts.equal_range(name);
    for (auto host = begin; host != end; ++host) {
      const bool is_v6 = host->second.find(':') != std::string::npos;
      if (query.question->type != (is_v6 ? Type::aaaa : Type::a)) continue;
      any = true;
      reply.address(name, ttl, host->second);
    }
    if (!any) reply.rcode(3).authority("example", ttl, ttl);
    return reply.octets();
  }

  Loop& loop_;
  Fd fd_;
};

class DirectoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    layout.partner = {"partner.example", {}, Transport::tcp, snapshot::Lookup::srv, 5061};
    layout.name_servers = {server.endpoint};
    server.services["_sipfederationtls._tcp.partner.example"] = {
        {10, 1, 5061, dns::name_of("a.partner.example")},
        {20, 1, 5062, dns::name_of("b.partner.example")}};
    server.hosts = {{"a.partner.example", "192.0.2.1"},
                    {"a.partner.example", "2001:db8::1"},
                    {"b.partner.example", "192.0.2.2"}};
    directory.attach(3, mailbox, [this](const std::shared_ptr<const Found>& f) { found = f; });
  }
  void publish() {
    const link::Offer compiled = compile(layout);
    auto opened = open_generation(compiled, sealing_key(), nullptr);
    ASSERT_TRUE(opened);
    generation = std::move(*opened);
    directory.use(*generation);
  }
  HopName name() const { return name_of(*generation, generation->next_hops()[1]); }
  void want() {
    found.reset();
    directory.want(3, name());
    site.until([&] { return found != nullptr; }, "an answer of the directory's");
  }
  Strings targets() const {
    Strings out;
    for (const auto& t : found->targets) out.push_back(t.host + " " + t.endpoint.text());
    return out;
  }
  uint64_t names(const std::string& state) {
    return site.counter("resolver_names{state=\"" + state + "\"}");
  }

  Site site;
  NameServer server{site.loop};
  Layout layout;
  std::unique_ptr<Generation> generation;
  std::shared_ptr<const Found> found;
  Mailbox mailbox{site.loop};
  Directory directory{site.loop, site.counters, false};
};

TEST_F(DirectoryTest, R4_KnowsBeforeAnybodyWantsToGo) {
  publish();
  site.until([&] { return names("found") == 1; }, "the name to be found");
  EXPECT_EQ(name().text(), "SRV _sipfederationtls._tcp.partner.example");
  const size_t queries = server.asked.size();
  EXPECT_EQ(queries, 5u) << "SRV, and A and AAAA of two";
  want();
  EXPECT_EQ(targets(),
            (Strings{"a.partner.example [2001:db8::1]:5061", "a.partner.example 192.0.2.1:5061",
                     "b.partner.example 192.0.2.2:5062"}));
  EXPECT_EQ(server.asked.size(), queries) << "nothing is asked again";
}

TEST_F(DirectoryTest, R4_AHostByItsNameAlone) {
  layout.partner = {"sip.partner.example", {}, Transport::tcp, snapshot::Lookup::address, 5061};
  server.hosts.emplace("sip.partner.example", "192.0.2.2");
  publish();
  want();
  EXPECT_EQ(targets(), Strings{"sip.partner.example 192.0.2.2:5061"});
}

TEST_F(DirectoryTest, R4_WhatIsForbiddenIsRefusedByName) {
  server.hosts = {{"a.partner.example", "127.0.0.1"}};  // also ours in this layout
  server.services["_sipfederationtls._tcp.partner.example"][1].target =
      dns::name_of("edge.elsewhere.example");
  server.hosts.emplace("edge.elsewhere.example", "192.0.2.9");
  publish();
  want();
  EXPECT_EQ(targets(), Strings{});
  EXPECT_EQ(found->why, "all that it names is refused");
  EXPECT_EQ(std::ranges::count(server.asked, "edge.elsewhere.example"), 0);
  EXPECT_EQ(site.counter("resolver_refused_targets_total"), 1u);
  EXPECT_EQ(names("unresolved"), 1u);
}

TEST_F(DirectoryTest, R4_WithoutNameServersItSaysSo) {
  layout.name_servers.clear();
  publish();
  want();
  EXPECT_EQ(targets(), Strings{});
  EXPECT_EQ(found->why, "no name server is configured");
  // A publish that brings them is enough.
  layout.name_servers = {server.endpoint};
  found.reset();
  publish();
  site.until([&] { return found != nullptr; }, "the change to be told");
  EXPECT_EQ(found->targets.size(), 3u);
}

TEST_F(DirectoryTest, R4_KnownNamesOutliveTheirServers) {
  publish();
  want();
  EXPECT_EQ(found->targets.size(), 3u);
  layout.name_servers.clear();
  layout.address = "127.0.0.7/8";  // asked again: what is refused depends on our addresses
  publish();
  site.until([&] { return names("stale") == 1; }, "the name to be asked again");
  want();
  EXPECT_EQ(found->targets.size(), 3u) << found->why;
}

TEST_F(DirectoryTest, R4_ANameThatAPublishTakesAwayIsForgotten) {
  publish();
  site.until([&] { return names("found") == 1; }, "the name to be found");
  layout.partner = {"partner.example", {"127.0.0.3:9"}};
  publish();
  EXPECT_EQ(names("found"), 0u);
}

TEST_F(DirectoryTest, R4_AForgedAnswerIsIgnoredAndCounted) {
  struct Forger final : Watcher {
    Fd fd;
    Loop& loop;
    explicit Forger(Loop& l) : loop(l) {
      fd = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      sockaddr_storage address{};
      const socklen_t size = Endpoint::parse("127.0.0.1:0")->to_sockaddr(address);
      EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
      EXPECT_TRUE(loop.watch(fd.get(), EPOLLIN, *this));
    }
    ~Forger() override { loop.unwatch(fd.get(), *this); }
    void on_ready(uint32_t) override {
      std::array<std::byte, 2048> room;
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t got = ::recvfrom(fd.get(), room.data(), room.size(), 0,
                                     reinterpret_cast<sockaddr*>(&from), &size);
      if (got < 0) return;
      const auto query = dns::read_envelope(Bytes(room).first(static_cast<size_t>(got)));
      MessageBuilder wrong_id(static_cast<uint16_t>(query->id + 1), *query->question);
      MessageBuilder wrong_question(query->id, {dns::name_of("other.example"), Type::a});
      for (const std::string& out : {wrong_id.octets(), wrong_question.octets()}) {
        ::sendto(fd.get(), out.data(), out.size(), 0, reinterpret_cast<sockaddr*>(&from), size);
      }
    }
  } forger(site.loop);
  layout.name_servers = {local_endpoint(forger.fd.get()).text()};
  publish();
  site.until([&] { return site.counter("resolver_ignored_total{reason=\"question\"}") > 0; },
             "what is ignored to be counted");
  EXPECT_GT(site.counter("resolver_ignored_total{reason=\"id\"}"), 0u);
  EXPECT_EQ(names("unknown"), 1u);
}

}  // namespace
}  // namespace fedge::signal
