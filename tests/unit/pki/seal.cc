#include "firmware/pki/seal.h"

#include <gtest/gtest.h>

#include <array>

namespace fedge::pki {
namespace {

Secret key_of(char c) { return Secret(as_bytes(std::string(kSealingKeySize, c))); }

TEST(C6, SealedKeysComeBackOnlyWithTheirKeyAndPurpose) {
  const Secret key = key_of('k');
  const auto sealed = seal(key, "keys-signal", as_bytes("the secret"));
  ASSERT_TRUE(sealed);
  EXPECT_EQ(sealed->find("secret"), std::string::npos);
  const auto opened = unseal(key, "keys-signal", as_bytes(*sealed));
  ASSERT_TRUE(opened);
  EXPECT_EQ(as_text(opened->bytes()), "the secret");
  EXPECT_FALSE(unseal(key_of('x'), "keys-signal", as_bytes(*sealed)));
  EXPECT_FALSE(unseal(key, "keys-agent", as_bytes(*sealed)));
  for (size_t i = 0; i < sealed->size(); ++i) {
    std::string changed = *sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(unseal(key, "keys-signal", as_bytes(changed))) << i;
    EXPECT_FALSE(unseal(key, "keys-signal", as_bytes(sealed->substr(0, i)))) << i;
  }
}

TEST(T4, DerivedKeysFollowFromKeyAndPurpose) {
  const auto derive = [](char key, std::string_view purpose) {
    return std::string(as_text(derive_key(key_of(key), purpose).bytes()));
  };
  EXPECT_EQ(derive('k', "record-route").size(), kSealingKeySize);
  EXPECT_EQ(derive('k', "record-route"), derive('k', "record-route"));
  EXPECT_NE(derive('k', "record-route"), derive('k', "another"));
  EXPECT_NE(derive('k', "record-route"), derive('x', "record-route"));
}

TEST(C6, TwoSealsOfOneKeyDiffer) {
  const Secret key = key_of('k');
  EXPECT_NE(*seal(key, "p", as_bytes("x")), *seal(key, "p", as_bytes("x")));
}

TEST(C6, KeyListsGoBothWaysAndDamagedOnesDoNot) {
  std::vector<PrivateKey> keys(2);
  keys[0] = {7, Secret(as_bytes("first"))};
  keys[1] = {9, Secret(as_bytes("second"))};
  const auto plain = encode_keys(keys);
  ASSERT_TRUE(plain);
  const auto back = decode_keys(plain->bytes());
  ASSERT_TRUE(back);
  ASSERT_EQ(back->size(), 2u);
  EXPECT_EQ((*back)[1].id, 9u);
  EXPECT_EQ(as_text((*back)[1].der.bytes()), "second");
  for (size_t n = 0; n < plain->bytes().size(); ++n) {
    EXPECT_FALSE(decode_keys(plain->bytes().first(n))) << n;
  }
}

}  // namespace
}  // namespace fedge::pki
