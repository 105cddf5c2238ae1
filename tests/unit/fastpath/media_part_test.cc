// A worker's media and its ring to front, without ports.
#include "dataplane/fastpath/media_part.h"

#include <gtest/gtest.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include <string>

namespace fedge::fastpath {
namespace {

using media::FrontKind;

struct WithFront : testing::Test {
  media::Quotas quotas{1};
  OpenPorts ports;
  Mirror mirror{0, [](uint16_t, const IpAddress&) { return false; }};
  Fd event{::eventfd(0, EFD_CLOEXEC)};
  Fd memory{::memfd_create("media-part", MFD_CLOEXEC)};
  std::unique_ptr<MediaPart> part;
  std::unique_ptr<media::FrontRing> front;
  std::array<std::byte, pki::Cmac::kKeySize> nonce_key{};
  Instant now = Instant{} + 1h;
  std::array<std::byte, media::kMostFrontMessage> room{};

  void SetUp() override {
    auto opened = MediaPart::open(memory, 0, {1, quotas, ports, mirror, event.get(), nonce_key});
    ASSERT_TRUE(opened) << opened.error().text();
    part = std::move(*opened);
    begin_front();
  }
  void begin_front() {
    auto ring = media::FrontRing::make(0);
    ASSERT_TRUE(ring) << ring.error().text();
    front = std::make_unique<media::FrontRing>(std::move(*ring));
    const auto fds = front->fds();
    auto end = media::FrontRing::attach(Fd(::dup(fds[0])), Fd(::dup(fds[1])), Fd(::dup(fds[2])));
    ASSERT_TRUE(end) << end.error().text();
    part->post(std::move(*end));
    pass();
  }
  media::TcpRelay& relay() { return *part; }
  void pass() { part->begin_round(now += 10ms); }
  // Until not even the smallest record has room.
  void fill() {
    for (const size_t size : {media::kMostFrontMessage, size_t{200}, size_t{1}}) {
      while (relay().send(1, Bytes(room).first(size))) {
      }
    }
  }
  // The first that is no reply.
  std::optional<media::FrontRecord> next() {
    media::FrontRecord record;
    while (front->in().pop(record, room)) {
      if (record.kind != FrontKind::reply) return record;
    }
    return std::nullopt;
  }
};

TEST_F(WithFront, M9_AFullRingLosesNoEndOfAnAllocation) {
  media::TcpListen port;
  port.address = media::Address::of(*IpAddress::parse("192.0.2.1"));
  port.port = 50000;
  fill();
  EXPECT_TRUE(relay().unlisten({7}));
  EXPECT_TRUE(relay().drop({8, 0}));
  // The port may be that one's still.
  EXPECT_FALSE(relay().listen(port));
  pass();
  EXPECT_FALSE(next()) << "there was no room";
  EXPECT_FALSE(relay().listen(port)) << "there is room, but the end comes first";
  pass();
  const auto end = next();
  ASSERT_TRUE(end && end->kind == FrontKind::tcp_unlisten);
  EXPECT_EQ(end->as<media::TcpUnlisten>().allocation, 7u);
  const auto drop = next();
  ASSERT_TRUE(drop && drop->kind == FrontKind::tcp_drop);
  EXPECT_EQ(drop->as<media::TcpDrop>().peer, 8u);
  EXPECT_TRUE(relay().listen(port));
  EXPECT_EQ(next()->kind, FrontKind::tcp_listen);
}

TEST_F(WithFront, M9_FrontIsHeardWhenThereIsRoomForAnswers) {
  ASSERT_TRUE(front->out().push(media::FrontAllAlive{}));
  fill();
  media::Packet packet;
  packet.frame = room.data();
  packet.room_behind = static_cast<uint16_t>(room.size());
  EXPECT_FALSE(part->read_front(packet, now));
  EXPECT_FALSE(part->front_may_sleep()) << "it was not read";
  EXPECT_FALSE(next());
  EXPECT_FALSE(part->read_front(packet, now)) << "no message";
  EXPECT_TRUE(part->front_may_sleep());
}

TEST_F(WithFront, M9_ANewRingHasNothingOfTheOld) {
  fill();
  EXPECT_TRUE(relay().unlisten({7}));
  begin_front();
  pass();
  EXPECT_FALSE(next());
}

TEST(OpenPorts, M9_AreThoseThatSomebodyHas) {
  OpenPorts ports;
  const auto address = media::Address::of(*IpAddress::parse("192.0.2.1"));
  EXPECT_FALSE(ports.has(address, 50000));
  ports.add(address, 50000);
  ports.add(address, 50000);
  EXPECT_TRUE(ports.has(address, 50000));
  EXPECT_FALSE(ports.has(address, 50001));
  ports.remove(address, 50000);
  EXPECT_TRUE(ports.has(address, 50000)) << "the next one has it";
  ports.remove(address, 50000);
  EXPECT_FALSE(ports.has(address, 50000));
}

}  // namespace
}  // namespace fedge::fastpath
