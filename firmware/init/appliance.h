// One appliance: everything that init makes, in the order in which it is made and removed.
#pragma once

#include <memory>

#include "firmware/init/broker.h"
#include "firmware/init/config.h"
#include "firmware/init/instance.h"
#include "firmware/init/keeper.h"

namespace fedge::init {

class Appliance final : SupervisorHandler {
 public:
  // Takes the locks, makes the namespaces, moves the ports.
  static Result<std::unique_ptr<Appliance>> open(Loop& loop, Config config);
  // Starts the processes and serves them until SIGTERM or SIGINT, then removes what was made.
  void run();

 private:
  Appliance(Loop& loop, Config config, Instance instance, std::unique_ptr<board::Hal> hal,
            std::unique_ptr<Broker> broker);
  Launch launch_of(link::Process process) override;
  void on_started(link::Process process) override;
  void on_ready(link::Process process) override;
  void on_message(link::Process process, link::Received received) override;
  void on_ended(link::Process process) override;
  void on_all_stopped() override;
  void on_signal(int signal);
  void on_beat(Instant now);
  void tell_control(link::Process process);
  void write_status() const;

  Loop& loop_;
  SignalWatcher signals_;  // from the start on: a stop waits until what is made can be removed
  Config config_;
  Instance instance_;
  std::unique_ptr<board::Hal> hal_;
  std::unique_ptr<Broker> broker_;
  Wire wire_;
  Taps taps_;
  Supervisor supervisor_;
  std::unique_ptr<Keeper> keeper_;
  Alarm beat_;
};

}  // namespace fedge::init
