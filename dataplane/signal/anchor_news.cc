#include "dataplane/signal/anchor_news.h"

#include <algorithm>

namespace fedge::signal {

AnchorNews::AnchorNews(RealmName realm_name, Counters& counters)
    : realm_name_(std::move(realm_name)),
      counters_(counters),
      untold_(counters.series("fedge_signal_anchors_untold_total")) {}

AnchorNews::Record* AnchorNews::take(size_t most) {
  if (count_ >= most) {
    counters_.add(untold_);
    return nullptr;
  }
  return &records_[(first_ + count_++) % kMost];
}

bool AnchorNews::note(const sip::AnchorUpdate& update) {
  Record* const record = take(kMostUpdates);
  if (record == nullptr) return false;
  record->update = update;
  record->call_id_size =
      static_cast<uint8_t>(std::min(update.call_id.size(), record->call_id.size()));
  for (size_t i = 0; i < record->realms.size(); ++i) {
    const std::string_view name = realm_name_(update.realms[i]);
    record->realms[i].fill('\0');
    name.copy(record->realms[i].data(), record->realms[i].size() - 1);
  }
  // Of a message, for a line of JSON: nothing in it is to be trusted.
  std::transform(update.call_id.begin(), update.call_id.begin() + record->call_id_size,
                 record->call_id.begin(), [](char c) { return c > ' ' && c < 0x7f ? c : '?'; });
  return true;
}

void AnchorNews::note_end(uint64_t call) {
  Record* const record = take(kMost);
  if (record == nullptr) return;
  record->update = {};
  record->update.call = call;
}

link::Anchor AnchorNews::message_of(const Record& record) const {
  const sip::AnchorUpdate& update = record.update;
  link::Anchor out;
  out.id = update.id;
  out.call = update.call;
  out.call_id.assign(record.call_id.data(), record.call_id_size);
  const std::array<link::AnchorSide*, 2> sides = {&out.caller, &out.callee};
  for (size_t i = 0; i < sides.size(); ++i) {
    sides[i]->realm = record.realms[i].data();
    sides[i]->local = update.locals[i];
  }
  link::AnchorSide& speaker = update.from_caller ? out.caller : out.callee;
  speaker.remote = update.remote;
  speaker.remote_rtcp = update.remote_rtcp;
  speaker.prefix = update.prefix;
  speaker.muxed = update.muxed;
  speaker.state = update.closed           ? link::StreamState::closed
                  : update.held           ? link::StreamState::held
                  : update.remote.address ? link::StreamState::active
                                          : link::StreamState::as_before;
  return out;
}

void AnchorNews::flush(link::Channel* link) {
  if (link == nullptr) return;
  while (count_ > 0 && link->open() && link->queued() < kMostQueued) {
    const Record& record = records_[first_];
    const bool sent = record.update.id == 0 ? link->send(link::AnchorEnd{0, record.update.call, {}})
                                            : link->send(message_of(record));
    if (!sent) return;
    first_ = (first_ + 1) % kMost;
    --count_;
  }
}

}  // namespace fedge::signal
