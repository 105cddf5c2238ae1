#include "firmware/init/keeper.h"

#include <algorithm>
#include <set>

#include "firmware/base/log.h"
#include "firmware/init/reserved_ports.h"

namespace fedge::init {

using link::Process;
using snapshot::Kind;

namespace {

constexpr Duration kFinishWait = 10s;
constexpr Duration kOpenAgain = 5s;

// Nothing when the snapshot does not have it.
template <class Root>
Result<std::optional<snapshot::Section<Root>>> open_section(const HeldSnapshot& snapshot) {
  const int fd = snapshot.find(Root::kKind);
  if (fd < 0) return std::nullopt;
  auto section = snapshot::Section<Root>::open(fd);
  if (!section) return std::unexpected(section.error());
  return std::move(*section);
}

}  // namespace

Keeper::Keeper(Loop& loop, Supervisor& supervisor, Wire& wire, Taps& taps, uint16_t queues)
    : loop_(loop),
      supervisor_(supervisor),
      wire_(wire),
      taps_(taps),
      queues_(queues),
      finish_alarm_([this](Instant) { finish(); }),
      open_alarm_([this](Instant) { open_management(); }) {
  for (size_t i = 0; i < states_.size(); ++i) {
    states_[i].process = static_cast<Process>(i);
    states_[i].reason = "not started yet";
  }
}

Result<std::vector<Endpoint>> Keeper::read_management(const HeldSnapshot& snapshot) {
  const int fd = snapshot.find(Kind::management);
  if (fd < 0) return std::vector<Endpoint>();
  auto management = snapshot::Section<snapshot::Management>::open(fd);
  if (!management) return std::unexpected(management.error());
  const auto endpoints = management->items(management->root().endpoints);
  return std::vector(endpoints.begin(), endpoints.end());
}

Result<Keeper::Network> Keeper::read_network(const HeldSnapshot& snapshot) const {
  Network network;
  if (const int fd = snapshot.find(Kind::realms); fd >= 0) {
    auto realms = snapshot::Section<snapshot::Realms>::open(fd);
    if (!realms) return std::unexpected(realms.error());
    auto plans = plan_taps(*realms, wire_);
    if (!plans) return std::unexpected(plans.error());
    network.taps = std::move(*plans);
  }
  auto listeners = open_section<snapshot::Listeners>(snapshot);
  if (!listeners) return std::unexpected(listeners.error());
  auto media = open_section<snapshot::Media>(snapshot);
  if (!media) return std::unexpected(media.error());
  network.reserved_ports =
      reserved_ports(*listeners ? &**listeners : nullptr, *media ? &**media : nullptr);
  auto management = read_management(snapshot);
  if (!management) return std::unexpected(management.error());
  network.management = std::move(*management);
  return network;
}

Status Keeper::raise_port_mtu(const Network& next) const {
  for (const TapPlan& plan : next.taps) {
    const WirePort* port = wire_.find(plan.device);
    if (port == nullptr) continue;
    if (auto done = wire_.raise_mtu(*port, plan.mtu); !done) return done;
  }
  return {};
}

// Adds what is new; the old stays until finish().
Status Keeper::apply(const Network& next) {
  if (auto done = management_.open(next.management); !done) return done;
  if (auto done = raise_port_mtu(next); !done) return done;
  if (auto done = taps_.reserve_ports(next.reserved_ports); !done) return done;
  return taps_.add(next.taps);
}

void Keeper::boot(const std::string& control_folder, const Endpoint& management) {
  auto stored = load_last_good(control_folder);
  if (!stored) {
    log::error("snapshot", "{}", stored.error().text());
  } else if (stored->generation == 0) {
    log::info("snapshot", "nothing was ever published here");
  } else {
    log::info("snapshot", "the last good one is generation {}, revision {}", stored->generation,
              stored->revision);
    auto network = read_network(*stored);
    if (!network) {
      log::error("snapshot", "it cannot run on this box: {}", network.error().text());
      // Its realms cannot be made; management can, for whoever mends the topology.
      network = Network{};
      if (auto endpoints = read_management(*stored)) network->management = std::move(*endpoints);
    }
    current_ = std::move(*stored);
    network_ = std::move(*network);
  }
  if (network_.management.empty()) network_.management = {management};
  // What works is better than nothing: the errors are in the log.
  open_management();
  if (auto done = raise_port_mtu(network_); !done) log::error("init", "{}", done.error().text());
  if (!network_.reserved_ports.empty()) {
    auto done = taps_.reserve_ports(network_.reserved_ports);
    if (!done) log::error("network", "{}", done.error().text());
  }
  finish();
}

// Each by itself. Nobody is there to offer again what a program that starts beside us holds for a
// moment, and without management nobody can look.
void Keeper::open_management() {
  Status all;
  for (const Endpoint& endpoint : network_.management) {
    if (auto done = management_.open({&endpoint, 1}); !done) all = std::move(done);
  }
  tell_management();
  if (all) return;
  log::error("management", "{}; trying again", all.error().text());
  loop_.timers().set(open_alarm_, loop_.now() + kOpenAgain);
}

// All of them each time: agent lets go of one as soon as it runs a snapshot without it, init only
// when all run it, and until then a refusal may bring it back.
void Keeper::tell_management() {
  management_.tell_all([this](const Endpoint& endpoint, int fd) {
    if (link::Channel* agent = supervisor_.channel(Process::agent)) {
      (void)agent->send(link::ListeningSocket{endpoint.text()}, {&fd, 1});
    }
  });
}

void Keeper::give_taps(const std::vector<TapPlan>& plans) {
  for (const TapPlan& plan : plans) {
    for (uint16_t i = 0; i < queues_; ++i) {
      link::Channel* const fastpath = supervisor_.channel(Process::fastpath);
      if (fastpath == nullptr) return;
      const auto queue = taps_.open_queue(plan.realm);
      if (!queue) {
        log::error("network", "{}", queue.error().text());
        continue;
      }
      const int fd = queue->get();
      (void)fastpath->send(link::TapQueue{plan.realm, i}, {&fd, 1});
    }
  }
}

void Keeper::offer_to(Process process) {
  link::Channel* const to = supervisor_.channel(process);
  if (to == nullptr || current_.generation == 0) return;
  const Offer offer = make_offer(current_, link::spec(process).sections);
  (void)to->send(offer.message, offer.fds);
}

void Keeper::give(Process process) {
  link::Channel* const to = supervisor_.channel(process);
  if (to == nullptr) return;
  if (process == Process::control) {
    for (const Process p : Supervisor::children()) {
      if (link::spec(p).forwarder) (void)to->send(states_[static_cast<size_t>(p)]);
    }
    return;
  }
  if (process == Process::fastpath) {
    if (const auto monitor = taps_.open_monitor()) {
      const int fd = monitor->get();
      (void)to->send(link::NetlinkSocket{}, {&fd, 1});
    } else {
      log::error("network", "{}", monitor.error().text());
    }
    give_taps(network_.taps);
  }
  if (process == Process::agent) tell_management();
  offer_to(process);
}

void Keeper::tell_control(const link::PublishState& state) {
  if (link::Channel* to = supervisor_.channel(Process::control)) (void)to->send(state);
}

void Keeper::refuse(const link::SnapshotOffer& offer, const Error& error) {
  log::error("snapshot", "generation {} is refused: {}", offer.generation, error.text());
  tell_control({Process::init, offer.generation, offer.revision, false, error.text()});
}

void Keeper::on_offer(const link::SnapshotOffer& offer, std::vector<Fd>& fds) {
  auto taken = take_offer(offer, fds);
  if (!taken) return refuse(offer, taken.error());
  if (taken->same_as(current_)) {  // a restarted control says what already runs
    tell_control({Process::init, current_.generation, current_.revision, true, {}});
    return give(Process::control);
  }
  auto network = read_network(*taken);
  if (!network) return refuse(offer, network.error());
  if (network->management.empty()) network->management = network_.management;
  if (auto done = apply(*network); !done) {
    if (auto back = taps_.add(network_.taps); !back) {
      log::error("network", "{}", back.error().text());
    }
    finish();
    return refuse(offer, done.error());
  }
  std::set<std::string> known;
  for (const TapPlan& plan : network_.taps) known.insert(plan.realm);
  std::vector<TapPlan> fresh;
  std::ranges::copy_if(network->taps, std::back_inserter(fresh),
                       [&](const TapPlan& plan) { return !known.contains(plan.realm); });
  current_ = std::move(*taken);
  network_ = std::move(*network);
  log::info("snapshot", "generation {}, revision {} is offered", current_.generation,
            current_.revision);
  tell_control({Process::init, current_.generation, current_.revision, true, {}});
  give_taps(fresh);
  tell_management();
  for (const Process p : Supervisor::children()) {
    if (link::spec(p).forwarder) offer_to(p);
  }
  loop_.timers().set(finish_alarm_, loop_.now() + kFinishWait);
}

void Keeper::on_running(Process process, const link::SnapshotRunning& running) {
  link::PublishState& state = states_[static_cast<size_t>(process)];
  state = {process, running.generation, running.revision, running.accepted, running.reason};
  if (running.accepted) {
    log::info("snapshot", "{} runs generation {}, revision {}", link::name(process),
              running.generation, running.revision);
  } else {
    log::error("snapshot", "{} refuses generation {}: {}", link::name(process), running.generation,
               running.reason);
  }
  tell_control(state);
  finish_when_all_run();
}

void Keeper::on_neighbour_wanted(const link::NeighbourWanted& wanted) {
  const auto step = neighbours_.want({wanted.realm, wanted.neighbour.address}, loop_.now());
  if (step.give_up) (void)taps_.give_up(step.give_up->first, step.give_up->second);
  if (!step.look) return;
  // A realm that has just gone is no mistake.
  if (auto done = taps_.look_for(wanted.realm, wanted.neighbour.address); !done) {
    log::debug("network", "{}", done.error().text());
  }
}

void Keeper::on_ended(Process process) {
  if (!link::spec(process).forwarder) return;
  states_[static_cast<size_t>(process)] = {process, 0, 0, false,
                                           "not running: it " + supervisor_.info(process).detail};
  tell_control(states_[static_cast<size_t>(process)]);
}

void Keeper::finish_when_all_run() {
  if (!finish_alarm_.armed()) return;
  const bool all = std::ranges::all_of(Supervisor::children(), [&](Process p) {
    const link::PublishState& state = states_[static_cast<size_t>(p)];
    return !link::spec(p).forwarder || (state.accepted && state.generation == current_.generation);
  });
  if (all) finish();
}

void Keeper::finish() {
  finish_alarm_.cancel();
  management_.close_others(network_.management);
  if (auto done = taps_.remove_others(network_.taps); !done) {
    log::error("network", "{}", done.error().text());
  }
  // Removing an address can take routes along that are still wanted.
  if (auto done = taps_.add(network_.taps); !done) log::error("network", "{}", done.error().text());
}

}  // namespace fedge::init
