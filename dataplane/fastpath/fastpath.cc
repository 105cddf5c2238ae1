#include "dataplane/fastpath/fastpath.h"

#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "firmware/base/log.h"

namespace fedge::fastpath {

namespace {

using link::MessageKind;

constexpr unsigned kBeatsOfSecond = 10;

uint64_t random_seed() {
  uint64_t seed = 0;
  (void)!::getrandom(&seed, sizeof seed, 0);
  return seed;
}

std::vector<admission::BoxPort> describe(const std::vector<Port>& ports) {
  std::vector<admission::BoxPort> out;
  for (const Port& port : ports) out.push_back({port.name, port.mac});
  return out;
}

std::vector<std::string> names_of(const admission::Tables& tables) {
  std::vector<std::string> out;
  out.reserve(tables.realms().size());
  for (const auto& realm : tables.realms()) out.push_back(realm.name);
  return out;
}

// Where each realm of `before` stands in `after`.
std::vector<uint16_t> places_of(const std::vector<std::string>& before,
                                const std::vector<std::string>& after) {
  std::vector<uint16_t> out;
  out.reserve(before.size());
  for (const std::string& name : before) {
    const auto place = std::ranges::find(after, name);
    out.push_back(place == after.end() ? admission::kNoRealm
                                       : static_cast<uint16_t>(place - after.begin()));
  }
  return out;
}

}  // namespace

void Ready::watch(int fd) {
  if (fd_ >= 0) loop_.unwatch(fd_, *this);
  fd_ = fd;
  if (fd_ < 0) return;
  if (auto done = loop_.watch(fd_, EPOLLIN, *this); !done) {
    log::error("fastpath", "{}", done.error().text());
  }
}

Fastpath::Fastpath(Loop& loop, std::vector<Port> ports, FramePools pools,
                   std::unique_ptr<Crossing> crossing, Fd init, std::function<void()> stop)
    : loop_(loop),
      ports_(std::move(ports)),
      pools_(pools),
      box_ports_(describe(ports_)),
      stop_(std::move(stop)),
      init_(loop, link::Process::fastpath, link::Process::init, std::move(init)),
      seed_(random_seed()),
      peers_(seed_),
      mirror_(seed_, [this](uint16_t realm,
                            const IpAddress& address) { return is_wanted(realm, address); }),
      tables_(admission::Tables::none()),
      ledger_(std::make_shared<Ledger>(Counters(), crossing->workers())),
      crossing_(std::move(crossing)),
      news_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      media_plan_(MediaControl::no_plan()),
      routes_(std::make_shared<RouteTable>()),
      media_(mirror_, *crossing_, news_.get()),
      news_ready_(loop, [this] { on_news(); }),
      monitor_ready_(loop, [this] { follow_kernel(); }),
      beat_([this](Instant) { on_beat(); }) {
  for (const Port& port : ports_) media_ports_.push_back({port.name, port.mac});
  const Surroundings surroundings{ports_, pools, peers_, mirror_, *crossing_, news_.get()};
  for (uint8_t i = 0; i < crossing_->workers(); ++i) {
    workers_.push_back(std::make_unique<Worker>(surroundings, i));
  }
}

Fastpath::~Fastpath() {
  for (const auto& worker : workers_) worker->stop();
}

Status Fastpath::start() {
  if (!news_) return fail_errno("fastpath", "cannot make an event");
  submit(false);
  for (const auto& worker : workers_) {
    if (auto started = worker->start(plans_.back().get()); !started) return started;
  }
  return {};
}

void Fastpath::serve() {
  init_.start([this](link::Received message) { on_init_message(message); },
              [this](const std::string& reason) {
                log::warning("fastpath", "init is gone ({}): nothing to forward for", reason);
                stop_();
              });
  news_ready_.watch(news_.get());
  set_beat_alarm();
  (void)init_.send(link::Ready{});
}

void Fastpath::on_init_message(link::Received message) {
  switch (message.kind) {
    case MessageKind::counters:
      return on_counters(message);
    case MessageKind::link_opened:
      return on_link_opened(message);
    case MessageKind::snapshot_offer:
      return on_offer(message);
    case MessageKind::tap_queue:
      return on_tap(message);
    case MessageKind::netlink_socket:
      return on_netlink(message);
    case MessageKind::sealing_key:
      if (message.fds.size() != 1) return;
      if (auto taken = media_.take_key(message.fds[0]); !taken) {
        log::error("fastpath", "{}", taken.error().text());
      }
      return;
    case MessageKind::session_memory:
      return on_session_memory(message);
    case MessageKind::stop:
      return stop_();
    default:
      return;
  }
}

void Fastpath::on_session_memory(link::Received& message) {
  const auto memory = link::decode<link::SessionMemory>(message.payload);
  if (!memory || message.fds.size() != 1) return;
  const auto complete = media_.take_memory(*memory, message.fds[0]);
  if (!complete) return log::error("fastpath", "{}", complete.error().text());
  if (*complete) submit(false);
}

void Fastpath::on_counters(link::Received& message) {
  if (message.fds.size() != 1) return;
  auto page = Mapping::read_write(message.fds[0].get());
  if (!page) return log::error("fastpath", "counters: {}", page.error().text());
  ledger_ = std::make_shared<Ledger>(Counters(std::move(*page)), workers_.size());
  submit(false);
}

Result<std::shared_ptr<const admission::Tables>> Fastpath::compile(const link::Offer& offer) const {
  snapshot::Section<snapshot::Realms> realms;
  snapshot::Section<snapshot::Listeners> listeners;
  snapshot::Section<snapshot::Routing> routing;
  snapshot::Section<snapshot::Resolver> resolver;
  snapshot::Section<snapshot::Media> media;
  Status ok = offer.open(realms);
  if (ok) ok = offer.open(listeners);
  if (ok) ok = offer.open(routing);
  if (ok) ok = offer.open(resolver);
  if (ok && offer.brings(snapshot::Kind::media)) ok = offer.open(media);
  if (!ok) return std::unexpected(ok.error());
  auto tables = admission::Tables::build(
      {realms, listeners, routing, resolver, media ? &media : nullptr}, box_ports_);
  if (!tables) return std::unexpected(tables.error());
  if ((*tables)->realms().size() > Worker::kMostRealms) {
    return fail("realms", "more than " + std::to_string(Worker::kMostRealms));
  }
  for (const auto& realm : (*tables)->realms()) {
    if (realm.mtu <= kMostMtu) continue;
    return fail("realm " + realm.name, "its MTU is " + std::to_string(realm.mtu),
                "the ports carry at most " + std::to_string(kMostMtu));
  }
  return std::shared_ptr<const admission::Tables>(std::move(*tables));
}

void Fastpath::refuse(const link::SnapshotOffer& offer, const Error& error) {
  const std::string reason = error.text();
  log::error("fastpath", "generation {} refused: {}", offer.generation, reason);
  (void)init_.send(link::SnapshotRunning{offer.generation, offer.revision, false, reason});
}

void Fastpath::on_offer(link::Received& message) {
  auto decoded = link::decode<link::SnapshotOffer>(message.payload);
  if (!decoded) return log::error("fastpath", "an offer that cannot be read");
  const link::Offer offer{std::move(*decoded), std::move(message.fds)};
  auto tables = compile(offer);
  if (!tables) return refuse(offer.message, tables.error());
  auto media = media_.compile(offer, media_ports_);
  if (!media) return refuse(offer.message, media.error());
  media_plan_ = std::move(*media);
  generation_ = offer.message.generation;
  revision_ = offer.message.revision;
  adopt_tables(std::move(*tables));
  submit(true);
}

void Fastpath::adopt_tables(std::shared_ptr<const admission::Tables> tables) {
  const auto before = names_of(*tables_);
  auto after = names_of(*tables);
  tables_ = std::move(tables);
  if (before == after) return;
  // A realm that went takes its tap with it; one that is still to come may have sent its own.
  std::erase_if(taps_, [&](const auto& tap) {
    return std::ranges::find(before, tap.first) != before.end() &&
           std::ranges::find(after, tap.first) == after.end();
  });
  // Peers and the mirror go by a realm's place in the snapshot.
  peers_.renumber(places_of(before, after));
  for (link::PeerConnected& peer : std::exchange(early_peers_, {})) connect_peer(std::move(peer));
  wanted_neighbours_.clear();
  mirror_.set_realms(std::move(after));
  update_routes();
  start_mirror();
}

// Realms are numbered anew with their routes; the caller submits a plan.
void Fastpath::update_routes() {
  routes_ = std::make_shared<RouteTable>(routes_->epoch() + 1, mirror_.all_routes());
}

void Fastpath::start_mirror() {
  if (!monitor_) return;
  if (auto started = monitor_->start(mirror_); !started) {
    log::error("fastpath", "neighbours and routes: {}", started.error().text());
  }
}

void Fastpath::on_tap(link::Received& message) {
  const auto tap = link::decode<link::TapQueue>(message.payload);
  if (!tap || tap->queue >= workers_.size() || message.fds.size() != 1) return;
  taps_[tap->realm][tap->queue] = std::make_shared<const Fd>(std::move(message.fds[0]));
  submit(false);
}

void Fastpath::on_netlink(link::Received& message) {
  if (message.fds.size() != 1) return;
  monitor_ready_.watch(-1);
  monitor_ = std::make_unique<netlink::Monitor>(std::move(message.fds[0]));
  monitor_ready_.watch(monitor_->fd());
  start_mirror();
}

void Fastpath::follow_kernel() {
  if (auto read = monitor_->read(mirror_); !read) {
    log::error("fastpath", "neighbours and routes are not mirrored any more: {}",
               read.error().text());
    monitor_ready_.watch(-1);
  }
  if (!mirror_.take_changed_routes()) return;
  update_routes();
  submit(false);
}

void Fastpath::submit(bool answers) {
  auto plan = std::make_unique<Plan>();
  plan->sequence = plans_.empty() ? 1 : plans_.back()->sequence + 1;
  plan->generation = generation_;
  plan->revision = revision_;
  plan->answers = answers;
  plan->tables = tables_;
  plan->ledger = ledger_;
  plan->routes = routes_;
  plan->media = media_plan_;
  plan->media_parts = media_.parts();
  complete_plan(*plan, box_ports_, taps_);
  plans_.push_back(std::move(plan));
  for (const auto& worker : workers_) worker->offer(plans_.back().get());
}

void Fastpath::on_news() {
  uint64_t ignored;
  (void)!::read(news_.get(), &ignored, sizeof ignored);
  on_adopted();
  media_.read_reports([this](const Report& report) { on_report(report); },
                      [this](const link::AnchorHeld& held) {
                        if (signal_) (void)signal_->send(held);
                      });
}

void Fastpath::on_adopted() {
  uint64_t adopted = plans_.back()->sequence;
  for (const auto& worker : workers_) adopted = std::min(adopted, worker->adopted());
  for (const auto& plan : plans_) {
    if (plan->sequence > adopted) break;
    plan->ledger->page().set(plan->meters.generation, plan->generation);
    plan->ledger->page().set(plan->meters.revision, plan->revision);
    if (!std::exchange(plan->answers, false)) continue;
    log::info("fastpath", "runs generation {}, revision {}", plan->generation, plan->revision);
    (void)init_.send(link::SnapshotRunning{plan->generation, plan->revision, true, {}});
  }
  std::erase_if(plans_, [&](const auto& plan) { return plan->sequence < adopted; });
}

void Fastpath::on_beat() {
  publish_counts();
  media_.settle_memory();
  if (++beats_ % kBeatsOfSecond == 0) on_second();
  set_beat_alarm();
}

void Fastpath::on_second() {
  // A flood of strangers may have kept out who is a peer by now.
  if (std::exchange(missing_neighbour_, false)) start_mirror();
}

void Fastpath::set_beat_alarm() { loop_.timers().set(beat_, loop_.now() + 1s / kBeatsOfSecond); }

void Fastpath::publish_counts() {
  ledger_->publish();
  // The page's sign of life is the slowest worker's.
  Instant alive = never;
  for (const auto& worker : workers_) alive = std::min(alive, worker->alive());
  Counters& page = ledger_->page();
  page.beat(alive);
  const Meters& meters = plans_.back()->meters;
  page.set(plans_.back()->media_meters.sessions, media_.session_count());
  for (size_t i = 0; i < ports_.size(); ++i) {
    const PortLosses losses = read_losses(ports_[i]);
    page.set(meters.ports[i].missed, losses.missed);
    page.set(meters.ports[i].no_buffer, losses.no_buffer);
    page.set(meters.ports[i].damaged, losses.damaged);
    page.set(meters.ports[i].not_sent, losses.not_sent);
  }
  page.set(meters.frames_in_use, count_in_use(pools_.frames));
  page.set(meters.large_in_use, count_in_use(pools_.large));
  page.set(meters.peers, peers_.size());
  page.set(meters.peers_not_kept, peers_not_kept_);
  page.set(meters.neighbours_not_kept, mirror_.not_kept());
  const auto realms = static_cast<uint16_t>(meters.realms.size());
  for (uint16_t realm = 0; realm < realms; ++realm) {
    page.set(meters.realms[realm].neighbours, mirror_.neighbours(realm));
    page.set(meters.realms[realm].routes, mirror_.routes(realm).size());
  }
}

}  // namespace fedge::fastpath
