// The control thread's half of media: sessions' memory, keys, the plan of each snapshot, and what
// travels between the workers and signal, control and front.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "dataplane/fastpath/crossing.h"
#include "dataplane/fastpath/media_part.h"
#include "dataplane/media/plan.h"
#include "firmware/link/channel.h"
#include "firmware/link/offer.h"
#include "firmware/pki/seal.h"

namespace fedge::fastpath {

class MediaControl {
 public:
  // All outlive it. `event`: see MediaSurroundings.
  MediaControl(const Mirror& mirror, Crossing& crossing, int event);

  Status take_key(const Fd& key);
  // True: with this one each worker has its sessions.
  Result<bool> take_memory(const link::SessionMemory& message, const Fd& memory);
  // Null until each worker has its sessions.
  std::array<MediaPart*, kMostWorkers> parts() const;

  // What the offer says about media; without a section for it nothing is ours.
  Result<std::shared_ptr<const media::Plan>> compile(const link::Offer& offer,
                                                     std::span<const media::BoxPort> ports);
  static std::shared_ptr<const media::Plan> no_plan() { return media::Plan::none(); }

  // To the worker that is named, or to all: those whom it does not concern pass it over.
  void end_session(const link::SessionEnd& what);
  void anchor(const link::Anchor& what);
  void end_anchor(const link::AnchorEnd& what);
  // To each worker: signal is to hear of the streams that it has.
  void tell_anchors();
  Status take_front_ring(const link::FrontRing& message, std::span<Fd> fds);

  // What the workers have to say.
  void read_reports(const std::function<void(const Report&)>& on_report,
                    const std::function<void(const link::AnchorHeld&)>& on_held);
  uint64_t session_count() const;
  // Follows the growth of the workers' session memory.
  void settle_memory();

 private:
  bool is_complete() const;
  void post(size_t worker, Order order);

  const Mirror& mirror_;
  Crossing& crossing_;
  const int event_;
  media::Quotas quotas_;
  OpenPorts tcp_relays_;
  pki::Secret sealing_key_;
  std::array<std::byte, pki::Cmac::kKeySize> nonce_key_{};
  uint32_t sequence_ = 1;
  std::vector<std::unique_ptr<MediaPart>> parts_;  // by worker
  // What came before the workers had their sessions: from signal and front, which start with us.
  std::vector<std::pair<size_t, Order>> early_;
};

}  // namespace fedge::fastpath
