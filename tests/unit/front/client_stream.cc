#include "dataplane/front/client_stream.h"

#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/front/messages.h"

namespace fedge::front {
namespace {

// What a client is heard to say when its octets come in pieces of `step`.
struct Heard {
  explicit Heard(const std::string& octets, size_t step, bool inside_tls = false)
      : stream(inside_tls) {
    std::string rest;
    for (size_t at = 0; at < octets.size() && !bad && !tls; at += step) {
      rest += octets.substr(at, step);
      rest.erase(0, take(rest));
      EXPECT_LE(rest.size(), ClientStream::kMostPartial);
    }
    left = rest.size();
  }
  size_t take(std::string_view octets) {
    size_t taken = 0;
    for (;;) {
      const Piece piece = stream.take(as_bytes(octets.substr(taken)));
      taken += piece.size;
      switch (piece.kind) {
        case Piece::Kind::message:
          // Of data it means nothing where a piece ends.
          if (piece.is_data && !messages.empty() && messages.back().starts_with("data:")) {
            messages.back() += as_text(piece.message);
          } else {
            messages.emplace_back((piece.is_data ? "data:" : "") +
                                  std::string(as_text(piece.message)));
          }
          break;
        case Piece::Kind::hello:
          ++hellos;
          break;
        case Piece::Kind::too_long:
          ++too_long;
          break;
        case Piece::Kind::tls:
          tls = true;
          return taken;
        case Piece::Kind::bad:
          bad = true;
          return taken;
        case Piece::Kind::need_more:
          if (piece.size == 0) return taken;
      }
    }
  }
  ClientStream stream;
  std::vector<std::string> messages;
  size_t left = 0;
  int hellos = 0, too_long = 0;
  bool bad = false, tls = false;
};

using Texts = std::vector<std::string>;

TEST(ClientStream, M2_CutsTurnWhereverItIsSplit) {
  const std::string octets = stun_message(8) + channel_data("abcde", true) +
                             channel_data("", true) + stun_message() + channel_data("xyz", true);
  const Texts expected{stun_message(8), channel_data("abcde", false), channel_data("", false),
                       stun_message(), channel_data("xyz", false)};
  for (size_t step = 1; step <= octets.size(); ++step) {
    const Heard heard(octets, step);
    EXPECT_EQ(heard.messages, expected) << step;
    EXPECT_EQ(heard.left, 0u);
    EXPECT_FALSE(heard.bad);
  }
}

TEST(ClientStream, M3_CutsMsTurnWithAndWithoutHello) {
  const std::string frames = ms_frame(2, "control") + ms_frame(3, "") + ms_frame(3, "the data");
  const Texts expected{"control", "data:the data"};
  for (size_t step = 1; step <= frames.size(); ++step) {
    const Heard bare(frames, step);
    EXPECT_EQ(bare.messages, expected) << step;
    EXPECT_EQ(bare.hellos, 0);
    const Heard behind_hello(ms_hello() + frames, step);
    EXPECT_EQ(behind_hello.messages, expected) << step;
    EXPECT_EQ(behind_hello.hellos, 1);
    EXPECT_EQ(behind_hello.left, 0u);
  }
}

TEST(ClientStream, M2_TellsTlsFromPretendedTls) {
  std::string real = ms_hello();
  real[3] = 1;  // a record of 300 octets
  EXPECT_TRUE(Heard(real, 1).tls);
  EXPECT_TRUE(Heard(real, 50).tls);
  EXPECT_TRUE(Heard(real, 50, true).bad) << "TLS in TLS";
  EXPECT_TRUE(Heard(ms_hello(), 50, true).bad);
  EXPECT_EQ(Heard(stun_message(), 50, true).messages, Texts{stun_message()});
  EXPECT_EQ(Heard(ms_frame(2, "c"), 50, true).messages, Texts{"c"});
}

TEST(ClientStream, M2_EndsWhereNoMessageCanBegin) {
  EXPECT_TRUE(Heard("GET / HTTP/1.1\r\n\r\n", 3).bad);
  EXPECT_TRUE(Heard("SSH-2.0-x\r\n", 3).bad);
  EXPECT_TRUE(Heard(channel_data("abc", true), 1).bad) << "no channel is bound yet";
  EXPECT_TRUE(Heard(stun_message() + std::string(20, '\x90'), 1).bad) << "later as well";
  EXPECT_TRUE(Heard(stun_message() + ms_frame(2, "c") + stun_message(), 1).bad) << "no mixing";
  EXPECT_TRUE(Heard(ms_frame(2, "c") + stun_message(), 1).bad);
  std::string no_cookie = stun_message();
  no_cookie[4] = 'x';
  EXPECT_TRUE(Heard(no_cookie, 1).bad);
}

// Nobody could relay them; what comes behind is heard.
TEST(ClientStream, M2_PassesOverWhatIsTooLong) {
  const std::string large(20000, 'x');
  for (const size_t step : {1ul, 1000ul, 9217ul, 65536ul}) {
    const Heard turn(stun_message() + channel_data(large, true) + stun_message(60000, 'm') +
                         channel_data("ok", true),
                     step);
    EXPECT_EQ(turn.messages, (Texts{stun_message(), channel_data("ok", false)})) << step;
    EXPECT_EQ(turn.too_long, 2) << step;
    const Heard ms(ms_frame(2, "c") + ms_frame(2, large) + ms_frame(2, "d"), step);
    EXPECT_EQ(ms.messages, (Texts{"c", "d"})) << step;
    const Heard data(ms_frame(2, "c") + ms_frame(3, large) + ms_frame(2, "d"), step);
    EXPECT_EQ(data.messages, (Texts{"c", "data:" + large, "d"})) << step;
    EXPECT_EQ(ms.too_long, 1) << step;
  }
  const std::string longest(media::kMostFrontMessage - 4, 'y');
  EXPECT_EQ(Heard(stun_message() + channel_data(longest, true), 100).messages.size(), 2u);
}

TEST(ClientStream, M2_FramesAnswersAsTheClientSpeaks) {
  const auto framed = [](const ClientStream& stream, const std::string& message, bool is_data) {
    const auto framing = stream.frame(as_bytes(message), is_data);
    return std::string(as_text(Bytes(framing.before).first(framing.before_size))) + message +
           std::string(framing.padding, '\0');
  };
  const Heard turn(stun_message(), 100);
  EXPECT_EQ(framed(turn.stream, stun_message(4), false), stun_message(4));
  EXPECT_EQ(framed(turn.stream, channel_data("abcde", false), false), channel_data("abcde", true));
  const Heard ms(ms_hello() + ms_frame(2, "c"), 100);
  EXPECT_EQ(framed(ms.stream, "answer", false), ms_frame(2, "answer"));
  EXPECT_EQ(framed(ms.stream, "peer", true), ms_frame(3, "peer"));
}

}  // namespace
}  // namespace fedge::front
