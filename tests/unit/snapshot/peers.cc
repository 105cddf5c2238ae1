// Who a certificate belongs to, and for which domains it may speak.
#include <gtest/gtest.h>

#include <string>

#include "firmware/snapshot/routes.h"
#include "firmware/snapshot/writer.h"

namespace fedge::snapshot {
namespace {

class Peers : public ::testing::Test {
 protected:
  Peers() {
    Writer w(Kind::routing);
    const auto hops = w.slice<NextHop>(
        {{w.text("x.example"), w.slice<Endpoint>({*Endpoint::parse("10.2.0.2:5061")}), 0, 0,
          Transport::tls}});
    // Sorted by name, realm, side, domain, as the compiler writes them.
    const auto peers = w.slice<Peer>(
        {{w.text("*.found.example"), w.text("found.example"), 0, 0, PeerSide::partner},
         {w.text("edge.found.example"), w.text("named.example"), 0, 0, PeerSide::partner},
         {w.text("edge.hosting.example"), w.text("first.example"), 0, 0, PeerSide::partner},
         {w.text("edge.hosting.example"), w.text("second.example"), 0, 0, PeerSide::partner},
         {w.text("edge.hosting.example"), w.text("inner.example"), 0, 1, PeerSide::partner},
         {w.text("edge.other.example"), w.text("third.example"), 0, 0, PeerSide::partner}});
    bytes_ = w.finish(Routing{hops, {}, {}, peers, 1});
    auto opened = Section<Routing>::open(as_bytes(bytes_));
    EXPECT_TRUE(opened) << opened.error().text();
    if (opened) routing_ = std::move(*opened);
  }
  const Peer* find(std::string_view name, uint16_t realm = 0) const {
    return find_peer(routing_, {&name, 1}, realm);
  }
  std::string domain_of(std::string_view name) const {
    const Peer* peer = find(name);
    return peer == nullptr ? "-" : std::string(routing_.text(peer->domain));
  }
  bool serves(std::string_view name, std::string_view domain, uint16_t realm = 0) const {
    const Peer* peer = find(name, realm);
    return peer != nullptr && serves_domain(routing_, *peer, domain);
  }
  std::string bytes_;
  Section<Routing> routing_;
};

TEST_F(Peers, R4_APartnerFoundBySrvIsAnyHostInsideItsDomainOrTheDomainItself) {
  EXPECT_EQ(domain_of("sip.found.example"), "found.example");
  EXPECT_EQ(domain_of("a.b.found.example"), "found.example");
  EXPECT_EQ(domain_of("found.example"), "found.example");
  EXPECT_EQ(domain_of("edge.found.example"), "named.example");  // by its own name first
}

TEST_F(Peers, R4_LookAlikesOfADomainAreNobody) {
  for (const std::string_view name :
       {"notfound.example", "sip.notfound.example", "found.example.evil.example", "xfound.example",
        "found.example.com", ".found.example.", "example", "*.example", ""}) {
    EXPECT_EQ(domain_of(name), "-") << name;
  }
  EXPECT_EQ(find("sip.found.example", 1), nullptr);  // another realm
  EXPECT_EQ(domain_of(std::string(400, 'x') + ".found.example"), "-");
}

TEST_F(Peers, T4_APeerServesEachOfItsDomainsAndNoOther) {
  EXPECT_TRUE(serves("edge.hosting.example", "first.example"));
  EXPECT_TRUE(serves("edge.hosting.example", "second.example"));
  EXPECT_TRUE(serves("edge.hosting.example", "Second.Example"));
  EXPECT_FALSE(serves("edge.hosting.example", "third.example"));
  EXPECT_FALSE(serves("edge.hosting.example", "inner.example"));  // of the other realm
  EXPECT_TRUE(serves("edge.hosting.example", "inner.example", 1));
  EXPECT_FALSE(serves("edge.hosting.example", "sub.first.example"));
  EXPECT_FALSE(serves("edge.hosting.example", "hosting.example"));
  EXPECT_FALSE(serves("edge.hosting.example", ""));
  EXPECT_TRUE(serves("sip.found.example", "found.example"));
  EXPECT_FALSE(serves("sip.found.example", "sip.found.example"));
}

}  // namespace
}  // namespace fedge::snapshot
