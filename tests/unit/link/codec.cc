#include "firmware/link/codec.h"

#include <gtest/gtest.h>

#include "firmware/link/messages.h"

namespace fedge::link {
namespace {

SnapshotOffer sample_offer() {
  SnapshotOffer offer;
  offer.generation = 7;
  offer.revision = 3;
  offer.sections = {{snapshot::Kind::realms, {1, 2}}, {snapshot::Kind::tls, {3, 4}}};
  return offer;
}

TEST(Codec, CarriesNumbersTextsAndLists) {
  const auto offer = decode<SnapshotOffer>(encode(sample_offer()));
  ASSERT_TRUE(offer);
  EXPECT_EQ(offer->generation, 7u);
  ASSERT_EQ(offer->sections.size(), 2u);
  EXPECT_EQ(offer->sections[1].kind, snapshot::Kind::tls);
  EXPECT_EQ(offer->sections[1].checksum[1], 4u);

  PublishState state;
  state.process = Process::signal;
  state.reason = "no key for “access”";
  const auto back = decode<PublishState>(encode(state));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->process, Process::signal);
  EXPECT_EQ(back->reason, state.reason);
}

TEST(Codec, CarriesEndpoints) {
  PeerConnected peer;
  peer.realm = "outside";
  peer.remote = *Endpoint::parse("[2001:db8::1]:5061");
  peer.trusted = true;
  const auto back = decode<PeerConnected>(encode(peer));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->realm, peer.realm);
  EXPECT_EQ(back->remote, peer.remote);
  EXPECT_TRUE(back->trusted);
}

TEST(Codec, RefusesEveryTruncationAndAnythingLeftOver) {
  const std::string whole = encode(sample_offer());
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_FALSE(decode<SnapshotOffer>(whole.substr(0, n))) << n;
  }
  EXPECT_FALSE(decode<SnapshotOffer>(whole + "x"));
}

TEST(Codec, RefusesWhatIsNoSuchValue) {
  ProcessState state;
  std::string bytes = encode(state);
  bytes[0] = static_cast<char>(kProcessCount);
  EXPECT_FALSE(decode<ProcessState>(bytes));
  bytes[0] = 0;
  bytes[1] = 2;  // a bool is 0 or 1
  EXPECT_FALSE(decode<ProcessState>(bytes));
}

TEST(Codec, RefusesCountsBeyondTheMessage) {
  std::string bytes = encode(SnapshotOffer{});
  bytes.replace(bytes.size() - 4, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(decode<SnapshotOffer>(bytes));
}

}  // namespace
}  // namespace fedge::link
