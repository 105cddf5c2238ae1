#include "dataplane/front/patience.h"

#include <gtest/gtest.h>

#include "dataplane/front/outbox.h"

namespace fedge::front {
namespace {

using End = Patience::End;
constexpr Waits kWaits{.first = 5s, .partial = 10s, .idle = 3600s};
constexpr Instant kStart{1000s};

TEST(Patience, M2_EndsWithWhoSaysNothing) {
  Patience patience(kStart);
  patience.on_rest(true, kStart + 1s);  // a beginning is no message
  EXPECT_EQ(patience.due(kWaits), kStart + 5s);
  EXPECT_EQ(patience.judge(kWaits, kStart + 4999ms), End::none);
  EXPECT_EQ(patience.judge(kWaits, kStart + 5s), End::silent);
  patience.on_open(kStart + 4s);  // the handshake took its time
  EXPECT_EQ(patience.judge(kWaits, kStart + 8s), End::none);
  EXPECT_EQ(patience.judge(kWaits, kStart + 9s), End::silent);
}

TEST(Patience, M2_EndsAMessageThatDoesNotEnd) {
  Patience patience(kStart);
  patience.on_message(kStart + 1s);
  patience.on_rest(true, kStart + 2s);
  patience.on_rest(true, kStart + 9s);  // more of it, and still not all
  EXPECT_EQ(patience.judge(kWaits, kStart + 11999ms), End::none);
  EXPECT_EQ(patience.judge(kWaits, kStart + 12s), End::partial);
  patience.on_rest(false, kStart + 12s);
  EXPECT_EQ(patience.judge(kWaits, kStart + 12s), End::none);
}

TEST(Patience, M2_EndsWithWhoFallsSilent) {
  Patience patience(kStart);
  patience.on_message(kStart);
  patience.on_message(kStart + 600s);
  EXPECT_EQ(patience.judge(kWaits, kStart + 4199s), End::none);
  EXPECT_EQ(patience.due(kWaits), kStart + 4200s);
  EXPECT_EQ(patience.judge(kWaits, kStart + 4200s), End::idle);
}

TEST(Outbox, M2_GivesMemoryBack) {
  Outbox out;
  const std::string text(100000, 'x');
  out.append(as_bytes(text));
  out.append(as_bytes("end"));
  out.consume(99999);
  EXPECT_EQ(as_text(out.waiting()), "xend");
  out.consume(1);
  out.append(as_bytes("!"));
  EXPECT_EQ(as_text(out.waiting()), "end!");
  out.consume(4);
  EXPECT_TRUE(out.empty());
  EXPECT_EQ(out.size(), 0u);
}

}  // namespace
}  // namespace fedge::front
