// Keeps what the box runs: takes control's offers, applies their realms and management sockets,
// offers each forwarder its sections, and remembers what each of them answered.
#pragma once

#include <array>
#include <string>

#include "firmware/init/held_snapshot.h"
#include "firmware/init/management.h"
#include "firmware/init/neighbours.h"
#include "firmware/init/supervisor.h"
#include "firmware/init/taps.h"
#include "firmware/init/wire.h"

namespace fedge::init {

class Keeper {
 public:
  // All outlive the keeper. `queues`: of each tap, one for each worker of the fast path.
  Keeper(Loop& loop, Supervisor& supervisor, Wire& wire, Taps& taps, uint16_t queues);

  // Before the processes start: what control stored last, or nothing but the management address.
  void boot(const std::string& control_folder, const Endpoint& management);

  // A process runs (again): gives it all that is kept for it.
  void give(link::Process process);
  void on_offer(const link::SnapshotOffer& offer, std::vector<Fd>& fds);
  void on_running(link::Process process, const link::SnapshotRunning& running);
  // The fast path has packets for a neighbour whose MAC it does not know.
  void on_neighbour_wanted(const link::NeighbourWanted& wanted);
  void on_ended(link::Process process);

  uint64_t generation() const { return current_.generation; }
  uint64_t revision() const { return current_.revision; }

 private:
  // What an offered snapshot asks of init itself.
  struct Network {
    std::vector<TapPlan> taps;
    std::vector<Endpoint> management;
    std::string reserved_ports;
  };
  static Result<std::vector<Endpoint>> read_management(const HeldSnapshot& snapshot);
  Result<Network> read_network(const HeldSnapshot& snapshot) const;
  Status apply(const Network& next);
  Status raise_port_mtu(const Network& next) const;
  void offer_to(link::Process process);
  void open_management();
  void tell_management();
  void give_taps(const std::vector<TapPlan>& plans);
  void tell_control(const link::PublishState& state);
  void refuse(const link::SnapshotOffer& offer, const Error& error);
  void finish_when_all_run();
  void finish();

  Loop& loop_;
  Supervisor& supervisor_;
  Wire& wire_;
  Taps& taps_;
  const uint16_t queues_;
  ManagementSockets management_;
  WantedNeighbours neighbours_;
  HeldSnapshot current_;
  Network network_;
  std::array<link::PublishState, link::kProcessCount> states_;
  // The old realms go when every forwarder runs the new ones, or now at the latest.
  Alarm finish_alarm_;
  Alarm open_alarm_;  // for management sockets that could not be opened at boot
};

}  // namespace fedge::init
