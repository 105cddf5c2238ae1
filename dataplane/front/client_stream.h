// What a client's octets are, sans IO: which of the dialects it speaks, told by the first octets,
// and where its messages begin and end. The other way round, how a message is framed for it.
#pragma once

#include <array>
#include <cstdint>

#include "dataplane/media/front_records.h"
#include "firmware/base/bytes.h"

namespace fedge::front {

// What stands first in the octets of a stream that were not taken yet.
struct Piece {
  enum class Kind : uint8_t {
    need_more,
    message,   // `message`; with `is_data` a part of a frame of data ([MS-TURN] 2.1)
    tls,       // nothing is taken: a TLS ClientHello begins here
    hello,     // of pseudo-TLS: answer with ms_turn::kServerHello
    too_long,  // a message that nobody could relay: it is passed over
    bad,       // the stream is broken for good
  };
  Kind kind = Kind::need_more;
  size_t size = 0;  // octets to take off the stream
  Bytes message;
  bool is_data = false;
};

class ClientStream {
 public:
  // A stream inside of TLS has no TLS in it, real or pretended.
  explicit ClientStream(bool inside_tls = false) : inside_tls_(inside_tls) {}

  // Asked again with what is left until it needs more. The views are into `octets`.
  Piece take(Bytes octets);

  // At most so many octets are kept while a message is not complete.
  static constexpr size_t kMostPartial = media::kMostFrontMessage + 4;

  // `message` as this client wants it: octets in front of it and behind it.
  static constexpr size_t kMostBefore = 4;
  struct Framing {
    std::array<std::byte, kMostBefore> before;
    uint8_t before_size = 0;
    uint8_t padding = 0;  // zeros behind
  };
  Framing frame(Bytes message, bool is_data) const;

 private:
  enum class Dialect : uint8_t { unknown, turn, ms_turn };
  Piece recognise(Bytes octets);
  Piece take_turn(Bytes octets);
  Piece take_ms_turn(Bytes octets);

  bool inside_tls_;
  Dialect dialect_ = Dialect::unknown;
  size_t skip_ = 0;  // of a message that is too long
  size_t left_ = 0;  // of a frame of data: where it ends means nothing
};

}  // namespace fedge::front
