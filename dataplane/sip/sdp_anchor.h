// SDP on its way through an anchored call (M4): whoever reads it sends media to our ports, and the
// fast path learns where its sender wants them. Offers and answers are treated alike, so nothing
// has to be remembered between them (RFC 3264, 3605, 5761, 8839).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "dataplane/sip/anchor.h"
#include "firmware/net/address.h"
#include "firmware/snapshot/sections.h"
#include "firmware/wire/sdp/description.h"
#include "firmware/wire/sdp/editor.h"
#include "firmware/wire/sip/writer.h"

namespace fedge::sip {

// What the reader of the SDP is to see.
struct AnchorFace {
  IpAddress address;        // ours, on the reader's side
  uint16_t first_port = 0;  // of stream 0
  uint8_t streams = 0;      // m= lines behind these are refused: port 0
  snapshot::IceHandling ice = snapshot::IceHandling::strip;
};

// Where the sender wants one stream; family 0: on hold (RFC 3264 8.4), or a host name, which
// nobody looks up here.
struct StreamRemote {
  uint8_t stream = 0;
  bool muxed = false;   // RTCP on the same port
  bool held = false;    // not sendrecv, or 0.0.0.0
  bool closed = false;  // port 0
  Endpoint rtp{};
  Endpoint rtcp{};
};

enum class SdpOutcome : uint8_t {
  none,  // no SDP in it, or nothing to change
  rewritten,
  malformed,  // it must not pass: media would go round us
};

// Large (some 150 kB): one a worker.
class SdpAnchor {
 public:
  // Edits `message`, whose body is SDP, or multipart with SDP in it (RFC 5621: each part
  // describes the same media). What is edited lives in this object until the next call.
  SdpOutcome rewrite(const Message& message, const AnchorFace& face, Editor& editor);
  // Of the last call, by stream.
  std::span<const StreamRemote> remotes() const { return {remotes_.data(), remote_count_}; }

  // m= lines of the SDP in `message`, or of the richest part; 0 without SDP.
  static size_t count_streams(const Message& message, sdp::Description& room);
  sdp::Description& room() { return description_; }

 private:
  static constexpr size_t kRoom = 2 * 65536;
  SdpOutcome rewrite_part(std::string_view text, const AnchorFace& face, Editor& editor);
  void rewrite_media(const sdp::Media& media, size_t index, const AnchorFace& face,
                     sdp::Editor& editor);
  void note(const sdp::Media& media, size_t index);

  sdp::Description description_;
  std::array<char, kRoom> texts_;
  size_t used_ = 0;
  std::array<char, 12> length_;
  std::array<StreamRemote, kMostStreams> remotes_;
  size_t remote_count_ = 0;
};

// The SDP parts of a body: takes the next one. False when there is none left. `at` begins at 0.
bool take_sdp(const Message& message, size_t& at, std::string_view& part);

}  // namespace fedge::sip
