#include "dataplane/signal/crew.h"

#include <pthread.h>

#include <string>
#include <thread>

#include "dataplane/sip/next_hops.h"
#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

// A worker beats ten times a second; one that has not for so long is stuck.
constexpr Duration kStuck = 2s;

}  // namespace

struct Crew::Member {
  Member(Crew& crew, Loop* shared, Counters* page, const WorkerOptions& options)
      : own_loop(shared == nullptr ? std::make_unique<Loop>() : nullptr),
        loop(shared == nullptr ? *own_loop : *shared),
        own_counters(page == nullptr ? std::make_unique<Counters>() : nullptr),
        counters(page == nullptr ? *own_counters : *page),
        worker(crew, loop, counters, crew.exchange_, options) {}

  void start(uint32_t number) {
    loop.at_round_end([this] { worker.finish_round(); });
    thread = std::thread([this, number] {
      ::pthread_setname_np(::pthread_self(), ("worker-" + std::to_string(number)).c_str());
      loop.run();
    });
  }
  void stop() {
    if (!thread.joinable()) return;
    worker.mailbox().post([this] { loop.stop(); });
    thread.join();
  }

  std::unique_ptr<Loop> own_loop;
  Loop& loop;
  std::unique_ptr<Counters> own_counters;
  Counters& counters;
  Worker worker;
  std::thread thread;
  uint64_t beats = 0;  // when it was looked at last
  Instant beaten{};
  uint32_t evictions = 0;  // asked for and not done
};

Crew::Crew(Loop& loop, Counters& page, const snapshot::Signalling& limits,
           const CrewOptions& options)
    : loop_(loop),
      options_(options),
      home_(loop),
      door_(
          loop, page, limits, [this](Visitor visitor) { let_in(std::move(visitor)); },
          [this] { return make_room(); }, options.each.use_devices),
      exchange_(options.workers, limits.max_message),
      directory_(options.directory
                     ? std::make_unique<Directory>(loop, page, options.each.use_devices,
                                                   options.each.reporter)
                     : nullptr),
      tally_(page) {
  // A worker alone counts into the page itself.
  const bool alone = options.workers == 1;
  for (uint32_t i = 0; i < options.workers; ++i) {
    WorkerOptions own = options.each;
    own.number = i;
    own.directory = directory_.get();
    members_.push_back(std::make_unique<Member>(*this, options.threads ? nullptr : &loop_,
                                                alone ? &page : nullptr, own));
    if (!alone) tally_.include(members_.back()->counters);
  }
  if (!options.threads) loop_.at_round_end([this] { finish_round(); });
}

Crew::~Crew() {
  for (const auto& member : members_) member->stop();
  directory_.reset();  // it writes to the workers
  if (!options_.threads) loop_.at_round_end({});
}

void Crew::finish_round() {
  for (const auto& member : members_) member->worker.finish_round();
}

Worker& Crew::worker(uint32_t number) { return members_[number]->worker; }

uint32_t Crew::owner_of(std::string_view host) const {
  return static_cast<uint32_t>(sip::hash_of_host(host) % members_.size());
}

void Crew::post(uint32_t worker, Mailbox::Work work) {
  members_[worker]->worker.mailbox().post(std::move(work));
}

Crew::Latest Crew::latest() const {
  const std::scoped_lock lock(latest_mutex_);
  return latest_;
}

Status Crew::use(std::shared_ptr<const Generation> next, std::function<void()> running) {
  if (auto ok = door_.prepare(*next); !ok) return ok;
  if (next->limits().max_message > longest_message()) {
    log::warning(
        "signal",
        "messages of up to {} octets are wanted, and up to {} are taken: signalling workers "
        "hand no longer ones to each other until fedge-signal starts again",
        next->limits().max_message, longest_message());
  }
  const bool is_first = generation_ == nullptr;
  generation_ = std::move(next);
  running_ = std::move(running);
  still_changing_ = size();
  uint64_t number = 0;
  {
    const std::scoped_lock lock(latest_mutex_);
    number = ++latest_.number;
    latest_.generation = generation_;
  }
  for (uint32_t i = 0; i < size(); ++i) {
    post(i, [this, i, number] {
      members_[i]->worker.catch_up(number);
      home_.post([this] { on_running(); });
    });
  }
  if (is_first && options_.threads) {
    for (uint32_t i = 0; i < size(); ++i) members_[i]->start(i);
  }
  return {};
}

void Crew::on_running() {
  if (--still_changing_ != 0) return;
  door_.commit(generation_);
  if (directory_ != nullptr) directory_->use(*generation_);
  const auto running = std::move(running_);
  running();
}

// In turn: handshakes cost far more than anything else, and whose they are is not known yet.
void Crew::let_in(Visitor visitor) {
  const uint32_t number = next_in_turn_++ % size();
  auto moved = std::make_shared<Visitor>(std::move(visitor));
  post(number, [this, number, moved] { members_[number]->worker.take_in(std::move(*moved)); });
}

bool Crew::make_room() {
  for (uint32_t i = 0; i < size(); ++i) {
    if (members_[i]->worker.silent() <= members_[i]->evictions) continue;
    ++members_[i]->evictions;
    post(i, [this, i] {
      members_[i]->worker.drop_oldest_silent();
      home_.post([this, i] { --members_[i]->evictions; });
    });
    return true;
  }
  return false;
}

void Crew::use_fastpath_link(const Fd& socket) {
  for (uint32_t i = 0; i < size(); ++i) {
    auto own = std::make_shared<Fd>(socket.duplicate());
    post(i, [this, i, own] { members_[i]->worker.use_fastpath_link(std::move(*own)); });
  }
}

bool Crew::beat(Instant now) {
  if (size() > 1) tally_.sum();
  if (generation_ == nullptr) return true;  // no thread yet
  bool all = true;
  for (const auto& member : members_) {
    const uint64_t beats = member->worker.beats();
    if (beats != member->beats || member->beaten == Instant{}) member->beaten = now;
    member->beats = beats;
    all = all && now - member->beaten < kStuck;
  }
  return all;
}

void Crew::begin_stop(std::function<void()> stopped) {
  door_.close();
  stopped_ = std::move(stopped);
  still_draining_ = size();
  for (uint32_t i = 0; i < size(); ++i) {
    post(i, [this, i] { members_[i]->worker.begin_stop(); });
  }
}

void Crew::report_left(const Admission& admission) {
  home_.post([this, admission] { door_.on_left(admission); });
}

void Crew::report_drained() {
  home_.post([this] {
    if (--still_draining_ == 0) stopped_();
  });
}

}  // namespace fedge::signal
