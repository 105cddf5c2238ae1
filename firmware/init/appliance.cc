#include "firmware/init/appliance.h"

#include <signal.h>

#include "board/linux/host.h"
#include "firmware/base/log.h"
#include "firmware/netlink/socket.h"

namespace fedge::init {

using link::MessageKind;
using link::Process;

namespace {

constexpr Duration kBeat = 1s;

std::unique_ptr<board::Hal> make_board(const Config& config, const Instance& instance) {
  board::HostOptions options;
  options.ports = config.ports;
  options.seal_folder = instance.seal_folder();
  options.use_watchdog = config.watchdog;
  return board::make_host(std::move(options));
}

}  // namespace

Appliance::Appliance(Loop& loop, Config config, Instance instance, std::unique_ptr<board::Hal> hal,
                     std::unique_ptr<Broker> broker)
    : loop_(loop),
      signals_(
          loop, [this](int s) { on_signal(s); }, true),
      config_(std::move(config)),
      instance_(std::move(instance)),
      hal_(std::move(hal)),
      broker_(std::move(broker)),
      supervisor_(loop, *this),
      beat_([this](Instant now) { on_beat(now); }) {}

Result<std::unique_ptr<Appliance>> Appliance::open(Loop& loop, Config config) {
  auto instance = Instance::open(config);
  if (!instance) return std::unexpected(instance.error());
  auto hal = make_board(config, *instance);
  if (config.watchdog && !hal->has_watchdog()) {
    return fail("/dev/watchdog", "this machine has no watchdog that can be opened",
                "set \"watchdog\" to false");
  }
  auto broker = Broker::open(*hal, config.fastpath_workers);
  if (!broker) return std::unexpected(broker.error());
  const board::Identity identity = hal->identity();
  log::info("init", "instance {} on board {}{}{}", config.instance, identity.board,
            identity.model.empty() ? "" : ", " + identity.model,
            identity.serial.empty() ? "" : ", serial " + identity.serial);
  std::unique_ptr<Appliance> appliance(new Appliance(loop, std::move(config), std::move(*instance),
                                                     std::move(hal), std::move(*broker)));
  auto taps = Taps::open(appliance->config_.instance);
  if (!taps) {
    appliance->instance_.close();
    return std::unexpected(taps.error());
  }
  appliance->taps_ = std::move(*taps);
  auto wire = Wire::open(appliance->config_.instance, appliance->hal_->ports());
  if (!wire) {
    appliance->taps_.close();
    appliance->instance_.close();
    return std::unexpected(wire.error());
  }
  appliance->wire_ = std::move(*wire);
  appliance->keeper_ =
      std::make_unique<Keeper>(loop, appliance->supervisor_, appliance->wire_, appliance->taps_,
                               appliance->config_.fastpath_workers);
  return appliance;
}

void Appliance::run() {
  keeper_->boot(instance_.control_folder(), config_.management);
  supervisor_.start_all();
  on_beat(now_monotonic());
  loop_.run();
  wire_.close();
  taps_.close();
  instance_.close();
  log::info("init", "instance {} stopped", config_.instance);
}

Launch Appliance::launch_of(Process process) {
  const link::ProcessSpec& spec = link::spec(process);
  Launch launch;
  launch.program = instance_.bound_programs() + "/fedge-" + std::string(spec.name);
  launch.binds = {{config_.programs, instance_.bound_programs()}};
  launch.uid = spec.drops_itself ? 0 : spec.uid;
  launch.locks_memory = process == Process::fastpath;
  if (spec.lives_in == link::Namespace::wire) launch.network = wire_.space().fd();
  if (spec.lives_in == link::Namespace::punt) launch.network = taps_.space().fd();
  if (process == Process::control) {
    launch.binds.emplace_back(instance_.control_folder(), instance_.bound_control());
    launch.arguments = {"--state", instance_.bound_control(), "--management",
                        config_.management.text()};
    if (config_.recover_database) launch.arguments.emplace_back("--recover-database");
  }
  if (process == Process::signal) {
    launch.arguments = {"--workers", std::to_string(config_.signal_workers)};
  }
  if (process == Process::fastpath) {
    launch.arguments = {"--instance", config_.instance, "--workers",
                        std::to_string(config_.fastpath_workers)};
    for (const board::Port& port : config_.ports) {
      std::string opens = port.name + "=" + port.interface;
      if (port.is_pci()) opens += "," + netlink::text_of(port.mac);
      launch.arguments.insert(launch.arguments.end(), {"--port", std::move(opens)});
    }
  }
  return launch;
}

void Appliance::on_started(Process process) {
  broker_->on_started(process);
  broker_->give(process, supervisor_);
  if (process == Process::control) {
    for (const Process other : Supervisor::children()) tell_control(other);
  }
  keeper_->give(process);
  write_status();
}

void Appliance::tell_control(Process process) {
  link::Channel* const to = supervisor_.channel(Process::control);
  if (to == nullptr) return;
  const ProcessInfo& info = supervisor_.info(process);
  (void)to->send(link::ProcessState{process, info.ready, static_cast<uint32_t>(info.pid),
                                    info.restarts, info.detail});
}

void Appliance::on_ready(Process process) {
  if (process == Process::control) config_.recover_database = false;  // it was said for once
  tell_control(process);
  write_status();
}

void Appliance::on_message(Process process, link::Received received) {
  if (received.kind == MessageKind::snapshot_offer) {
    if (const auto offer = link::decode<link::SnapshotOffer>(received.payload)) {
      keeper_->on_offer(*offer, received.fds);
      return write_status();
    }
  } else if (received.kind == MessageKind::snapshot_running) {
    if (const auto running = link::decode<link::SnapshotRunning>(received.payload)) {
      return keeper_->on_running(process, *running);
    }
  }
  if (received.kind == MessageKind::neighbour_wanted) {
    if (const auto wanted = link::decode<link::NeighbourWanted>(received.payload)) {
      return keeper_->on_neighbour_wanted(*wanted);
    }
  }
  // Never sent by a whole process of this version.
  log::error("init", "{} sent a damaged message; it is killed", link::name(process));
  ::kill(supervisor_.info(process).pid, SIGKILL);
}

void Appliance::on_ended(Process process) {
  broker_->on_ended(process);
  keeper_->on_ended(process);
  tell_control(process);
  write_status();
}

void Appliance::on_signal(int signal) {
  if (signal == SIGCHLD) return supervisor_.on_child_signal();
  log::info("init", "{}: stopping", signal == SIGTERM ? "SIGTERM" : "SIGINT");
  supervisor_.stop_all();
}

void Appliance::on_all_stopped() { loop_.stop(); }

void Appliance::on_beat(Instant now) {
  broker_->beat(now);
  hal_->pet_watchdog();
  loop_.timers().set(beat_, now + kBeat);
}

void Appliance::write_status() const {
  instance_.write_status(supervisor_, keeper_->generation(), keeper_->revision());
}

}  // namespace fedge::init
