#include "firmware/init/management.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

namespace fedge::init {
namespace {

struct ManagementTest : testing::Test {
  // A port that is free now.
  static Endpoint free_endpoint() {
    const Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_storage at{};
    socklen_t size = Endpoint{*IpAddress::parse("127.0.0.1"), 0}.to_sockaddr(at);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), size), 0);
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&at), &size), 0);
    return Endpoint::from_sockaddr(at);
  }
  static bool connects(const Endpoint& to) {
    const Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_storage at{};
    const socklen_t size = to.to_sockaddr(at);
    return ::connect(fd.get(), reinterpret_cast<sockaddr*>(&at), size) == 0;
  }
  std::vector<Endpoint> told() const {
    std::vector<Endpoint> out;
    sockets.tell_all([&](const Endpoint& e, int) { out.push_back(e); });
    return out;
  }
  ManagementSockets sockets;
};

TEST_F(ManagementTest, OpensWhatIsNewAndClosesWhatIsGone) {
  const Endpoint one = free_endpoint();
  ASSERT_TRUE(sockets.open({{one}}));
  EXPECT_EQ(told(), (std::vector{one}));
  EXPECT_TRUE(connects(one));
  const Endpoint two = free_endpoint();
  ASSERT_TRUE(sockets.open({{one, two}}));
  EXPECT_EQ(told().size(), 2u) << "the first one is left alone";
  Fd with_agent;
  sockets.tell_all([&](const Endpoint& e, int fd) {
    if (e == one) with_agent = Fd(::dup(fd));
  });
  sockets.close_others({{two}});
  EXPECT_FALSE(connects(one)) << "although the agent holds it still";
  EXPECT_TRUE(connects(two));
}

TEST_F(ManagementTest, ATakenPortFailsInWordsAndOpensNothing) {
  ManagementSockets other;
  const Endpoint taken = free_endpoint();
  ASSERT_TRUE(other.open({{taken}}));
  const Endpoint fine = free_endpoint();
  const auto done = sockets.open({{fine, taken}});
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text().find(taken.text()), std::string::npos);
  EXPECT_FALSE(connects(fine));
}

TEST_F(ManagementTest, AnAddressThatIsNotThereYetIsNoError) {
  EXPECT_TRUE(sockets.open({{*Endpoint::parse("192.0.2.77:18443")}}));
}

}  // namespace
}  // namespace fedge::init
