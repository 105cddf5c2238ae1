// Fragments: where a piece belongs, how the head of the whole is made from the first piece's, and
// an IPv4 packet cut into pieces (RFC 791 section 3.2, RFC 8200 section 4.5).
#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/wire/ip/packet.h"

namespace fedge::ip {

struct Piece {
  uint32_t id = 0;
  size_t offset = 0;          // of the payload in the whole one, octets
  bool last = false;          // no more behind it
  uint8_t protocol = 0;       // of the fragmented part: what the key and the whole's head name
  size_t head_size = 0;       // Ethernet, IP and, of IPv6, what stands before the fragment header
  size_t next_header_at = 0;  // IPv6: the octet of the head that names the fragment header
  Bytes payload;
};

// `view.fragment` is not whole.
Piece parse_piece(const PacketView& view);

// `head`: the first piece's, head_size octets. Makes it that of one packet with `size` octets
// behind it, which fit (65535 in all).
void make_head_whole(MutableBytes head, const Piece& first, size_t size);

// Writes the piece of `whole` whose payload begins at `offset` (a multiple of eight) as a frame
// of its own. `out` has room for an Ethernet header and `mtu` octets. Returns the octets of
// payload that went into it, and the frame's size in `frame_size`; 0 when it cannot be cut: not
// IPv4, marked "do not fragment", with options, or the MTU is too small.
size_t cut_ipv4(const PacketView& whole, uint16_t mtu, size_t offset, MutableBytes out,
                size_t& frame_size);

// The same of an IPv6 packet that we are the source of (RFC 8200 section 4.5), without extension
// headers. `id`: another one for each packet.
size_t cut_ipv6(const PacketView& whole, uint16_t mtu, uint32_t id, size_t offset, MutableBytes out,
                size_t& frame_size);

}  // namespace fedge::ip
