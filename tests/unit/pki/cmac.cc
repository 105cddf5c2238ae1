#include "firmware/pki/cmac.h"

#include <gtest/gtest.h>

#include <string>

namespace fedge::pki {
namespace {

std::string from_hex(std::string_view digits) {
  std::string out;
  for (size_t i = 0; i < digits.size(); i += 2) {
    out += static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16));
  }
  return out;
}

// RFC 4493 section 4.
TEST(T4, CmacIsThatOfTheStandard) {
  const std::string key = from_hex("2b7e151628aed2a6abf7158809cf4f3c");
  const std::string text = from_hex(
      "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a"
      "52eff69f2445df4f9b17ad2b417be66c3710");
  Cmac cmac(as_bytes(key).first<Cmac::kKeySize>());
  const auto code = [&](size_t size) {
    return std::string(as_text(cmac.compute({as_bytes(text).first(size)})));
  };
  EXPECT_EQ(code(0), from_hex("bb1d6929e95937287fa37d129b756746"));
  EXPECT_EQ(code(16), from_hex("070a16b46b4d4144f79bdd9dd04a287c"));
  EXPECT_EQ(code(40), from_hex("dfa66747de9ae63030ca32611497c827"));
  EXPECT_EQ(code(64), from_hex("51f0bebf7e3b9d92fc49741779363cfe"));
  const Bytes all = as_bytes(text);
  EXPECT_EQ(as_text(cmac.compute({all.first(3), {}, all.subspan(3, 37)})), code(40));
}

}  // namespace
}  // namespace fedge::pki
