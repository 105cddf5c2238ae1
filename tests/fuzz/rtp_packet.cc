// Any octets as RTP and RTCP, and a stream of RTP headers made of them: views stay inside, counts
// stay what they can be.
#include <cstdint>
#include <cstdlib>

#include "firmware/wire/rtp/reception.h"

using namespace fedge;
using namespace fedge::rtp;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_in(Bytes part, Bytes whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_rtp(Bytes bytes, Protection protection) {
  Packet packet;
  const Malformed reason = parse_rtp(bytes, protection, packet);
  require(!text(reason).empty());
  if (reason != Malformed::none) return;
  require(lies_in(packet.payload, bytes));
  require(packet.payload.size() + kHeaderSize + 4 * packet.contributors <= bytes.size());
}

void check_rtcp(Bytes bytes) {
  (void)parse_rtcp(bytes, Protection::srtp);
  if (parse_rtcp(bytes, Protection::none) != Malformed::none) return;
  require(is_rtcp(bytes));
  Bytes rest = bytes;
  RtcpPacket packet;
  while (take_rtcp(rest, packet)) {
    require(lies_in(packet.body, bytes));
    const bool is_report = packet.type == 200 || packet.type == 201;
    for (unsigned i = 0; i < packet.count; ++i)
      require(read_report(packet, i).has_value() == is_report);
    require(!read_report(packet, packet.count));
  }
  require(rest.empty());
}

// Every eight octets a packet: sequence, how late, timestamp.
void check_reception(Bytes bytes) {
  Reception reception;
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    Packet packet;
    packet.sequence = load_be16(bytes.data());
    packet.ssrc = std::to_integer<uint32_t>(bytes[2]) >> 7;
    packet.timestamp = load_be32(&bytes[4]);
    const uint32_t received = reception.received;
    const bool counts = reception.on_packet(packet, load_be16(&bytes[2]), 90000);
    require(!counts || reception.received == received + 1 || reception.received == 1);
    require(reception.jitter() <= 90000 * 60);
    require(reception.received == 0 || reception.expected() >= 1);
  }
  const uint16_t mos = estimate_mos(static_cast<uint32_t>(reception.lost()), reception.jitter(),
                                    reception.expected());
  require(mos >= 100 && mos <= 450);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes bytes{reinterpret_cast<const std::byte*>(data), size};
  check_rtp(bytes, Protection::none);
  check_rtp(bytes, Protection::srtp);
  check_rtcp(bytes);
  check_reception(bytes);
  return 0;
}
