// Fragments addressed to us, held until their packet is whole (RFC 791 3.2, RFC 8200 4.5). Memory
// is fixed; a sender has its share of it, and strangers together have theirs. Overlaps lose the
// whole packet (RFC 5722). Nothing here is on the path of a packet that came whole.
#pragma once

#include <bitset>
#include <functional>
#include <memory>
#include <vector>

#include "dataplane/admission/verdict.h"
#include "firmware/base/bytes.h"
#include "firmware/base/time.h"
#include "firmware/wire/ip/fragments.h"

namespace fedge::admission {

class Reassembly {
 public:
  static constexpr size_t kMost = 64;  // packets in parts
  static constexpr size_t kMostOfStrangers = 48;
  static constexpr size_t kMostOfSource = 4;
  static constexpr unsigned kMostPieces = 16;   // of one packet
  static constexpr size_t kMostPayload = 9216;  // of one packet, a multiple of eight
  static constexpr size_t kMostHead = 128;      // Ethernet to the last header before the payload
  static constexpr Duration kPatience = 10s;    // since its first fragment came

  // `on_lost`: so many fragments of a realm will not become a packet.
  using OnLost = std::function<void(uint16_t realm, Refusal why, unsigned fragments)>;
  explicit Reassembly(OnLost on_lost);

  // A frame that was judged Class::fragment in `realm`. Returns the whole packet's frame, tag
  // included, until the next call; empty while something is missing, or is lost.
  MutableBytes add(uint16_t realm, PeerClass sender, const ip::PacketView& view, Instant now);
  // Gives up what waits for too long. Costs nothing until then.
  void expire(Instant now) {
    if (now >= next_expiry_) give_up(now);
  }
  bool empty() const { return held_ == 0; }
  // Realms have new places: forgets all.
  void clear();

 private:
  static constexpr size_t kUnit = 8;

  struct Packet {
    bool used = false;
    bool stranger = false;
    Refusal lost{};  // why its fragments are refused; meant when `pieces` is zero
    uint16_t realm = 0;
    IpAddress source, destination;
    uint32_t id = 0;
    uint8_t protocol = 0;
    unsigned pieces = 0;
    Instant begun{};
    ip::Piece first;      // its first fragment, when that is there
    size_t received = 0;  // octets of payload
    size_t reach = 0;     // where the farthest fragment ends
    bool ends = false;    // the last fragment is there, so `reach` is the size
    std::bitset<kMostPayload / kUnit> there;
    std::unique_ptr<std::byte[]> bytes;  // payload at kMostHead; apart, so that keys stay close
  };

  Packet* find(uint16_t realm, const ip::PacketView& view, const ip::Piece& piece);
  Packet& begin(uint16_t realm, bool stranger, const ip::PacketView& view, const ip::Piece& piece,
                Instant now);
  Packet& make_room(uint16_t realm, bool stranger, const IpAddress& source);
  MutableBytes finish(Packet& packet);
  void give_up(Instant now);
  void release(Packet& packet, Refusal why);
  void lose(Packet& packet, Refusal why);
  enum class Fit : uint8_t { fits, doubled, overlaps };
  static Fit fit(const Packet& packet, const ip::Piece& piece);
  static void store(Packet& packet, const ip::PacketView& view, const ip::Piece& piece);

  OnLost on_lost_;
  std::vector<Packet> packets_;
  size_t held_ = 0;
  Instant next_expiry_ = never;  // no packet's time ends before
};

}  // namespace fedge::admission
