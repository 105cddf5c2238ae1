#include "firmware/wire/ip/fragments.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "firmware/wire/ip/too_big.h"
#include "tests/unit/wire_ip/packet_builder.h"

namespace fedge::ip {
namespace {

PacketBuilder datagram(uint16_t flags, size_t size = 3000) {
  return PacketBuilder()
      .ethernet()
      .ipv4("10.0.0.1", "10.0.0.2", kUdp, flags)
      .udp(53, 30000, std::string(size, 'x'));
}

// All pieces, as frames.
std::vector<std::string> cut(const std::string& frame, uint16_t mtu) {
  PacketView view;
  EXPECT_EQ(parse_frame(as_bytes(frame), view), Malformed::none);
  std::vector<std::string> out;
  std::string room(kEthernetSize + mtu, '\0');
  size_t size = 0;
  for (size_t at = 0;;) {
    const size_t taken =
        cut_ipv4(view, mtu, at, {reinterpret_cast<std::byte*>(room.data()), room.size()}, size);
    if (taken == 0) return out;
    at += taken;
    out.push_back(room.substr(0, size));
  }
}

Piece piece_of(const std::string& frame, PacketView& view) {
  EXPECT_EQ(parse_frame(as_bytes(frame), view), Malformed::none);
  EXPECT_NE(view.fragment, Fragment::whole);
  return parse_piece(view);
}

TEST(Fragments, B6_AnIpv6PacketOfOursIsCutWithAFragmentHeader) {
  const std::string payload(3000, 'y');
  const std::string whole = PacketBuilder()
                                .ethernet()
                                .ipv6("2001:db8::1", "2001:db8::2", kUdp)
                                .udp(53, 30000, payload)
                                .finish();
  PacketView view;
  ASSERT_EQ(parse_frame(as_bytes(whole), view), Malformed::none);
  std::string room(kEthernetSize + 1280, '\0');
  const MutableBytes out{reinterpret_cast<std::byte*>(room.data()), room.size()};
  std::string again;
  size_t size = 0;
  Piece first{};
  std::string head;
  while (const size_t taken = cut_ipv6(view, 1280, 77, again.size(), out, size)) {
    EXPECT_LE(size, kEthernetSize + 1280);
    PacketView part;
    const std::string frame = room.substr(0, size);
    const Piece piece = piece_of(frame, part);
    EXPECT_EQ(piece.id, 77u);
    EXPECT_EQ(piece.offset, again.size());
    EXPECT_EQ(piece.last, again.size() + taken == view.transport_size);
    if (again.empty()) {
      first = piece;
      head = frame.substr(0, piece.head_size);
    }
    again += as_text(piece.payload);
  }
  EXPECT_EQ(again, as_text(view.transport()));
  make_head_whole({reinterpret_cast<std::byte*>(head.data()), head.size()}, first, again.size());
  EXPECT_EQ(head + again, whole);
  EXPECT_EQ(cut_ipv6(view, 50, 77, 0, out, size), 0u);
}

TEST(Fragments, B6_ACutPacketIsWholeAgainInOrder) {
  const std::string whole = datagram(0).finish();
  const auto pieces = cut(whole, 1280);
  ASSERT_EQ(pieces.size(), 3u);
  std::string payload;
  PacketView view;
  for (const std::string& frame : pieces) {
    EXPECT_LE(frame.size(), kEthernetSize + 1280);
    const Piece piece = piece_of(frame, view);
    EXPECT_EQ(piece.offset, payload.size());
    EXPECT_EQ(piece.id, 1u);
    EXPECT_EQ(piece.protocol, kUdp);
    EXPECT_EQ(piece.last, &frame == &pieces.back());
    payload += as_text(piece.payload);
  }
  const Piece first = piece_of(pieces[0], view);
  std::string head = pieces[0].substr(0, first.head_size);
  make_head_whole({reinterpret_cast<std::byte*>(head.data()), head.size()}, first, payload.size());
  EXPECT_EQ(head + payload, whole);
}

TEST(Fragments, B6_APieceCanBeCutAgain) {
  PacketView view;
  const auto once = cut(datagram(0).finish(), 1280);
  const auto twice = cut(once[1], 576);
  ASSERT_EQ(twice.size(), 3u);
  const Piece before = piece_of(once[1], view);
  const size_t end = before.offset + before.payload.size();
  EXPECT_EQ(piece_of(twice[0], view).offset, before.offset);
  const Piece last = piece_of(twice[2], view);
  EXPECT_EQ(last.offset + last.payload.size(), end);
  EXPECT_FALSE(last.last);
}

TEST(Fragments, B6_WhatMayNotBeCutIsNot) {
  EXPECT_TRUE(cut(datagram(kIpv4DontFragment).finish(), 1280).empty());
  EXPECT_TRUE(cut(datagram(0).finish(), 27).empty());
  EXPECT_TRUE(cut(PacketBuilder()
                      .ethernet()
                      .ipv4("10.0.0.1", "10.0.0.2", kUdp, 0, std::string(4, '\1'))
                      .udp(53, 30000)
                      .finish(),
                  1280)
                  .empty());
  EXPECT_TRUE(
      cut(PacketBuilder().ethernet().ipv6("fd00::1", "fd00::2", kUdp).udp(53, 30000).finish(), 1280)
          .empty());
}

TEST(Fragments, B6_APieceOfIpv6StandsBehindWhatIsNotCut) {
  std::string rest(6, '\0');
  store_be16(&rest[0], 64 | 1);
  store_be32(&rest[2], 0x12345678);
  const std::string frame = PacketBuilder()
                                .ethernet()
                                .vlan(7)
                                .ipv6("fd00::1", "fd00::2", kHopByHop)
                                .extension(kFragmentHeader)
                                .extension(kUdp, rest)
                                .raw("12345678")
                                .finish_network();
  PacketView view;
  const Piece piece = piece_of(frame, view);
  EXPECT_EQ(piece.offset, 64u);
  EXPECT_EQ(piece.id, 0x12345678u);
  EXPECT_FALSE(piece.last);
  EXPECT_EQ(piece.protocol, kUdp);
  EXPECT_EQ(piece.head_size, kEthernetSize + kVlanSize + kIpv6Size + 8);
  EXPECT_EQ(as_text(piece.payload), "12345678");
  std::string head = frame.substr(0, piece.head_size);
  make_head_whole({reinterpret_cast<std::byte*>(head.data()), head.size()}, piece, 8);
  head += std::string("\0\1\0\2\0\x8\1\1", 8);
  EXPECT_EQ(parse_frame(as_bytes(head), view), Malformed::none);
  EXPECT_EQ(view.fragment, Fragment::whole);
  EXPECT_EQ(view.protocol, kUdp);
  EXPECT_EQ(view.destination_port, 2);
}

TEST(TooBig, B6_TellsTheSenderInItsOwnFamily) {
  const auto answer = [](const PacketBuilder& sent, PacketView& view) {
    static std::string out;
    const std::string frame = sent.finish();
    PacketView packet;
    EXPECT_EQ(parse_frame(as_bytes(frame), packet), Malformed::none);
    out.assign(kMostTooBig, '\0');
    const size_t size =
        make_too_big(packet, 1300, {reinterpret_cast<std::byte*>(out.data()), out.size()});
    out.resize(size);
    EXPECT_EQ(parse_frame(as_bytes(out), view), Malformed::none);
    EXPECT_EQ(view.destination.text(), packet.source.text());
    EXPECT_EQ(view.destination_mac, packet.source_mac);
    Quoted quoted;
    EXPECT_TRUE(parse_quoted(view, quoted));
    EXPECT_EQ(quoted.source.text(), packet.source.text());
    EXPECT_EQ(quoted.source_port, 5061);
  };
  const std::string body(1400, 'x');
  PacketView view;
  answer(
      PacketBuilder().ethernet().ipv4("10.0.0.1", "10.0.0.2", kTcp).tcp(5061, 40000, 16).raw(body),
      view);
  EXPECT_EQ(view.icmp_type, kIcmpUnreachable);
  EXPECT_EQ(view.icmp_code, 4);
  EXPECT_EQ(load_be16(&view.transport()[6]), 1300);
  EXPECT_TRUE(checksum_is_right(view.transport()));
  answer(PacketBuilder().ethernet().ipv6("fd00::1", "fd00::2", kTcp).tcp(5061, 40000, 16).raw(body),
         view);
  EXPECT_EQ(view.icmp_type, kIcmp6TooBig);
  EXPECT_EQ(load_be32(&view.transport()[4]), 1300u);
  std::string icmp(as_text(view.transport()));
  const uint16_t sum = load_be16(&icmp[2]);
  store_be16(&icmp[2], 0);
  EXPECT_EQ(transport_checksum(view.source, view.destination, kIcmp6, as_bytes(icmp)), sum);
}

}  // namespace
}  // namespace fedge::ip
