#include "dataplane/signal/directory.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace fedge::signal {

namespace {

using resolve::Partner;
using resolve::PartnerState;
using resolve::Target;

constexpr Duration kBeat = 100ms;
// Look-ups under way beyond which no name is begun ahead of its use, and none at all. One name
// may need one for SRV and two for each of 32 records; the resolver refuses the 257th.
constexpr size_t kMostAhead = 48;
constexpr size_t kMostUrgent = 160;
constexpr size_t kNamesPerRound = 64;
// With one address known, those that wait for the others do no longer.
constexpr Duration kPatience = 250ms;
// Nothing is asked about again sooner, whatever its time to live.
constexpr Duration kShortestRest = 1s;
constexpr Duration kLongestRest = 24h;
constexpr Duration kLongestStale = 72h;  // RFC 8767 section 5
// The directory remembers what it found: the cache only has to hold what is being worked on.
constexpr resolve::CacheSettings kCache{.most_found = 8192, .most_missing = 4096};

// Equal lists are equal whatever order a name server gave them in.
void sort_targets(std::vector<Target>& targets) {
  std::ranges::sort(targets, {}, [](const Target& t) {
    return std::tie(t.priority, t.host, t.endpoint, t.weight);
  });
}

bool same_targets(const std::vector<Target>& a, const std::vector<Target>& b) {
  return std::ranges::equal(a, b, [](const Target& x, const Target& y) {
    return x.endpoint == y.endpoint && x.host == y.host && x.priority == y.priority &&
           x.weight == y.weight;
  });
}

std::string why_nowhere(const HopName& name, const Partner& partner, bool has_servers) {
  switch (partner.state) {
    case PartnerState::not_offered:
      return "its SRV record says that it does not federate";
    case PartnerState::forbidden:
      return "all that it names is refused";
    case PartnerState::absent:
      return name.lookup == snapshot::Lookup::srv
                 ? "DNS has neither an SRV record nor an address for it"
                 : "DNS has no address for it";
    default:
      return has_servers ? "no name server answers" : "no name server is configured";
  }
}

}  // namespace

Directory::Directory(Loop& loop, Counters& counters, bool use_devices, Reporter* reporter)
    : loop_(loop),
      statistics_(counters),
      use_devices_(use_devices),
      reporter_(reporter),
      mailbox_(loop),
      pump_([this](Instant) { pump(); }),
      beat_([this](Instant now) {
        if (service_) {
          statistics_.take(service_->resolver().counters(), service_->resolver().lookups());
        }
        tell_control();
        loop_.timers().set(beat_, now + kBeat);
      }) {
  rules_.inside_only = true;
  loop_.timers().set(beat_, loop_.now() + kBeat);
}

Directory::~Directory() = default;

void Directory::attach(uint32_t worker, Mailbox& mailbox, OnFound on_found) {
  mailbox_.post([this, worker, &mailbox, on_found = std::move(on_found)] {
    readers_[worker] = {&mailbox, on_found};
  });
}

std::shared_ptr<const Found> Directory::want(uint32_t worker, HopName name) {
  std::shared_ptr<const Found> found;
  {
    const std::lock_guard lock(mutex_);
    const auto place = names_.find(name);
    if (place != names_.end()) found = place->second.found;
  }
  mailbox_.post([this, worker, name = std::move(name)] { on_want(worker, name); });
  return found;
}

void Directory::on_want(uint32_t worker, const HopName& wanted) {
  // One of a newer snapshot than ours is only known so far by being wanted.
  Name& name = add(wanted);
  name.workers |= uint64_t{1} << worker;
  if (name.found != nullptr) return deliver(name, uint64_t{1} << worker);
  if (name.state != Name::State::asking) queue(name, true);
  pump();
}

// --- what is published ---------------------------------------------------------------------------

void Directory::use(const Generation& generation) {
  use_servers(generation);
  const bool own_changed = use_own_addresses(generation);
  for (auto& [key, name] : names_) name.listed = false;
  for (const snapshot::NextHop& next_hop : generation.next_hops()) {
    if (next_hop.lookup != snapshot::Lookup::none) add(name_of(generation, next_hop)).listed = true;
  }
  drop_unlisted();
  for (auto& [key, name] : names_) {
    // What is refused depends on the addresses that are ours.
    const bool is_due = name.found == nullptr || own_changed;
    if (is_due && name.state == Name::State::resting) queue(name, name.workers != 0);
  }
  pump();
}

void Directory::use_servers(const Generation& generation) {
  const snapshot::Resolver& resolver = generation.resolver.root();
  const auto list = generation.resolver.items(resolver.servers);
  std::vector<Endpoint> servers(list.begin(), list.end());
  std::string device;
  if (use_devices_ && resolver.realm != snapshot::kNone16) {
    device = generation.realm_name(resolver.realm);
  }
  if (servers == servers_ && device == device_) return;
  const bool is_new = service_ == nullptr || device != device_ || servers.empty();
  servers_ = servers;
  device_ = std::move(device);
  if (!is_new) {
    service_->set_servers(std::move(servers));
  } else {
    service_.reset();
    statistics_.forget();
    // Who waited for the old one would wait for ever: no timer stands for it.
    for (Name* name : std::exchange(asking_, {})) {
      name->patience_over = false;
      queue(*name, name->workers != 0);
    }
    if (!servers_.empty()) {
      resolve::Settings settings;
      settings.servers = servers_;
      settings.cache = kCache;
      service_ = std::make_unique<resolve::NameService>(
          loop_, std::move(settings), random_, device_,
          [this](const dns::Question& question) { on_settled(question); });
    }
  }
  // Other servers may know more.
  for (auto& [key, name] : names_) {
    const bool is_lost = name.standing != NameStanding::found;
    if (is_lost && name.state == Name::State::resting) queue(name, name.workers != 0);
  }
}

// True when they are others than before.
bool Directory::use_own_addresses(const Generation& generation) {
  std::vector<IpAddress> own;
  for (const snapshot::Realm& realm : generation.realm_list()) {
    for (const snapshot::RealmAddress& a : generation.realms.items(realm.addresses)) {
      own.push_back(a.address.address);
      if (a.public_address) own.push_back(a.public_address);
    }
  }
  std::ranges::sort(own);
  if (own == rules_.own) return false;
  rules_.own = std::move(own);
  return true;
}

void Directory::drop_unlisted() {
  const auto is_unlisted = [](const Name* name) { return !name->listed; };
  std::erase_if(urgent_, is_unlisted);
  std::erase_if(ahead_, is_unlisted);
  std::erase_if(asking_, is_unlisted);
  std::erase_if(untold_, is_unlisted);
  const std::lock_guard lock(mutex_);
  std::erase_if(names_, [&](const auto& item) {
    if (item.second.listed) return false;
    statistics_.on_name(item.second.standing, -1);
    return true;
  });
}

Directory::Name& Directory::add(const HopName& key) {
  const auto known = names_.find(key);
  if (known != names_.end()) return known->second;
  const std::lock_guard lock(mutex_);
  const auto place = names_.try_emplace(key).first;
  Name& name = place->second;
  name.directory = this;
  name.name = &place->first;
  statistics_.on_name(name.standing, 1);
  return name;
}

// --- asking --------------------------------------------------------------------------------------

void Directory::queue(Name& name, bool urgent) {
  name.cancel();
  // One that is queued already may be wanted now: it then stands in both queues.
  if (name.state != Name::State::queued || urgent) (urgent ? urgent_ : ahead_).push_back(&name);
  name.state = Name::State::queued;
}

Directory::Name* Directory::take_next() {
  const size_t busy = service_ ? service_->resolver().lookups() : 0;
  for (auto* queue : {&urgent_, &ahead_}) {
    if (busy >= (queue == &urgent_ ? kMostUrgent : kMostAhead)) continue;
    while (!queue->empty()) {
      Name* const name = queue->front();
      queue->pop_front();
      if (name->state == Name::State::queued) return name;
    }
  }
  return nullptr;
}

void Directory::pump() {
  for (size_t i = 0; i < kNamesPerRound; ++i) {
    Name* const name = take_next();
    if (name == nullptr) return;
    name->state = Name::State::resting;
    ask(*name);
  }
  loop_.timers().set(pump_, loop_.now());
}

void Directory::on_due(Name& name) {
  if (name.state == Name::State::asking) {
    name.patience_over = true;
    return ask(name);
  }
  queue(name, name.workers != 0);
  pump();
}

void Directory::on_settled(const dns::Question& question) {
  std::vector<Name*> due;
  for (Name* name : asking_) {
    if (std::ranges::find(name->awaits, question) != name->awaits.end()) due.push_back(name);
  }
  for (Name* name : due) ask(*name);
  pump();
}

Partner Directory::look_up(const HopName& name) {
  if (service_ == nullptr) {
    Partner none;
    none.ask_again = loop_.now() + kLongestRest;
    return none;
  }
  rules_.use_v4 = name.use_v4;
  rules_.use_v6 = name.use_v6;
  rules_.default_port = name.port;
  return name.lookup == snapshot::Lookup::srv ? service_->find_partner(rules_, name.host)
                                              : service_->find_host(rules_, name.host);
}

void Directory::ask(Name& name) {
  const Instant now = loop_.now();
  Partner partner = look_up(*name.name);
  name.awaits = std::move(partner.awaits);
  const bool is_found = partner.state == PartnerState::found;
  if (name.awaits.empty()) {
    if (name.state == Name::State::asking) std::erase(asking_, &name);
    name.state = Name::State::resting;
    name.patience_over = false;
    const Instant due = std::clamp(partner.ask_again, now + kShortestRest, now + kLongestRest);
    loop_.timers().set(name, due);
    return conclude(name, partner, now);
  }
  if (name.state != Name::State::asking) {
    name.state = Name::State::asking;
    asking_.push_back(&name);
  }
  // Weights are right only with all addresses: what is known serves meanwhile, or a moment passes.
  if (name.found != nullptr || !is_found) return;
  if (name.patience_over) return conclude(name, partner, now);
  if (!name.armed()) loop_.timers().set(name, now + kPatience);
}

void Directory::conclude(Name& name, Partner& partner, Instant now) {
  const bool is_found = partner.state == PartnerState::found;
  if (is_found && !partner.is_stale) name.answered = now;
  const bool has_targets = name.found != nullptr && !name.found->targets.empty();
  const bool keeps =
      partner.state == PartnerState::failed && has_targets && now < name.answered + kLongestStale;
  std::string why;
  if (!is_found) why = why_nowhere(*name.name, partner, service_ != nullptr);
  report_refused(name, partner);
  if (!keeps) tell(name, std::move(partner.targets), why);
  const NameStanding before = name.standing;
  stand(name, keeps || (is_found && partner.is_stale) ? NameStanding::stale
              : is_found                              ? NameStanding::found
                                                      : NameStanding::unresolved);
  report(name, before, why);
}

// --- telling -------------------------------------------------------------------------------------

void Directory::tell(Name& name, std::vector<Target> targets, std::string why) {
  sort_targets(targets);
  if (name.found != nullptr && same_targets(name.found->targets, targets) &&
      name.found->why == why) {
    return;
  }
  auto found = std::make_shared<const Found>(Found{*name.name, std::move(targets), std::move(why)});
  {
    const std::lock_guard lock(mutex_);
    name.found = std::move(found);
  }
  mark_untold(name);
  deliver(name, name.workers);
}

void Directory::deliver(const Name& name, uint64_t workers) {
  for (; workers != 0; workers &= workers - 1) {
    const Reader& reader = readers_[static_cast<size_t>(std::countr_zero(workers))];
    reader.mailbox->post([&reader, found = name.found] { reader.on_found(found); });
  }
}

}  // namespace fedge::signal
