// Where next hops are that are found by name (R4). Every name of the snapshot is kept looked up
// ahead of requests: asked after a publish, a bounded number at a time, those first that somebody
// wants to reach; renewed before its time is over; kept when name servers do not answer. Lives on
// one loop; workers on any thread say what they want and are told by their mailboxes, so that no
// request waits for a name server.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "dataplane/signal/directory_statistics.h"
#include "dataplane/signal/generation.h"
#include "dataplane/signal/hop_name.h"
#include "dataplane/signal/reporter.h"
#include "firmware/base/loop.h"
#include "firmware/base/mailbox.h"
#include "firmware/resolve/service.h"

namespace fedge::signal {

// What a name leads to.
struct Found {
  HopName name;
  std::vector<resolve::Target> targets;  // each once, in no order of attempts; empty: nowhere
  std::string why;                       // when they are empty
};

class Directory {
 public:
  using OnFound = std::function<void(const std::shared_ptr<const Found>&)>;

  // Without `use_devices` sockets are bound to no interface (tests). `reporter` may be null.
  Directory(Loop& loop, Counters& counters, bool use_devices, Reporter* reporter = nullptr);
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  // Any thread, once a worker (numbered below 64), before it wants anything. `on_found` is called
  // on its loop, by its mailbox; both outlive this.
  void attach(uint32_t worker, Mailbox& mailbox, OnFound on_found);
  // Any thread. The worker is told what is known as soon as something is, and every change from
  // then on, until a publish takes the name away. Again after each publish.
  // Gives what is known already, null when nothing is.
  std::shared_ptr<const Found> want(uint32_t worker, HopName name);

  // The names, name servers and own addresses of what is published from now on.
  void use(const Generation& generation);

 private:
  struct Name final : Timer {
    void on_timer(Instant) override { directory->on_due(*this); }
    Directory* directory = nullptr;
    const HopName* name = nullptr;
    enum class State : uint8_t { resting, queued, asking } state = State::resting;
    NameStanding standing = NameStanding::unknown;
    bool listed = false;                 // in the snapshot, or wanted by who is ahead of us
    bool is_untold = false;              // there is news for control
    bool patience_over = false;          // while asking: what is there will do
    uint64_t workers = 0;                // who wants it, by bits
    size_t refused = 0;                  // hash of what was reported as refused
    Instant answered{};                  // when name servers last said where it is
    std::shared_ptr<const Found> found;  // as told last; null before the first answer
    std::vector<dns::Question> awaits;
  };

  void use_servers(const Generation& generation);
  bool use_own_addresses(const Generation& generation);
  void drop_unlisted();
  Name& add(const HopName& name);
  void on_want(uint32_t worker, const HopName& name);
  void on_due(Name& name);
  void on_settled(const dns::Question& question);

  void queue(Name& name, bool urgent);
  Name* take_next();
  void pump();
  resolve::Partner look_up(const HopName& name);
  void ask(Name& name);
  void conclude(Name& name, resolve::Partner& partner, Instant now);
  void tell(Name& name, std::vector<resolve::Target> targets, std::string why);
  void deliver(const Name& name, uint64_t workers);

  // directory_reports.cc
  void stand(Name& name, NameStanding standing);
  void report(const Name& name, NameStanding before, const std::string& why);
  void report_refused(Name& name, const resolve::Partner& partner);
  bool may_log();
  void mark_untold(Name& name);
  void tell_control();

  struct Reader {
    Mailbox* mailbox = nullptr;
    OnFound on_found;
  };

  Loop& loop_;
  DirectoryStatistics statistics_;
  const bool use_devices_;
  Reporter* const reporter_;
  Mailbox mailbox_;
  std::array<Reader, 64> readers_;
  resolve::KernelRandom random_;
  std::unique_ptr<resolve::NameService> service_;  // null: no name servers
  std::vector<Endpoint> servers_;
  std::string device_;
  resolve::DiscoveryRules rules_;

  // Held where names come and go and where one is found, and by who wants one.
  std::mutex mutex_;
  std::unordered_map<HopName, Name, HopNameHash> names_;
  std::deque<Name*> urgent_;  // somebody wants to go there
  std::deque<Name*> ahead_;
  std::vector<Name*> asking_;
  std::deque<Name*> untold_;
  uint64_t told_link_ = 0;
  Alarm pump_;  // more than one round's worth is queued
  Alarm beat_;
  Instant log_window_{};
  uint32_t logged_ = 0;
};

}  // namespace fedge::signal
