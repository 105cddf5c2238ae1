// Offering a generation and collecting what each forwarder says to it. Knows nothing of what is
// in it.
#pragma once

#include <array>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "firmware/base/loop.h"
#include "firmware/control/generations.h"
#include "firmware/link/messages.h"

namespace fedge::control {

// One process as init tells it, with what it runs.
struct ProcessView {
  link::Process process{};
  bool known = false;  // init has said something about it
  bool up = false;     // started and ready
  uint32_t pid = 0;
  uint32_t restarts = 0;
  std::string detail;       // how it ended last
  uint64_t generation = 0;  // it runs, 0 for none
  uint64_t revision = 0;
  uint64_t refused = 0;  // the last generation it refused
  std::string reason;    // why it refused, or why it runs nothing
};

enum class ForwarderState : uint8_t { running, missing, refused };
std::string_view name(ForwarderState state);

struct ForwarderAnswer {
  link::Process process{};
  ForwarderState state = ForwarderState::missing;
  uint64_t generation = 0;
  uint64_t revision = 0;
  std::string reason;
};

struct RollOut {
  uint64_t generation = 0;
  uint64_t revision = 0;
  std::vector<ForwarderAnswer> forwarders;
  bool everywhere() const;
  bool refused() const;
};

class Publisher {
 public:
  // Sends to init; false when the link is gone.
  using Send = std::function<bool(const link::SnapshotOffer&, std::span<const int> fds)>;
  // A forwarder (or init itself) refused the generation that is being rolled out.
  using OnRefused = std::function<void(uint64_t generation, const std::string& why)>;

  Publisher(TimerWheel& timers, Send send, OnRefused on_refused);

  // The newest generation: from now on the one that every forwarder should run. A refusal is
  // reported until all run it or `kRollOut` has passed; later it shows in the status only.
  void offer(const Generation& generation, Instant now);
  uint64_t offered() const { return offered_; }

  void on_publish_state(const link::PublishState& state, Instant now);
  void on_process_state(const link::ProcessState& state);
  const ProcessView& view(link::Process process) const;

  // How far `generation` has come: run by all that run it or a newer one.
  RollOut roll_out(uint64_t generation, uint64_t revision) const;
  // Calls back once: when all run it, one refused it, or at `deadline`.
  void wait(uint64_t generation, uint64_t revision, Instant deadline,
            std::function<void(const RollOut&)> done);
  size_t waiting() const { return waiters_.size(); }

  static constexpr Duration kRollOut = 30s;

 private:
  struct Waiter {
    uint64_t generation;
    uint64_t revision;
    std::function<void(const RollOut&)> done;
    std::unique_ptr<Alarm> alarm;
  };
  void settle();
  void finish(std::list<Waiter>::iterator waiter);

  TimerWheel& timers_;
  Send send_;
  OnRefused on_refused_;
  uint64_t offered_ = 0;
  Instant roll_out_until_{};
  std::array<ProcessView, link::kProcessCount> views_;
  std::list<Waiter> waiters_;
};

}  // namespace fedge::control
