#include "dataplane/signal/announcer.h"

#include <algorithm>

#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

// Well below what would close the link.
constexpr size_t kMostQueued = 256;
constexpr uint32_t kSlotsPerRound = 512;
// When the fast path does not listen, older departures are forgotten: it counts those peers as
// connected until it is told all anew, after a restart of either side.
constexpr size_t kMostGone = 4096;

bool is_trusted(const Connection& connection) { return connection.peer != nullptr; }

}  // namespace

void Announcer::use_link(Fd socket, std::function<void(const link::Received&)> on_message) {
  link_ = std::make_unique<link::Channel>(loop_, link::Process::signal, link::Process::fastpath,
                                          std::move(socket));
  link_->start([on_message](const link::Received& message) { on_message(message); },
               [](const std::string& reason) {
                 log::warning("signal", "link to the fast path: {}", reason);
               });
  gone_.clear();
  for (uint32_t i = 0; i < table_.slots(); ++i) table_.at(i).announced = false;
  recheck_all(std::move(refresh_));
}

void Announcer::recheck_all(std::function<void(Connection&)> refresh) {
  refresh_ = std::move(refresh);
  pending_ = true;
  left_ = table_.slots();
}

bool Announcer::has_room() const {
  return link_ != nullptr && link_->open() && link_->queued() < kMostQueued;
}

void Announcer::tell(Connection& connection) {
  if (connection.announced && connection.announced_trusted == is_trusted(connection)) return;
  link::PeerConnected message;
  message.realm = realm_name_(connection.realm);
  message.remote = connection.remote;
  message.trusted = is_trusted(connection);
  if (!link_->send(message)) return;
  connection.announced = true;
  connection.announced_trusted = message.trusted;
}

void Announcer::on_changed(Connection& connection) {
  if (link_ == nullptr || !link_->open()) return;
  if (gone_.empty() && has_room()) return tell(connection);
  pending_ = true;
  left_ = table_.slots();
}

void Announcer::on_closed(Connection& connection) {
  if (!connection.announced || link_ == nullptr || !link_->open()) return;
  connection.announced = false;
  link::PeerGone message;
  message.realm = realm_name_(connection.realm);
  message.remote = connection.remote;
  if (gone_.empty() && has_room()) {
    link_->send(message);
    return;
  }
  if (gone_.size() == kMostGone) gone_.pop_front();
  gone_.push_back(message);
  pending_ = true;
}

void Announcer::sweep_some() {
  while (!gone_.empty() && has_room()) {
    link_->send(gone_.front());
    gone_.pop_front();
  }
  const uint32_t slots = table_.slots();
  for (uint32_t i = 0; i < kSlotsPerRound && left_ > 0; ++i, --left_) {
    if (cursor_ >= slots) cursor_ = 0;
    Connection& connection = table_.at(cursor_);
    if (connection.state == ConnectionState::open) {
      if (refresh_) refresh_(connection);
      if (link_ != nullptr && link_->open()) {
        if (!has_room()) return;
        tell(connection);
      }
    }
    ++cursor_;
  }
  pending_ = left_ > 0 || !gone_.empty();
}

}  // namespace fedge::signal
