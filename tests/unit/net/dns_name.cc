#include "firmware/net/dns_name.h"

#include <gtest/gtest.h>

namespace fedge {
namespace {

TEST(R2, AcceptsHostNamesOnly) {
  for (const char* name : {"a", "example.com", "sip.Example.COM", "3com.com", "a-b.c1"}) {
    EXPECT_TRUE(is_dns_name(name)) << name;
  }
  for (const char* name : {"", ".", "example.com.", ".com", "a..b", "-a.com", "a-.com", "a_b.com",
                           "10.1.0.2", "a b", "*.example.com"}) {
    EXPECT_FALSE(is_dns_name(name)) << name;
  }
  EXPECT_TRUE(is_dns_name(std::string(63, 'a') + ".com"));
  EXPECT_FALSE(is_dns_name(std::string(64, 'a') + ".com"));
  std::string longest;
  while (longest.size() < 250) longest += "ab.";
  EXPECT_FALSE(is_dns_name(longest + "abcd"));
}

TEST(R2, ComparesWithoutCase) {
  EXPECT_TRUE(equal_names("SIP.Example.com", "sip.example.COM"));
  EXPECT_FALSE(equal_names("sip.example.com", "sip.example.co"));
  EXPECT_EQ(lower_case("SiP.ÄX"), "sip.Äx");
}

}  // namespace
}  // namespace fedge
