#include "firmware/link/process.h"

#include <gtest/gtest.h>

#include "firmware/link/messages.h"

namespace fedge::link {
namespace {

TEST(ProcessTable, StandsInTheOrderOfItsNumbers) {
  for (int i = 0; i < kProcessCount; ++i) {
    EXPECT_EQ(spec(static_cast<Process>(i)).process, static_cast<Process>(i));
  }
}

TEST(ProcessTable, OnlyInitStaysRoot) {
  for (int i = 1; i < kProcessCount; ++i) EXPECT_NE(spec(static_cast<Process>(i)).uid, 0u);
}

TEST(ProcessTable, LinksEveryoneToInitAndFewToEachOther) {
  for (int i = 1; i < kProcessCount; ++i) {
    EXPECT_TRUE(linked(Process::init, static_cast<Process>(i)));
  }
  EXPECT_TRUE(linked(Process::agent, Process::control));
  EXPECT_TRUE(linked(Process::fastpath, Process::signal));
  EXPECT_TRUE(linked(Process::control, Process::signal));
  EXPECT_FALSE(linked(Process::agent, Process::fastpath));
  EXPECT_TRUE(linked(Process::front, Process::fastpath));
  EXPECT_FALSE(linked(Process::front, Process::control));
}

TEST(ProcessTable, AllowsEachMessageOnItsLinkOnly) {
  EXPECT_TRUE(may_send(Process::control, Process::init, MessageKind::snapshot_offer));
  EXPECT_FALSE(may_send(Process::signal, Process::init, MessageKind::snapshot_offer));
  EXPECT_FALSE(may_send(Process::init, Process::signal, MessageKind::tap_queue));
  EXPECT_FALSE(may_send(Process::fastpath, Process::signal, MessageKind::peer_connected));
  EXPECT_TRUE(may_send(Process::signal, Process::control, MessageKind::failover));
  EXPECT_FALSE(may_send(Process::control, Process::signal, MessageKind::failover));
}

}  // namespace
}  // namespace fedge::link
