// fedge-agent's life: what init sends it becomes sockets, a certificate and a link to control;
// what HTTPS clients ask goes over that link and back.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "firmware/base/counters.h"
#include "firmware/base/loop.h"
#include "firmware/link/channel.h"
#include "firmware/link/offer.h"
#include "firmware/pki/seal.h"
#include "mgmt/agent/backend.h"
#include "mgmt/agent/server.h"

namespace fedge::agent {

class Agent final : public Backend {
 public:
  // `init`: the socket of the link to init.
  Agent(Loop& loop, Fd init);
  ~Agent() override;
  // Tells init that start-up is done.
  void announce_ready();

 private:
  bool ask(uint64_t id, http::Request request, const std::string& client) override;
  bool announce(uint64_t id, const http::Request& head, const std::string& client) override;
  void on_init(link::Received received);
  void on_control(link::Received received);
  void on_link_opened(link::Received& received);
  void on_offer(link::Received& received);
  void run_offer();
  Status use_snapshot(const link::Offer& offer);
  void stop();

  Loop& loop_;
  Counters counters_;
  std::unique_ptr<Server> server_;
  link::Channel init_;
  std::unique_ptr<link::Channel> control_;
  pki::Secret sealing_key_;
  std::optional<link::Offer> offer_;  // waits for the sealing key
  Alarm stopper_;
};

}  // namespace fedge::agent
