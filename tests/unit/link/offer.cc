#include "firmware/link/offer.h"

#include <gtest/gtest.h>

#include "firmware/snapshot/writer.h"

namespace fedge::link {
namespace {

using snapshot::Kind;

Offer make_offer() {
  snapshot::Writer w(Kind::appliance);
  const std::string bytes =
      w.finish(snapshot::Appliance{w.text("edge1"), w.text("sip.example.com"), w.text("hq")});
  Offer offer{{3, 2, {{Kind::appliance, {1, 2}}, {Kind::media, {3, 4}}}}, {}};
  offer.fds.push_back(std::move(*make_sealed_memfd("section", as_bytes(bytes))));
  return offer;
}

TEST(Offer, P1_OpensWhatItBrings) {
  const Offer offer = make_offer();
  snapshot::Section<snapshot::Appliance> appliance;
  ASSERT_TRUE(offer.open(appliance));
  EXPECT_EQ(appliance.text(appliance.root().name), "edge1");
}

TEST(Offer, P1_FailsWithTheNumberOfASectionThatIsMissing) {
  const Offer offer = make_offer();
  snapshot::Section<snapshot::Realms> realms;
  const Status missing = offer.open(realms);
  ASSERT_FALSE(missing);
  EXPECT_NE(
      missing.error().text().find("section " + std::to_string(static_cast<int>(Kind::realms))),
      std::string::npos);
  EXPECT_FALSE(offer.brings(Kind::realms));
}

TEST(Offer, P1_ASectionWithoutItsDescriptorIsMissing) {
  const Offer offer = make_offer();
  EXPECT_EQ(offer.fd_of(Kind::media), -1);
}

TEST(Offer, P1_TellsWhatStaysByItsChecksum) {
  const std::vector<SectionRef> a{{Kind::tls, {1, 2}}, {Kind::media, {3, 4}}};
  const std::vector<SectionRef> b{{Kind::media, {3, 5}}, {Kind::tls, {1, 2}}};
  EXPECT_TRUE(same_section(a, b, Kind::tls));
  EXPECT_FALSE(same_section(a, b, Kind::media));
  EXPECT_TRUE(same_section(a, b, Kind::routing)) << "in neither";
  EXPECT_FALSE(same_section(a, {}, Kind::tls));
}

}  // namespace
}  // namespace fedge::link
