#include "firmware/net/address.h"

#include <gtest/gtest.h>

namespace fedge {
namespace {

TEST(R11, ParsesAndPrintsAddressesOfBothFamilies) {
  for (const char* text : {"0.0.0.0", "10.1.0.2", "255.255.255.255", "::", "::1", "2001:db8::1",
                           "fe80::1", "2001:db8:0:1:1:1:1:1"}) {
    const auto address = IpAddress::parse(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
}

TEST(R11, RefusesWhatIsNotAnAddress) {
  for (const char* text : {"", "1.2.3", "1.2.3.4.5", "01.2.3.4", "256.1.1.1", "1.2.3.4 ", "[::1]",
                           "fe80::1%eth0", "::g", "1::2::3", "example.com",
                           "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST(R11, PrefixContainsItsSubnetOnly) {
  const auto prefix = Prefix::parse("10.1.4.1/22");
  ASSERT_TRUE(prefix);
  EXPECT_TRUE(prefix->contains(*IpAddress::parse("10.1.7.255")));
  EXPECT_FALSE(prefix->contains(*IpAddress::parse("10.1.8.0")));
  EXPECT_FALSE(prefix->contains(*IpAddress::parse("::1")));
  const auto all = Prefix::parse("::/0");
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->contains(*IpAddress::parse("2001:db8::5")));
  EXPECT_FALSE(Prefix::parse("10.0.0.0/33"));
  EXPECT_FALSE(Prefix::parse("10.0.0.0/"));
  EXPECT_EQ(Prefix::parse("10.0.0.7")->length, 32);
}

TEST(R11, EndpointsAndSocketAddressesGoBothWays) {
  for (const char* text : {"192.0.2.1:5061", "[2001:db8::1]:443"}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_TRUE(endpoint) << text;
    sockaddr_storage storage{};
    EXPECT_GT(endpoint->to_sockaddr(storage), 0u);
    EXPECT_EQ(Endpoint::from_sockaddr(storage), *endpoint);
    EXPECT_EQ(endpoint->text(), text);
  }
  for (const char* text : {"192.0.2.1", "192.0.2.1:65536", "2001:db8::1:443", "[192.0.2.1]:5",
                           "[::1]", "[::1]:", ":5061", "192.0.2.1:-1"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(R11, KnowsTheSpecialAddresses) {
  EXPECT_TRUE(IpAddress::parse("127.9.9.9")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("::1")->is_loopback());
  EXPECT_TRUE(IpAddress::parse("239.1.1.1")->is_multicast());
  EXPECT_TRUE(IpAddress::parse("ff02::1")->is_multicast());
  EXPECT_TRUE(IpAddress::parse("169.254.169.254")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("fe80::1")->is_link_local());
  EXPECT_TRUE(IpAddress::parse("0.0.0.0")->is_unspecified());
  EXPECT_FALSE(IpAddress::parse("10.0.0.1")->is_loopback());
}

}  // namespace
}  // namespace fedge
