#include "firmware/wire/ms_turn/stream.h"

#include <gtest/gtest.h>

#include <string>

#include "firmware/wire/ms_turn/writer.h"
#include "firmware/wire/stun/writer.h"

namespace fedge::ms_turn {
namespace {

using namespace std::string_view_literals;

std::string client_hello() {
  std::array<std::byte, 32> random;
  random.fill(std::byte{'r'});
  const auto hello = make_client_hello(random);
  return std::string(as_text(hello));
}

std::string allocate() {
  std::array<std::byte, 64> out;
  return std::string(as_text(Writer(out, Kind::allocate_request, Transaction{}).written()));
}

std::string binding() {
  std::array<std::byte, 64> out;
  return std::string(as_text(stun::Writer(out, stun::Method::binding, stun::Class::request,
                                          stun::make_transaction(std::array<std::byte, 12>{}))
                                 .written()));
}

std::string frame(uint8_t type, std::string_view payload) {
  std::array<std::byte, kFrameHeaderSize> head;
  write_frame_header(head, type, static_cast<uint16_t>(payload.size()));
  return std::string(as_text(head)).append(payload);
}

TEST(M2_MsTurnStream, HellosHaveTheDialectsForm) {
  const std::string hello = client_hello();
  EXPECT_EQ(hello.substr(0, 11), "\x16\3\1\0\x2d\1\0\0\x29\3\1"sv);
  EXPECT_EQ(hello.substr(43), "\0\0\2\0\x18\1\0"sv);
  const std::string_view answer = as_text(kServerHello);
  EXPECT_EQ(answer.substr(0, 11), "\x16\3\1\0\x4e\2\0\0\x46\3\1"sv);
  EXPECT_EQ(answer[43], 32);
  EXPECT_EQ(answer.substr(76), "\0\x18\0\x0e\0\0\0"sv);
  // Lengths inside lengths: record, ServerHello, ServerHelloDone.
  EXPECT_EQ(answer.size(), 5u + 0x4e);
  EXPECT_EQ(0x4e, 4 + 0x46 + 4);
}

TEST(M2_MsTurnStream, IsToldByItsFirstOctetsAndNoSooner) {
  const std::string hello = client_hello();
  for (size_t size = 0; size < hello.size(); ++size)
    EXPECT_EQ(stream_of(as_bytes(hello.substr(0, size))), Stream::need_more) << size;
  EXPECT_EQ(stream_of(as_bytes(hello)), Stream::pseudo_tls);
  EXPECT_EQ(stream_of(as_bytes(hello + "x")), Stream::pseudo_tls);
  EXPECT_EQ(stream_of(as_bytes("\x16\3\1\2\0\1\0\1\xfc\3\3"sv)), Stream::tls);
  EXPECT_EQ(stream_of(as_bytes("\x16\3\3"sv)), Stream::tls);
  // A real client's hello of the same length: other suites.
  std::string other = hello;
  other[47] = 0x2f;
  EXPECT_EQ(stream_of(as_bytes(other)), Stream::tls);
  EXPECT_EQ(stream_of(as_bytes(frame(kControlFrame, allocate()))), Stream::frames);
  EXPECT_EQ(stream_of(as_bytes("\2"sv)), Stream::need_more);
  EXPECT_EQ(stream_of(as_bytes("\2\1"sv)), Stream::other);
  EXPECT_EQ(stream_of(as_bytes(binding())), Stream::turn);
  EXPECT_EQ(stream_of(as_bytes("\x4f"sv)), Stream::turn);
  EXPECT_EQ(stream_of(as_bytes("\x50"sv)), Stream::other);
  EXPECT_EQ(stream_of(as_bytes("\xff"sv)), Stream::other);
}

TEST(M2_MsTurnStream, FramesAreCutWhereverTheyAreSplit) {
  const std::string stream = frame(kControlFrame, allocate()) + frame(kDataFrame, "rdp") +
                             frame(kDataFrame, "") + frame(kControlFrame, "x");
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    std::string buffered;
    std::string seen;
    for (size_t at = 0; at < stream.size(); at += piece) {
      buffered += stream.substr(at, piece);
      for (;;) {
        const Frame f = take_frame(as_bytes(buffered), 2048);
        ASSERT_NE(f.carries, Frame::Carries::bad);
        if (f.carries == Frame::Carries::need_more) {
          EXPECT_GT(f.size, buffered.size());
          break;
        }
        seen += frame(f.carries == Frame::Carries::control ? kControlFrame : kDataFrame,
                      as_text(f.payload));
        buffered.erase(0, f.size);
      }
    }
    EXPECT_EQ(seen, stream);
  }
}

TEST(M2_MsTurnStream, BrokenFramesEndTheStream) {
  for (const auto text : {"\1\0\0\1x"sv, "\4\0\0\1x"sv, "\2\1\0\1x"sv, "\2\0\xff\xff"sv})
    EXPECT_EQ(take_frame(as_bytes(text), 2048).carries, Frame::Carries::bad);
  EXPECT_EQ(take_frame(as_bytes("\2\0\x8\0"sv), 2048).carries, Frame::Carries::need_more);
}

TEST(M2_MsTurnStream, DatagramsOfOnePortAreToldApart) {
  EXPECT_EQ(datagram_of(as_bytes(binding())), Datagram::stun);
  EXPECT_EQ(datagram_of(as_bytes(allocate())), Datagram::ms_turn);
  EXPECT_EQ(datagram_of(as_bytes("\x40\0\0\0"sv)), Datagram::channel);
  EXPECT_EQ(datagram_of(as_bytes("\x7f\xff\0\1x"sv)), Datagram::channel);
  EXPECT_EQ(datagram_of(as_bytes("\xff\x10\0\0"sv)), Datagram::multiplexed);
  std::string classic = binding();
  classic[4] = 'x';
  EXPECT_EQ(datagram_of(as_bytes(classic)), Datagram::classic);
  EXPECT_EQ(datagram_of(as_bytes(classic + "x")), Datagram::other);
  classic[1] = 3;  // an Allocate without any cookie
  EXPECT_EQ(datagram_of(as_bytes(classic)), Datagram::other);
  for (const auto text : {""sv, "\0\1\0"sv, "\x16\xfe\xfd\0"sv, "\x80\0\0\1"sv, "\x3f\0\0\0"sv})
    EXPECT_EQ(datagram_of(as_bytes(text)), Datagram::other);
}

}  // namespace
}  // namespace fedge::ms_turn
