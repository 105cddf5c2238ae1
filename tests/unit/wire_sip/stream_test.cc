#include "firmware/wire/sip/stream.h"

#include <gtest/gtest.h>

#include <chrono>

#include "tests/unit/wire_sip/messages.h"

namespace fedge::sip::test {
namespace {

using Kind = Frame::Kind;

// Feeds `stream` in pieces of `step` octets and returns what came out, as a word per frame.
std::string run_in_steps(const std::string& stream, size_t step, StreamFramer framer = {}) {
  std::string words;
  std::string buffer;
  for (size_t at = 0; at < stream.size(); at += step) {
    buffer += stream.substr(at, step);
    for (;;) {
      const Frame frame = framer.next(buffer);
      if (frame.kind == Kind::need_more) break;
      if (frame.kind == Kind::message) words += "message" + std::to_string(frame.size) + " ";
      if (frame.kind == Kind::ping) words += "ping ";
      if (frame.kind == Kind::pong) words += "pong ";
      if (frame.kind == Kind::oversized) words += "oversized ";
      if (frame.kind == Kind::bad) return words + "bad";
      buffer.erase(0, frame.size);
    }
  }
  return words;
}

TEST(R11, CutsSplitAndGluedMessagesAtEveryStep) {
  const std::string one = "message" + std::to_string(kMessage.size()) + " ";
  const std::string stream = kMessage + kMessage + "\r\n" + kMessage;
  for (size_t step = 1; step <= stream.size(); ++step)
    EXPECT_EQ(run_in_steps(stream, step), one + one + one) << step;
}

TEST(R11, AnswersPingsHoweverTheyArrive) {
  const std::string one = "message" + std::to_string(kMessage.size()) + " ";
  const std::string stream = "\r\n\r\n" + kMessage + "\r\n\r\n" + "\r\n\r\n";
  for (size_t step = 1; step <= stream.size(); ++step)
    EXPECT_EQ(run_in_steps(stream, step), "ping " + one + "ping ping ") << step;
}

TEST(R11, TakesALoneCrlfForTheAwaitedPong) {
  StreamFramer framer;
  framer.expect_pong();
  Frame frame = framer.next("\r\n");
  EXPECT_EQ(frame.kind, Kind::pong);
  EXPECT_EQ(frame.size, 2u);
  EXPECT_FALSE(framer.pong_expected());
  frame = framer.next("\r\n");
  EXPECT_EQ(frame.kind, Kind::skip);
}

TEST(R11, SaysHowMuchIsMissing) {
  StreamFramer framer;
  EXPECT_EQ(framer.next("").kind, Kind::need_more);
  EXPECT_FALSE(framer.inside_message());
  const std::string cut = kMessage.substr(0, kMessage.size() - 3);
  const Frame frame = framer.next(cut);
  EXPECT_EQ(frame.kind, Kind::need_more);
  EXPECT_EQ(frame.wanted, 3u);
  EXPECT_TRUE(framer.inside_message());
  EXPECT_EQ(framer.next(kMessage).kind, Kind::message);
  EXPECT_FALSE(framer.inside_message());
}

struct LengthCase {
  const char* line;
  bool sound;
};

TEST(R11, TheLengthIsOneNumber) {
  const LengthCase cases[] = {
      {"Content-Length: 5", true},
      {"l:5", true},
      {"CONTENT-LENGTH \t:  0005  ", true},
      {"Content-Length:\n 5", true},
      {"Content-Length:\n\t\n 5", true},
      {"X-Content-Length: 7\nContent-Length: 5", true},
      {"Language: 7\nContent-Length: 5", true},
      {"X: y", false},
      {"Content-Length: -5", false},
      {"Content-Length: +5", false},
      {"Content-Length: 5 5", false},
      {"Content-Length: 5, 5", false},
      {"Content-Length: 5\n 5", false},
      {"Content-Length: 0x5", false},
      {"Content-Length:", false},
      {"Content-Length:\nl: 5", false},
      {"Content-Length: 5\nContent-Length: 5", false},
      {"Content-Length: 5\nl: 6", false},
      {"Content-Length: 4294967301", false},
  };
  for (const LengthCase& c : cases) {
    const std::string text = with("Content-Length: 5", c.line);
    StreamFramer framer;
    const Frame frame = framer.next(text);
    EXPECT_EQ(frame.kind, c.sound ? Kind::message : Kind::bad) << c.line;
    EXPECT_EQ(frame.defect, c.sound ? Defect::none : Defect::content_length) << c.line;
    // A refusal is answered from the head.
    EXPECT_EQ(frame.size, c.sound ? text.size() : text.size() - 5) << c.line;
    Message m;
    // The framer and the parser never disagree on where a message ends.
    if (c.sound) {
      ASSERT_EQ(parse(text, m), Defect::none) << c.line;
      EXPECT_EQ(m.body, "hello");
    }
  }
}

TEST(R11, RefusesWhatCannotBecomeAMessage) {
  for (const char* noise : {"\x16\x03\x01", " INVITE", "\nINVITE", "\rINVITE", "<x>", "\0x"}) {
    StreamFramer framer;
    const Frame frame = framer.next(std::string_view(noise, 2));
    EXPECT_EQ(frame.kind, Kind::bad) << noise;
    EXPECT_EQ(frame.size, 0u);
  }
  std::string text = kMessage;
  text.replace(text.find("\r\nMax-"), 2, "\n");
  StreamFramer framer;
  EXPECT_EQ(framer.next(text).defect, Defect::header);
}

TEST(R11, HoldsTheLimits) {
  const size_t head = kMessage.size() - 5;
  EXPECT_EQ(StreamFramer({head, kMessage.size()}).next(kMessage).kind, Kind::message);
  const Frame big_head = StreamFramer({head - 1, 4096}).next(kMessage);
  EXPECT_EQ(big_head.kind, Kind::bad);
  EXPECT_EQ(big_head.defect, Defect::too_large);
  EXPECT_EQ(big_head.size, 0u);
  const Frame big_body = StreamFramer({head, kMessage.size() - 1}).next(kMessage);
  EXPECT_EQ(big_body.kind, Kind::oversized);
  EXPECT_EQ(big_body.defect, Defect::too_large);
  EXPECT_EQ(big_body.size, head);
  EXPECT_EQ(status_for(big_body.defect), 513);
  const Frame endless = StreamFramer({head, kMessage.size() - 1, 4}).next(kMessage);
  EXPECT_EQ(endless.kind, Kind::bad) << "longer than is worth reading to its end";
  EXPECT_EQ(endless.size, head);
}

TEST(R10, AStreamGoesOnBehindAnOversizedMessage) {
  std::string large = with("Content-Length: 5", "Content-Length: 500");
  large += std::string(495, 'x');
  const std::string one = "message" + std::to_string(kMessage.size()) + " ";
  const std::string stream = kMessage + large + kMessage + "\r\n\r\n";
  const StreamFramer framer({kMessage.size(), kMessage.size() + 100});
  for (size_t step = 1; step <= stream.size(); ++step)
    EXPECT_EQ(run_in_steps(stream, step, framer), one + "oversized " + one + "ping ") << step;
}

TEST(R11, ASlowSenderCostsNoQuadraticTime) {
  // One octet at a time, ten heads at their limit: quadratic work would be 1.3 G octets.
  std::string head = "INVITE sip:a@b SIP/2.0\r\nX: ";
  head.resize(kMostHead - 1, 'x');
  const auto start = std::chrono::steady_clock::now();
  for (int round = 0; round < 10; ++round) {
    StreamFramer framer;
    for (size_t n = 1; n <= head.size(); ++n)
      ASSERT_EQ(framer.next(std::string_view(head).substr(0, n)).kind, Kind::need_more);
    EXPECT_EQ(framer.next(head + "x").kind, Kind::bad);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
}

}  // namespace
}  // namespace fedge::sip::test
