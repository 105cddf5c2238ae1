#include "firmware/control/control.h"

#include <fmt/core.h>
#include <unistd.h>

#include <filesystem>

#include "firmware/base/log.h"
#include "firmware/pki/certificate.h"
#include "firmware/snapshot/reader.h"

namespace fedge::control {

using link::Process;

namespace {

const store::Actor kBox{"fedge", ""};
constexpr size_t kTokenOctets = 32;
// A refusal with nothing to go back to: a port in use, a cable not there yet.
constexpr Duration kOfferAgain = 5s;
// After a start that failed for what an operator mends outside: a disk full, a wrong owner.
constexpr Duration kBeginAgain = 3s;
constexpr Duration kLongestAlarm = 1h;  // wall clocks are set: look again now and then

}  // namespace

Control::Control(Loop& loop, Fd init, Options options, Generations generations)
    : loop_(loop),
      options_(std::move(options)),
      init_(loop, Process::control, Process::init, std::move(init)),
      database_(loop, options_.state, options_.fault),
      generations_(std::move(generations)),
      publisher_(
          loop.timers(), [this](const auto& offer, auto fds) { return init_.send(offer, fds); },
          [this](uint64_t generation, const std::string& why) { on_refused(generation, why); }),
      explainer_(loop, options_.signal_program),
      session_ender_(loop, sessions_),
      counters_(std::make_unique<Counters>()),
      certificate_alarm_([this](Instant) { refresh_certificates(); }),
      offer_alarm_([this](Instant) {
        if (configuration_) configuration_->offer_again();
      }),
      begin_alarm_([this](Instant) { begin_again(); }) {}

Control::~Control() = default;

Result<std::unique_ptr<Control>> Control::open(Loop& loop, Fd init, Options options) {
  auto generations = Generations::open(options.state, options.fault);
  if (!generations) return std::unexpected(generations.error());
  std::error_code leftover;
  std::filesystem::remove_all(options.state + "/explain", leftover);
  const bool recover = options.recover_database;
  std::unique_ptr<Control> control(
      new Control(loop, std::move(init), std::move(options), std::move(*generations)));
  if (!control->database_.open(control->was_published()) && control->database_.damaged() &&
      recover) {
    auto moved = control->database_.move_aside(now_wall());
    if (!moved) return std::unexpected(moved.error());
    log::warning("control", "damaged database: {}", *moved);
    (void)control->database_.open(false);
  }
  if (const auto number = control->generations_.current(); number && *number != 0) {
    if (auto found = control->generations_.load(*number))
      control->found_on_disk_ = std::move(*found);
  }
  Control& c = *control;
  c.init_.start([&c](link::Received r) { c.on_init_message(r); },
                [&c](const std::string&) { c.loop_.stop(); });
  return control;
}

void Control::announce_ready() { (void)init_.send(link::Ready{}); }

void Control::on_init_message(link::Received received) {
  switch (received.kind) {
    case link::MessageKind::sealing_key:
      if (auto m = link::decode<link::SealingKey>(received.payload); m && !received.fds.empty()) {
        if (auto done = vault_.take_sealing_key(m->owner, received.fds[0].get()); !done) {
          log::error("control", "{}", done.error().text());
        }
        if (vault_.has_keys() && !configuration_) begin();
      }
      return;
    case link::MessageKind::counters:
      if (auto m = link::decode<link::CounterPages>(received.payload)) {
        on_counters(received.fds, m->writer);
      }
      return;
    case link::MessageKind::link_opened:
      if (auto m = link::decode<link::LinkOpened>(received.payload); m && !received.fds.empty()) {
        if (m->peer == Process::agent) on_agent_link(std::move(received.fds[0]));
        if (m->peer == Process::signal) on_signal_link(std::move(received.fds[0]));
        if (m->peer == Process::fastpath) session_ender_.open(std::move(received.fds[0]));
      }
      return;
    case link::MessageKind::session_memory:
      if (auto m = link::decode<link::SessionMemory>(received.payload);
          m && !received.fds.empty()) {
        sessions_.take_memory(m->worker, m->workers, std::move(received.fds[0]));
      }
      return;
    case link::MessageKind::publish_state:
      if (auto m = link::decode<link::PublishState>(received.payload)) on_publish_state(*m);
      return;
    case link::MessageKind::process_state:
      if (auto m = link::decode<link::ProcessState>(received.payload)) {
        publisher_.on_process_state(*m);
      }
      return;
    default:
      loop_.stop();
  }
}

// Who waits for a publish hears of it first.
void Control::on_publish_state(const link::PublishState& state) {
  publisher_.on_publish_state(state, loop_.now());
  if (state.process != Process::signal || !state.accepted) return;
  if (state.generation != running().number || !next_hops_.knows_states()) return;
  const SectionPointer routing = running().find(snapshot::Kind::routing);
  const SectionPointer realms = running().find(snapshot::Kind::realms);
  if (!routing || !realms) return;
  auto open_routing = snapshot::Section<snapshot::Routing>::open(routing->mapping.bytes());
  auto open_realms = snapshot::Section<snapshot::Realms>::open(realms->mapping.bytes());
  if (open_routing && open_realms) next_hops_.keep_only(*open_routing, *open_realms);
}

// Signal tells about next hops, and asks nothing.
void Control::on_signal_link(Fd socket) {
  next_hops_.forget_states();
  signal_ =
      std::make_unique<link::Channel>(loop_, Process::control, Process::signal, std::move(socket));
  signal_->start([this](const link::Received& received) { on_signal_message(received); },
                 [](const std::string& reason) {
                   log::warning("control", "link to signal: {}; next hops are as last told",
                                reason);
                 });
}

void Control::on_signal_message(const link::Received& received) {
  if (received.kind == link::MessageKind::next_hop_state) {
    if (auto m = link::decode<link::NextHopState>(received.payload)) {
      next_hops_.on_state(std::move(*m));
    }
  } else if (received.kind == link::MessageKind::name_found) {
    if (auto m = link::decode<link::NameFound>(received.payload)) {
      next_hops_.on_name(std::move(*m));
    }
  } else if (auto m = link::decode<link::Failover>(received.payload)) {
    next_hops_.on_failover(std::move(*m));
  }
}

void Control::on_refused(uint64_t generation, const std::string& why) {
  if (!configuration_) return;
  if (!configuration_->on_refused(generation, why, loop_.now(), wall())) {
    loop_.timers().set(offer_alarm_, loop_.now() + kOfferAgain);
  }
  check_database();
}

void Control::on_counters(std::vector<Fd>& fds, Process writer) {
  if (fds.empty()) return;
  if (auto page = Mapping::read_only(fds[0].get())) {
    pages_[static_cast<size_t>(writer)] = CountersView(std::move(*page));
  }
  if (writer != Process::control) return;
  if (auto own = Mapping::read_write(fds[0].get())) {
    counters_ = std::make_unique<Counters>(std::move(*own));
  }
  set_gauges();
}

const Generation& Control::running() const {
  return configuration_ ? configuration_->running() : found_on_disk_;
}

Error Control::not_ready() const {
  if (!database_.problem().what.empty()) return database_.problem();
  if (!begin_problem_.what.empty()) return begin_problem_;
  return {"control", "it is starting", "ask again in a moment"};
}

// Everything that needs the sealing keys: the first start, and taking up what ran last.
void Control::begin() {
  loop_.timers().set(begin_alarm_, loop_.now() + kBeginAgain);
  store::Store* store = database_.store();
  if (store == nullptr) return set_gauges();
  begin_problem_ = {};
  auto configuration = std::make_unique<Configuration>(*store, vault_, generations_, publisher_);
  Status done = first_start();
  const auto factory = topology::factory(options_.fqdn, options_.management);
  if (done) done = configuration->start(factory, wall());
  if (!done) {
    begin_problem_ = done.error();
    log::error("control", "cannot take up the configuration: {}", done.error().text());
  } else {
    configuration_ = std::move(configuration);
    refresh_certificates();
  }
  database_.read_administrators();
  check_database();
}

void Control::begin_again() {
  if (configuration_ || database_.damaged()) return;
  if (database_.store() == nullptr) (void)database_.open(was_published());
  begin();
}

bool Control::was_published() const {
  const auto number = generations_.current();
  return !number || *number != 0;
}

// After any work on the store.
bool Control::check_database() {
  const bool found_damage = database_.check();
  if (found_damage) {
    found_on_disk_ = running();
    configuration_.reset();
  }
  set_gauges();
  return !found_damage;
}

// Each part by itself, so that a start that was cut off is finished by the next.
Status Control::first_start() {
  if (database_.administrators().empty()) {
    if (auto done = make_first_token(); !done) return done;
  }
  auto certificates = database_.store()->certificates(std::string(kManagementCertificate));
  if (!certificates) return std::unexpected(certificates.error());
  return certificates->empty() ? make_management_certificate() : Status();
}

Status Control::make_first_token() {
  const std::string token = pki::random_token(kTokenOctets);
  const std::string path = options_.state + "/first-token";
  if (auto done = write_file_durably(path, as_bytes(token + "\n"), 0600); !done) return done;
  const store::Administrator administrator{"admin", pki::sha256_hex(as_bytes(token)),
                                           store::Role::administrator, wall(), false};
  if (auto done = database_.store()->add_administrator(administrator, kBox); !done) return done;
  database_.read_administrators();
  database_.copy_now();
  const std::string block = fmt::format(
      "\n======== administrator token: shown once ========\n{}\n"
      "======== first-token in control's state folder holds it until its first use ========\n\n",
      token);
  (void)!::write(STDERR_FILENO, block.data(), block.size());
  return {};
}

Status Control::make_management_certificate() {
  auto made = vault_.make_management(options_.fqdn, options_.management.address.text(), wall());
  if (!made) return std::unexpected(made.error());
  auto added = database_.store()->add_certificate(std::move(*made), kBox, wall());
  if (!added) return std::unexpected(added.error());
  return {};
}

// Once at the start and whenever a staged certificate's time has come.
void Control::refresh_certificates() {
  if (!configuration_) return;
  if (auto done = configuration_->refresh(wall()); !done) {
    log::error("control", "a staged certificate cannot take effect: {}", done.error().text());
  }
  watch_certificates();
}

void Control::watch_certificates() {
  if (!configuration_) return;
  const auto next = configuration_->next_effective(wall());
  if (!next || !*next) return certificate_alarm_.cancel();
  // In seconds: nanoseconds end with the year 2262, certificates do not.
  const auto longest = std::chrono::duration_cast<std::chrono::seconds>(kLongestAlarm);
  loop_.timers().set(certificate_alarm_, now_monotonic() + std::min(**next - wall(), longest));
}

Result<std::string> Control::recover_database() {
  configuration_.reset();
  if (running().number == 0) {
    if (auto found = generations_.load(generations_.current().value_or(0))) {
      found_on_disk_ = std::move(*found);
    }
  }
  auto moved = database_.move_aside(wall());
  if (!moved) return moved;
  log::warning("control", "damaged database: {}", *moved);
  if (auto opened = database_.open(false); !opened) return std::unexpected(opened.error());
  begin();
  if (!configuration_) return std::unexpected(not_ready());
  database_.copy_now();
  return moved;
}

void Control::count(std::string_view series) { counters_->add(counters_->series(series)); }

void Control::set_gauges() {
  counters_->set(counters_->series("fedge_control_database_ok"), database_.store() != nullptr);
  counters_->set(counters_->series("fedge_control_revision"), running().revision);
  counters_->set(counters_->series("fedge_control_generation"), running().number);
}

}  // namespace fedge::control
