// Anchored calls (M4): what the proxy wants the fast path to know, and what that says.
#include "dataplane/signal/crew.h"
#include "dataplane/signal/worker.h"

namespace fedge::signal {

void Worker::use_fastpath_link(Fd socket) {
  announcer_.use_link(std::move(socket),
                      [this](const link::Received& message) { on_fastpath_message(message); });
}

bool Worker::set_anchor(const sip::AnchorUpdate& update) { return anchor_news_.note(update); }

void Worker::end_anchor(uint64_t call) {
  anchor_news_.note_end(call);
  share_anchor_end(call);
}

// The ports are some worker's: nobody else's hand them out again.
void Worker::share_anchor_end(uint64_t call) {
  for (uint32_t i = 0; i < crew_.size(); ++i) {
    if (i != options_.number) tell(i, Crossing::Kind::anchor_ended, 0, call);
  }
}

// Whoever has the INVITE answers it.
void Worker::refuse_anchor(const link::AnchorEnd& refusal) {
  for (uint32_t i = 0; i < crew_.size(); ++i) {
    crew_.post(i, [&worker = crew_.worker(i), refusal] {
      worker.proxy_.on_anchor_refused(refusal.call, refusal.refused, worker.loop_.now());
    });
  }
}

// All workers have the same link: each message reaches one of them.
void Worker::on_fastpath_message(const link::Received& message) {
  if (message.kind == link::MessageKind::anchor_end) {
    const auto end = link::decode<link::AnchorEnd>(message.payload);
    if (end && !end->refused.empty()) return refuse_anchor(*end);
    // A call lives as long as its first stream: the others end with it.
    if (!end || end->id != end->call) return;
    proxy_.on_anchor_ended(end->call);
    end_anchor(end->call);
  } else if (message.kind == link::MessageKind::anchor_held) {
    const auto held = link::decode<link::AnchorHeld>(message.payload);
    if (!held) return;
    for (uint32_t i = 0; i < crew_.size(); ++i) {
      crew_.post(i, [&worker = crew_.worker(i), held = *held] {
        worker.proxy_.on_anchor_held(held.id, held.caller.local, held.callee.local);
      });
    }
  }
}

}  // namespace fedge::signal
