#include "dataplane/admission/reassembly.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace fedge::admission {

namespace {

// What is wrong with a fragment whatever else comes.
std::optional<Refusal> refuse(const ip::Piece& piece) {
  const size_t end = piece.offset + piece.payload.size();
  if (end > Reassembly::kMostPayload || piece.head_size > Reassembly::kMostHead) {
    return Refusal::fragment_size;
  }
  // The first one carries the whole transport header (RFC 1858, RFC 7112).
  const size_t header = piece.protocol == ip::kTcp ? ip::kTcpSize : ip::kUdpSize;
  const size_t least = piece.offset == 0 ? header : 1;
  if (piece.payload.size() < least) return Refusal::fragment_tiny;
  return std::nullopt;
}

}  // namespace

Reassembly::Reassembly(OnLost on_lost) : on_lost_(std::move(on_lost)), packets_(kMost) {
  for (Packet& packet : packets_) {
    packet.bytes = std::make_unique<std::byte[]>(kMostHead + kMostPayload);
  }
}

MutableBytes Reassembly::add(uint16_t realm, PeerClass sender, const ip::PacketView& view,
                             Instant now) {
  expire(now);
  const ip::Piece piece = ip::parse_piece(view);
  Packet* packet = find(realm, view, piece);
  if (packet != nullptr && packet->pieces == 0) {
    on_lost_(realm, packet->lost, 1);
    return {};
  }
  if (const auto why = refuse(piece)) {
    on_lost_(realm, *why, 1);
    if (packet != nullptr) lose(*packet, *why);
    return {};
  }
  if (packet == nullptr) packet = &begin(realm, sender == PeerClass::stranger, view, piece, now);
  if (++packet->pieces > kMostPieces) {
    lose(*packet, Refusal::fragment_many);
    return {};
  }
  switch (fit(*packet, piece)) {
    case Fit::fits:
      store(*packet, view, piece);
      break;
    case Fit::doubled:
      return {};
    case Fit::overlaps:
      lose(*packet, Refusal::fragment_overlap);
      return {};
  }
  // Without an overlap, nothing is missing when the sizes add up.
  return packet->ends && packet->received == packet->reach ? finish(*packet) : MutableBytes{};
}

Reassembly::Fit Reassembly::fit(const Packet& packet, const ip::Piece& piece) {
  const size_t end = piece.offset + piece.payload.size();
  const bool beyond = packet.ends ? end > packet.reach || (piece.last && end != packet.reach)
                                  : piece.last && end < packet.reach;
  if (beyond) return Fit::overlaps;
  size_t taken = 0;
  for (size_t unit = piece.offset / kUnit; unit * kUnit < end; ++unit) {
    taken += packet.there[unit] ? 1 : 0;
  }
  if (taken == 0) return Fit::fits;
  // What the network doubled is no overlap (RFC 8200 section 4.5).
  const Bytes there(&packet.bytes[kMostHead + piece.offset], piece.payload.size());
  const bool all = taken == (piece.payload.size() + kUnit - 1) / kUnit;
  return all && std::ranges::equal(piece.payload, there) ? Fit::doubled : Fit::overlaps;
}

MutableBytes Reassembly::finish(Packet& packet) {
  packet.used = false;
  --held_;
  const size_t head = packet.first.head_size;
  std::byte* const frame = &packet.bytes[kMostHead - head];
  ip::make_head_whole({frame, head}, packet.first, packet.received);
  return {frame, head + packet.received};
}

void Reassembly::store(Packet& packet, const ip::PacketView& view, const ip::Piece& piece) {
  const size_t end = piece.offset + piece.payload.size();
  std::ranges::copy(piece.payload, &packet.bytes[kMostHead + piece.offset]);
  for (size_t unit = piece.offset / kUnit; unit * kUnit < end; ++unit) packet.there.set(unit);
  packet.received += piece.payload.size();
  packet.reach = std::max(packet.reach, end);
  packet.ends = packet.ends || piece.last;
  if (piece.offset != 0) return;
  packet.first = piece;
  packet.first.payload = {};
  std::ranges::copy(view.frame.first(piece.head_size), &packet.bytes[kMostHead - piece.head_size]);
}

void Reassembly::give_up(Instant now) {
  next_expiry_ = never;
  for (Packet& packet : packets_) {
    if (!packet.used) continue;
    if (now - packet.begun >= kPatience) {
      release(packet, Refusal::fragment_timeout);
    } else {
      next_expiry_ = std::min(next_expiry_, packet.begun + kPatience);
    }
  }
}

void Reassembly::clear() {
  for (Packet& packet : packets_) packet.used = false;
  held_ = 0;
  next_expiry_ = never;
}

Reassembly::Packet* Reassembly::find(uint16_t realm, const ip::PacketView& view,
                                     const ip::Piece& piece) {
  // Of IPv6 the protocol is the first fragment's alone (RFC 8200 section 4.5).
  const bool v4 = view.network == ip::Network::ipv4;
  const auto found = std::ranges::find_if(packets_, [&](const Packet& packet) {
    return packet.used && packet.id == piece.id && packet.realm == realm &&
           packet.source == view.source && packet.destination == view.destination &&
           (!v4 || packet.protocol == piece.protocol);
  });
  return found == packets_.end() ? nullptr : &*found;
}

Reassembly::Packet& Reassembly::begin(uint16_t realm, bool stranger, const ip::PacketView& view,
                                      const ip::Piece& piece, Instant now) {
  Packet& packet = make_room(realm, stranger, view.source);
  packet.used = true;
  packet.stranger = stranger;
  packet.realm = realm;
  packet.source = view.source;
  packet.destination = view.destination;
  packet.id = piece.id;
  packet.protocol = piece.protocol;
  packet.pieces = 0;
  packet.begun = now;
  packet.first = {};
  packet.received = packet.reach = 0;
  packet.ends = false;
  packet.there.reset();
  ++held_;
  next_expiry_ = std::min(next_expiry_, now + kPatience);
  return packet;
}

// The oldest gives way: of its source, of the strangers, or of all when the known fill the rest.
Reassembly::Packet& Reassembly::make_room(uint16_t realm, bool stranger, const IpAddress& source) {
  struct Group {
    size_t count = 0;
    Packet* oldest = nullptr;
    void take(Packet& packet) {
      ++count;
      if (oldest == nullptr || packet.begun < oldest->begun) oldest = &packet;
    }
  };
  Group of_source, strangers, all;
  Packet* free = nullptr;
  for (Packet& packet : packets_) {
    if (!packet.used) {
      free = &packet;
      continue;
    }
    all.take(packet);
    if (packet.stranger) strangers.take(packet);
    if (packet.realm == realm && packet.source == source) of_source.take(packet);
  }
  Packet* victim = nullptr;
  if (of_source.count >= kMostOfSource) {
    victim = of_source.oldest;
  } else if (stranger && strangers.count >= kMostOfStrangers) {
    victim = strangers.oldest;
  } else if (free == nullptr) {
    victim = strangers.count != 0 ? strangers.oldest : all.oldest;
  }
  if (victim == nullptr) return *free;
  release(*victim, Refusal::fragment_crowded);
  return *victim;
}

void Reassembly::release(Packet& packet, Refusal why) {
  if (packet.pieces != 0) on_lost_(packet.realm, why, packet.pieces);
  packet.used = false;
  --held_;
}

// Its place stays taken, so that what still comes of it is refused too.
void Reassembly::lose(Packet& packet, Refusal why) {
  on_lost_(packet.realm, why, packet.pieces);
  packet.lost = why;
  packet.pieces = 0;
}

}  // namespace fedge::admission
