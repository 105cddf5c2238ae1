// Tells the fast path who is connected: it meters packets by it. The link may be missing, be
// replaced or be slow; what could not be told yet is found again by going through the table.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include "dataplane/signal/connection_table.h"
#include "firmware/link/channel.h"

namespace fedge::signal {

class Announcer {
 public:
  using RealmName = std::function<std::string_view(uint16_t realm)>;

  // `realm_name`: of a connection's realm as it stands now.
  Announcer(Loop& loop, ConnectionTable& table, RealmName realm_name)
      : loop_(loop), table_(table), realm_name_(std::move(realm_name)) {}

  // A new link: everything is told anew. `on_message`: what the fast path says.
  void use_link(Fd socket, std::function<void(const link::Received&)> on_message);
  // Null before the first.
  link::Channel* link() const { return link_.get(); }
  // The connection is open, or its peer is known as something else now.
  void on_changed(Connection& connection);
  // Also when its realm goes: before the connection forgets which.
  void on_closed(Connection& connection);
  // Goes through some of the table for what is untold; at the end of each round.
  void sweep() {
    if (pending_) sweep_some();
  }
  // After a publish: look at everyone again. `refresh` brings a connection's peer up to date.
  void recheck_all(std::function<void(Connection&)> refresh);

 private:
  void sweep_some();
  bool has_room() const;
  void tell(Connection& connection);

  Loop& loop_;
  ConnectionTable& table_;
  RealmName realm_name_;
  std::unique_ptr<link::Channel> link_;
  std::deque<link::PeerGone> gone_;  // not yet told
  std::function<void(Connection&)> refresh_;
  bool pending_ = false;
  uint32_t cursor_ = 0;
  uint32_t left_ = 0;  // slots until the table has been gone through
};

}  // namespace fedge::signal
