// T4: what anybody may see of our hashes tells nobody how transactions of others are named.
#include "dataplane/sip/nonces.h"

#include <cstring>
#include <set>

#include "dataplane/sip/branch.h"
#include "dataplane/sip/hash.h"
#include "tests/unit/sip/world.h"

namespace fedge::sip {

namespace {

// XXH3 of 4 to 8 octets, step by step backwards: the seed, from a hash and what was hashed.
uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }

uint64_t divide(uint64_t x) {  // by its odd factor
  constexpr uint64_t kFactor = 0x9fb21c651e98df25;
  uint64_t inverse = kFactor;
  for (int i = 0; i < 6; ++i) inverse *= 2 - kFactor * inverse;
  return x * inverse;
}

uint64_t seed_of(uint64_t hash, std::string_view text) {
  uint64_t h = divide(hash ^ hash >> 28 ^ hash >> 56);
  uint64_t before = h;
  for (int i = 0; i < 2; ++i) before = h ^ ((before >> 35) + text.size());
  h = divide(before);
  before = h;
  for (int i = 0; i < 63; ++i) before ^= rotate(before, 49) ^ rotate(before, 24);
  uint32_t first;
  uint32_t last;
  std::memcpy(&first, text.data(), 4);
  std::memcpy(&last, text.data() + text.size() - 4, 4);
  // What XXH3 mixes in of its own: two words of its secret.
  const uint64_t own = 0x1cad21f72c81017c ^ 0xdb979083e96dd4de;
  const uint64_t seed = own - (before ^ (last + (uint64_t{first} << 32)));
  return seed ^ uint64_t { __builtin_bswap32(static_cast<uint32_t>(seed)) } << 32;
}

}  // namespace

TEST(NoncesTest, T4_DifferByStreamAndDoNotRepeat) {
  Nonces one(0x5eed, 1);
  Nonces same(0x5eed, 1);
  Nonces other(0x5eed, 2);
  std::set<uint64_t> seen;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t nonce = one.next();
    EXPECT_EQ(same.next(), nonce);
    EXPECT_TRUE(seen.insert(nonce).second);
    EXPECT_TRUE(seen.insert(other.next()).second);
  }
  EXPECT_NE(derive_seed(1, "a"), derive_seed(1, "b"));
  EXPECT_NE(derive_seed(1, "a"), derive_seed(2, "a"));
}

TEST(HashTest, T4_AHashShowsItsSeed) {
  EXPECT_EQ(seed_of(hash_of("z9hG4bKa", 0x1234567890abcdef), "z9hG4bKa"), 0x1234567890abcdef);
}

using Guessing = World;

TEST_F(Guessing, T4_AStrangerCannotNameATransactionOfOthers) {
  RequestText request;
  request.from = "<sip:alice@partner.example>;tag=a1a1";
  request.branch = "z9hG4bKa";
  receive(from_stranger(), request);
  Taken refused = take_response(kFromStranger, 403);
  uint64_t seed = std::stoull(std::string(refused.message().to_tag), nullptr, 16);
  seed = seed_of(seed_of(seed_of(seed, request.branch), "a1a1"), request.call_id) - 7;
  request.branch = "z9hG4bKb";
  receive(from_partner(), request);
  const auto branch = parse_branch(take_request(fe1, Method::message).message().via.branch);
  ASSERT_TRUE(branch);
  for (uint64_t n = 0; n < 100; ++n) EXPECT_NE(hash_of(n, seed) | 1, branch->nonce);
}

}  // namespace fedge::sip
