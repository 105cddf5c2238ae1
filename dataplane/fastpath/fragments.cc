// The worker's rare paths: packets that come in parts, and packets that do not fit.
#include <rte_mbuf.h>
#include <unistd.h>

#include "dataplane/admission/classifier.h"
#include "dataplane/fastpath/worker.h"
#include "firmware/wire/ip/fragments.h"
#include "firmware/wire/ip/too_big.h"

namespace fedge::fastpath {

void Worker::hold(uint16_t port, const admission::Verdict& verdict, const ip::PacketView& view) {
  count(verdict, Direction::in, 0);
  const MutableBytes whole = reassembly_.add(verdict.realm, verdict.peer, view, now_);
  if (whole.empty()) return;
  if (view.protocol == ip::kUdp && relay_whole(port, whole)) return;
  ip::PacketView packet;
  auto judged = classify_inbound(*plan_->tables, peers_, port, whole, packet);
  if (judged.passes() && judged.as >= admission::Class::neighbour) {
    judged.drop = admission::Refusal::fragment_content;
  }
  if (!judged.passes()) return refuse(judged, Direction::in);
  if (!is_open_relay(judged, packet)) judged.drop = admission::Refusal::tcp_closed_port;
  if (!judged.passes()) return refuse(judged, Direction::in);
  write_to_tap(judged, whole.data(), packet);
}

// The kernel sends what fits its tap, whose MTU is the realm's; the two may differ for a moment
// when a publish changes it.
void Worker::send_in_pieces(const admission::Verdict& verdict, const ip::PacketView& whole) {
  const RealmPath& path = plan_->realms[verdict.realm];
  const auto mtu = static_cast<uint16_t>(path.most_frame - ip::kEthernetSize);
  Outgoing& out = outgoing_[path.port];
  const size_t all = whole.frame.size() - whole.transport_at;
  for (size_t offset = 0; offset < all;) {
    if (out.count == out.frames.size()) {
      return lose(verdict.realm, Direction::out, Loss::transmit_full);
    }
    rte_mbuf* const piece = rte_pktmbuf_alloc(pools_.frames);
    if (piece == nullptr) return lose(verdict.realm, Direction::out, Loss::transmit_full);
    const MutableBytes room(rte_pktmbuf_mtod(piece, std::byte*), rte_pktmbuf_tailroom(piece));
    size_t size = 0;
    const size_t taken = ip::cut_ipv4(whole, mtu, offset, room, size);
    if (taken == 0) {
      rte_pktmbuf_free(piece);
      return refuse_size(verdict.realm, whole, mtu);
    }
    offset += taken;
    count(verdict, Direction::out, size);
    (void)rte_pktmbuf_append(piece, static_cast<uint16_t>(size));
    queue(path, piece);
  }
}

void Worker::refuse_size(uint16_t realm, const ip::PacketView& packet, uint16_t mtu) {
  lose(realm, Direction::out, Loss::above_mtu);
  std::array<std::byte, ip::kMostTooBig> answer;
  const size_t size = ip::make_too_big(packet, mtu, answer);
  (void)!::write(plan_->realms[realm].tap(number_), answer.data(), size);
}

bool Worker::may_ask(const admission::Verdict& verdict, const ip::PacketView& view) {
  // Answers give nobody a new place in the kernel's table, nor does who has no address yet.
  const bool question = view.network == ip::Network::arp
                            ? view.arp_operation == ip::kArpRequest
                            : view.icmp_type == ip::kNeighbourSolicitation;
  return !question || verdict.peer != admission::PeerClass::stranger ||
         view.source.is_unspecified() || mirror_.find_neighbour(verdict.realm, view.source) ||
         strangers_[verdict.realm].take(now_);
}

}  // namespace fedge::fastpath
