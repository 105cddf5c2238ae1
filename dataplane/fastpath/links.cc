// What the other processes say, and what they are told.
#include <algorithm>

#include "dataplane/fastpath/fastpath.h"
#include "firmware/base/log.h"

namespace fedge::fastpath {

using link::MessageKind;
using link::Process;

namespace {

constexpr size_t kMostWanted = 8'000;

}  // namespace

void Fastpath::on_link_opened(link::Received& message) {
  const auto opened = link::decode<link::LinkOpened>(message.payload);
  if (opened && message.fds.size() == 1) open_link(opened->peer, std::move(message.fds[0]));
}

void Fastpath::open_link(Process peer, Fd socket) {
  auto channel = std::make_unique<link::Channel>(loop_, Process::fastpath, peer, std::move(socket));
  switch (peer) {
    case Process::signal:
      // A new signal connects anew; what the former one said is void. Calls that it knows nothing
      // of go on: it is told of their streams.
      forget_peers();
      channel->start([this](link::Received m) { on_signal_message(std::move(m)); },
                     [this](const std::string&) { forget_peers(); });
      signal_ = std::move(channel);
      return media_.tell_anchors();
    case Process::control:
      channel->start([this](link::Received m) { on_control_message(std::move(m)); },
                     [](const std::string&) {});
      control_ = std::move(channel);
      return;
    case Process::front:
      channel->start([this](link::Received m) { on_front_message(std::move(m)); },
                     [](const std::string&) {});
      front_ = std::move(channel);
      (void)front_->send(link::FastpathWorkers{crossing_->workers()});
      return;
    default:
      return;
  }
}

void Fastpath::on_signal_message(link::Received message) {
  switch (message.kind) {
    case MessageKind::peer_connected:
      if (auto peer = link::decode<link::PeerConnected>(message.payload)) {
        connect_peer(std::move(*peer));
      }
      return;
    case MessageKind::peer_gone:
      if (const auto peer = link::decode<link::PeerGone>(message.payload)) disconnect_peer(*peer);
      return;
    case MessageKind::anchor:
      if (const auto what = link::decode<link::Anchor>(message.payload)) media_.anchor(*what);
      return;
    case MessageKind::anchor_end:
      if (const auto what = link::decode<link::AnchorEnd>(message.payload)) {
        media_.end_anchor(*what);
      }
      return;
    default:
      return;
  }
}

void Fastpath::on_control_message(link::Received message) {
  if (message.kind != MessageKind::session_end) return;
  if (const auto what = link::decode<link::SessionEnd>(message.payload)) media_.end_session(*what);
}

void Fastpath::on_front_message(link::Received message) {
  if (message.kind != MessageKind::front_ring) return;
  const auto ring = link::decode<link::FrontRing>(message.payload);
  if (!ring) return;
  if (auto taken = media_.take_front_ring(*ring, message.fds); !taken) {
    log::error("fastpath", "{}", taken.error().text());
  }
}

void Fastpath::on_report(const Report& report) {
  if (report.kind != Report::Kind::neighbour_wanted) {
    if (signal_) (void)signal_->send(link::AnchorEnd{report.id, report.call, report.why.data()});
    return;
  }
  if (report.realm >= tables_->realms().size()) return;
  if (wanted_neighbours_.size() == kMostWanted) wanted_neighbours_.clear();
  wanted_neighbours_.emplace(report.realm, report.address);
  (void)init_.send(
      link::NeighbourWanted{tables_->realms()[report.realm].name, {report.address, 0}});
}

// --- peers --------------------------------------------------------------------------------------

void Fastpath::disconnect_peer(const link::PeerGone& peer) {
  const uint16_t realm = tables_->find_realm(peer.realm);
  if (realm != admission::kNoRealm) return peers_.disconnect(realm, peer.remote);
  std::erase_if(early_peers_, [&](const link::PeerConnected& early) {
    return early.realm == peer.realm && early.remote == peer.remote;
  });
}

void Fastpath::connect_peer(link::PeerConnected peer) {
  const uint16_t realm = tables_->find_realm(peer.realm);
  missing_neighbour_ =
      missing_neighbour_ || (mirror_.incomplete() && realm != admission::kNoRealm &&
                             !mirror_.find_neighbour(realm, peer.remote.address));
  if (realm == admission::kNoRealm && early_peers_.size() < admission::Peers::kMost) {
    early_peers_.push_back(std::move(peer));
  } else if (realm == admission::kNoRealm || !peers_.connect(realm, peer.remote, peer.trusted)) {
    ++peers_not_kept_;
  }
}

bool Fastpath::is_wanted(uint16_t realm, const IpAddress& address) const {
  return tables_->is_named(realm, address) || wanted_neighbours_.contains({realm, address}) ||
         peers_.find(realm, {address, 0}) != admission::PeerClass::stranger;
}

void Fastpath::forget_peers() {
  peers_.clear();
  early_peers_.clear();
}

}  // namespace fedge::fastpath
