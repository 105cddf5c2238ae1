#include "firmware/wire/turn/channel_data.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "firmware/wire/stun/writer.h"

namespace fedge::turn {
namespace {

std::string channel_data(uint16_t channel, uint16_t size, std::string_view data) {
  std::array<std::byte, kChannelHeaderSize> head;
  write_channel_header(head, channel, size);
  return std::string(as_text(head)).append(data);
}

std::string binding_request() {
  std::array<std::byte, 128> out;
  stun::Writer writer(out, stun::Method::binding, stun::Class::request,
                      stun::make_transaction(std::array<std::byte, 12>{}));
  return std::string(as_text(writer.add_text(stun::Type::software, "test").written()));
}

TEST(M1_ChannelData, IsReadWithAndWithoutPadding) {
  for (const size_t size : {0, 1, 2, 3, 4, 160}) {
    const std::string data(size, 'x');
    for (const size_t extra : {size_t{0}, padding_of(size)}) {
      const std::string datagram =
          channel_data(0x4001, static_cast<uint16_t>(size), data + std::string(extra, '\0'));
      ChannelData out;
      ASSERT_EQ(parse_channel_data(as_bytes(datagram), out), Unusable::none);
      EXPECT_EQ(out.channel, 0x4001);
      EXPECT_EQ(as_text(out.data), data);
    }
  }
}

TEST(M1_ChannelData, IsRefusedByReason) {
  ChannelData out;
  const auto reason = [&](const std::string& text) {
    return parse_channel_data(as_bytes(text), out);
  };
  const std::string good = channel_data(0x4000, 4, "abcd");
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_EQ(reason(good.substr(0, size)), size < 4 ? Unusable::header_short : Unusable::length);
  EXPECT_EQ(reason(channel_data(0x7fff, 0, "")), Unusable::none);
  for (const uint16_t channel : {0x0000, 0x3fff, 0x8000, 0xff10, 0xffff})
    EXPECT_EQ(reason(channel_data(channel, 0, "")), Unusable::channel) << channel;
}

// The stream's messages, whatever pieces it comes in.
std::vector<std::string> cut(const std::string& stream, size_t piece, size_t largest = 2048) {
  std::vector<std::string> frames;
  std::string buffered;
  for (size_t at = 0; at < stream.size(); at += piece) {
    buffered += stream.substr(at, piece);
    for (;;) {
      const Frame frame = take_frame(as_bytes(buffered), largest);
      if (frame.kind == Frame::Kind::bad) {
        frames.emplace_back("bad");
        return frames;
      }
      if (frame.kind == Frame::Kind::need_more) {
        EXPECT_GT(frame.size, buffered.size());
        break;
      }
      EXPECT_LE(frame.size, buffered.size());
      frames.emplace_back(frame.kind == Frame::Kind::stun ? as_text(frame.stun)
                                                          : as_text(frame.channel_data.data));
      buffered.erase(0, frame.size);
    }
  }
  return frames;
}

TEST(M1_ChannelData, StreamsAreCutWhereverTheyAreSplit) {
  const std::string request = binding_request();
  const std::string stream = request + channel_data(0x4000, 5, std::string("hello\0\0\0", 8)) +
                             channel_data(0x4001, 0, "") + request +
                             channel_data(0x4fff, 4, "four");
  const std::vector<std::string> expected{request, "hello", "", request, "four"};
  for (size_t piece = 1; piece <= stream.size(); ++piece) EXPECT_EQ(cut(stream, piece), expected);
}

TEST(M1_ChannelData, BrokenStreamsAreNotReadOn) {
  const std::string request = binding_request();
  std::string other_cookie = request;
  other_cookie[5] = 'x';
  std::string odd_length = request;
  odd_length[3] = static_cast<char>(odd_length[3] + 2);
  for (const std::string& stream :
       {other_cookie, odd_length, std::string("GET / HTTP/1.1\r\n\r\n....."),
        std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03..........", 21),
        channel_data(0x8000, 0, ""), channel_data(0xffff, 0, "")}) {
    EXPECT_EQ(cut(stream, stream.size()), std::vector<std::string>{"bad"});
    EXPECT_EQ(cut(request + stream, 1).back(), "bad");
  }
  EXPECT_EQ(cut(channel_data(0x4000, 2045, ""), 4), std::vector<std::string>{"bad"});
  EXPECT_TRUE(cut(channel_data(0x4000, 2044, ""), 4).empty());
  EXPECT_EQ(cut(request, 64, request.size() - 1), std::vector<std::string>{"bad"});
}

}  // namespace
}  // namespace fedge::turn
