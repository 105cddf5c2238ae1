// The control side of the fast path: takes what init and signal send, compiles plans and hands
// them to the workers. Runs on the main thread; no worker ever waits for it.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "dataplane/fastpath/media_control.h"
#include "dataplane/fastpath/mirror.h"
#include "dataplane/fastpath/plan.h"
#include "dataplane/fastpath/ports.h"
#include "dataplane/fastpath/worker.h"
#include "firmware/base/loop.h"
#include "firmware/link/channel.h"
#include "firmware/link/offer.h"
#include "firmware/netlink/monitor.h"

namespace fedge::fastpath {

// A descriptor whose readiness is a function call.
class Ready final : public Watcher {
 public:
  Ready(Loop& loop, std::function<void()> callback) : loop_(loop), callback_(std::move(callback)) {}
  ~Ready() override { watch(-1); }
  // -1: nothing any more.
  void watch(int fd);

 private:
  void on_ready(uint32_t) override { callback_(); }
  Loop& loop_;
  std::function<void()> callback_;
  int fd_ = -1;
};

class Fastpath {
 public:
  // `init`: the link to init. `stop` is called once when there is nothing left to do.
  // `pool`, `crossing`: of all workers, which are as many as `crossing` is for.
  Fastpath(Loop& loop, std::vector<Port> ports, FramePools pools,
           std::unique_ptr<Crossing> crossing, Fd init, std::function<void()> stop);
  ~Fastpath();

  // Starts the workers, without a realm yet.
  Status start();
  // The sandbox is entered: reads the links from now on and says so to init.
  void serve();

 private:
  void on_init_message(link::Received message);
  void open_link(link::Process peer, Fd socket);
  void on_signal_message(link::Received message);
  void on_control_message(link::Received message);
  void on_front_message(link::Received message);
  void connect_peer(link::PeerConnected peer);
  void disconnect_peer(const link::PeerGone& peer);
  void forget_peers();
  bool is_wanted(uint16_t realm, const IpAddress& address) const;
  void on_counters(link::Received& message);
  void on_link_opened(link::Received& message);
  void on_offer(link::Received& message);
  void on_tap(link::Received& message);
  void on_netlink(link::Received& message);
  void on_session_memory(link::Received& message);
  void on_report(const Report& report);
  void on_news();
  void on_adopted();
  void on_beat();
  void on_second();

  Result<std::shared_ptr<const admission::Tables>> compile(const link::Offer& offer) const;
  void refuse(const link::SnapshotOffer& offer, const Error& error);
  void adopt_tables(std::shared_ptr<const admission::Tables> tables);
  // Makes a plan of what is there now and gives it to the workers.
  void submit(bool answers);
  void update_routes();
  void start_mirror();
  void follow_kernel();
  void publish_counts();
  void set_beat_alarm();

  Loop& loop_;
  std::vector<Port> ports_;
  FramePools pools_;
  std::vector<admission::BoxPort> box_ports_;
  std::vector<media::BoxPort> media_ports_;
  std::function<void()> stop_;
  link::Channel init_;
  std::unique_ptr<link::Channel> signal_;
  std::unique_ptr<link::Channel> control_;
  std::unique_ptr<link::Channel> front_;

  uint64_t seed_;
  admission::Peers peers_;
  // In realms that the tables do not have yet: signal may be a publish ahead.
  std::vector<link::PeerConnected> early_peers_;
  Mirror mirror_;
  std::unique_ptr<netlink::Monitor> monitor_;
  bool missing_neighbour_ = false;  // a peer's is not mirrored
  // To which media packets go: bounded by what workers ask for, forgotten with the realms' places.
  std::set<std::pair<uint16_t, IpAddress>> wanted_neighbours_;

  std::shared_ptr<const admission::Tables> tables_;
  std::shared_ptr<Ledger> ledger_;
  TapSet taps_;
  uint64_t generation_ = 0;
  uint64_t revision_ = 0;
  uint64_t peers_not_kept_ = 0;
  // The last is the newest; those before it wait for the workers to leave them.
  std::vector<std::unique_ptr<Plan>> plans_;

  std::unique_ptr<Crossing> crossing_;
  Fd news_;  // an eventfd: workers have adopted a plan, or reported something
  std::shared_ptr<const media::Plan> media_plan_;
  std::shared_ptr<const RouteTable> routes_;
  MediaControl media_;
  std::vector<std::unique_ptr<Worker>> workers_;
  Ready news_ready_;
  Ready monitor_ready_;
  Alarm beat_;
  unsigned beats_ = 0;
};

}  // namespace fedge::fastpath
