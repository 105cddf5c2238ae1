// DPDK's buffers as the rest of the fast path sees them.
#pragma once

#include <rte_mbuf.h>

#include <type_traits>

#include "dataplane/fastpath/ports.h"
#include "dataplane/media/packet.h"

namespace fedge::fastpath {

inline std::byte* bytes_of(rte_mbuf* frame) { return rte_pktmbuf_mtod(frame, std::byte*); }
inline rte_mbuf* frame_of(const media::Packet& packet) {
  return static_cast<rte_mbuf*>(packet.handle);
}

// Where the buffer's frame lies, and what room is around it.
inline void lay_open(media::Packet& packet) {
  rte_mbuf* const frame = frame_of(packet);
  packet.frame = bytes_of(frame);
  packet.size = rte_pktmbuf_data_len(frame);
  packet.room_before = rte_pktmbuf_headroom(frame);
  packet.room_behind = rte_pktmbuf_tailroom(frame);
}

// The other way round: media has moved the frame's ends.
inline void close_up(const media::Packet& packet) {
  rte_mbuf* const frame = frame_of(packet);
  frame->data_off = static_cast<uint16_t>(packet.frame - static_cast<std::byte*>(frame->buf_addr));
  frame->data_len = packet.size;
  frame->pkt_len = packet.size;
}

// A packet crosses to another worker inside its buffer.
static_assert(sizeof(media::Packet) <= kPrivate);
static_assert(std::is_trivially_copyable_v<media::Packet>);

}  // namespace fedge::fastpath
