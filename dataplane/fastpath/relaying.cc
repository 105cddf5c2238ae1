// The worker's media: each burst goes to the station first, and this does what it says.
#include <sys/epoll.h>

#include <algorithm>
#include <new>

#include "dataplane/fastpath/frame.h"
#include "dataplane/fastpath/worker.h"
#include "firmware/wire/ip/fragments.h"

namespace fedge::fastpath {

using media::Fate;
using media::Packet;

namespace {

constexpr Duration kBeat = 100ms;

}  // namespace

void Worker::relay(std::span<Packet> burst) {
  if (burst.empty()) return;
  if (media_ != nullptr) media_->process(burst, now_);
  for (Packet& packet : burst) settle(packet);
}

void Worker::settle(Packet& packet) {
  rte_mbuf* const frame = frame_of(packet);
  switch (packet.fate) {
    case Fate::send:
      return send(packet);
    case Fate::hand_over:
      return hand_over(packet.worker, packet);
    case Fate::other:
      // What came from front is nobody else's.
      if (packet.connection != 0 || punt(packet.port, frame)) rte_pktmbuf_free(frame);
      return;
    case Fate::front:
      if (!media_->send_to_front(packet)) {
        counters_->add(plan_->meters.losses[static_cast<size_t>(Loss::front_full)]);
      }
      return rte_pktmbuf_free(frame);
    case Fate::drop:
      return rte_pktmbuf_free(frame);
  }
}

void Worker::hand_over(uint8_t worker, const Packet& packet) {
  rte_mbuf* frame = frame_of(packet);
  auto* const there = new (rte_mbuf_to_priv(frame)) Packet(packet);
  there->fate = Fate::other;
  if (crossing_.send(worker, {&frame, 1}) == 1) return counters_->add(plan_->meters.crossed);
  counters_->add(plan_->meters.losses[static_cast<size_t>(Loss::crossing_full)]);
  rte_pktmbuf_free(frame);
}

void Worker::send(const Packet& packet) {
  rte_mbuf* const frame = frame_of(packet);
  const RealmPath& path = plan_->realms[packet.realm];
  if (packet.size > path.most_frame) [[unlikely]] {
    send_in_pieces(path, packet);
    return rte_pktmbuf_free(frame);
  }
  close_up(packet);
  if (has_room(path.port)) return queue(path, frame);
  lose(packet.realm, Direction::out, Loss::transmit_full);
  rte_pktmbuf_free(frame);
}

// IPv4 without DF, and IPv6, of which we are the source.
void Worker::send_in_pieces(const RealmPath& path, const Packet& packet) {
  ip::PacketView whole;
  if (parse_frame(packet.bytes(), whole) != ip::Malformed::none) return;
  const auto mtu = static_cast<uint16_t>(path.most_frame - ip::kEthernetSize);
  const bool v4 = whole.network == ip::Network::ipv4;
  ++next_fragment_id_;
  for (size_t offset = 0; offset < whole.transport_size;) {
    rte_mbuf* const piece = has_room(path.port) ? rte_pktmbuf_alloc(pools_.frames) : nullptr;
    if (piece == nullptr) return lose(packet.realm, Direction::out, Loss::transmit_full);
    const MutableBytes room(bytes_of(piece), rte_pktmbuf_tailroom(piece));
    size_t size = 0;
    const size_t taken = v4 ? cut_ipv4(whole, mtu, offset, room, size)
                            : cut_ipv6(whole, mtu, next_fragment_id_, offset, room, size);
    if (taken == 0) {
      rte_pktmbuf_free(piece);
      return lose(packet.realm, Direction::out, Loss::above_mtu);
    }
    offset += taken;
    (void)rte_pktmbuf_append(piece, static_cast<uint16_t>(size));
    queue(path, piece);
  }
}

// A packet that came in fragments. False: it is not media's.
bool Worker::relay_whole(uint16_t port, Bytes whole) {
  if (media_ == nullptr || whole.size() > kMostLarge) return false;
  rte_mbuf* const frame = rte_pktmbuf_alloc(pools_.large);
  if (frame == nullptr) return false;
  std::ranges::copy(whole, bytes_of(frame));
  (void)rte_pktmbuf_append(frame, static_cast<uint16_t>(whole.size()));
  Packet packet;
  packet.handle = frame;
  packet.port = port;
  lay_open(packet);
  media_->process({&packet, 1}, now_);
  if (packet.fate == Fate::other) {
    rte_pktmbuf_free(frame);
    return false;
  }
  settle(packet);
  return true;
}

// What a path says of a packet that media sent (RFC 8656 section 11.5). True: it is done with.
bool Worker::report_icmp(uint16_t port, rte_mbuf* frame, const ip::PacketView& view) {
  const bool is_icmp = view.protocol == ip::kIcmp || view.protocol == ip::kIcmp6;
  if (!is_icmp || media_ == nullptr) [[likely]]
    return false;
  Packet packet;
  packet.handle = frame;
  packet.port = port;
  lay_open(packet);
  media_->report_icmp(packet, view, now_);
  if (packet.fate == Fate::other) return false;
  settle(packet);
  return true;
}

uint16_t Worker::read_front() {
  if (front_number_ != media_->front_number()) [[unlikely]] {
    // The former ring's descriptor is closed, and with that not watched any more.
    front_number_ = media_->front_number();
    front_event_ = media_->front_event();
    epoll_event watched{.events = EPOLLIN, .data = {.fd = front_event_}};
    if (front_event_ >= 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, front_event_, &watched);
  }
  if (front_event_ < 0) return 0;
  uint16_t count = 0;
  while (count < kBurst) {
    rte_mbuf* const frame = rte_pktmbuf_alloc(pools_.large);
    if (frame == nullptr) break;
    Packet& packet = packets_[count];
    packet = {};
    packet.handle = frame;
    lay_open(packet);
    if (!media_->read_front(packet, now_)) {
      rte_pktmbuf_free(frame);
      break;
    }
    ++count;
  }
  relay({packets_.data(), count});
  return count;
}

void Worker::beat(Instant now) {
  next_beat_ = now + kBeat;
  if (media_ != nullptr) media_->write_counts(*counters_, plan_->media_meters);
}

}  // namespace fedge::fastpath
