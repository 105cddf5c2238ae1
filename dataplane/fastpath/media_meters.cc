#include "dataplane/fastpath/media_meters.h"

#include <fmt/core.h>

#include "dataplane/fastpath/ledger.h"

namespace fedge::fastpath {

namespace {

constexpr std::array<std::string_view, media::kSessionKinds> kKinds{"free", "turn", "ms_turn",
                                                                    "anchor"};
constexpr std::array<std::string_view, 2> kDirections{"from_client", "to_client"};
constexpr std::array<std::string_view, media::kEndCauses> kEnds{
    "client", "operator", "signal", "expired", "silence", "publish", "moved"};
constexpr uint16_t kNoRoom = 508;

uint64_t refusals(const media::TurnCounts& turn, uint16_t code) { return turn.errors[code - 300u]; }

}  // namespace

MediaMeters MediaMeters::make(Counters& counters) {
  MediaMeters out;
  const auto labelled = [&](std::string_view what, std::string_view label, std::string_view value) {
    return counters.series(fmt::format("fedge_media_{}_total{{{}=\"{}\"}}", what, label, value));
  };
  for (size_t kind = 1; kind < kKinds.size(); ++kind) {
    for (size_t d = 0; d < kDirections.size(); ++d) {
      const auto series = [&](std::string_view what) {
        return counters.series(fmt::format("fedge_media_{}_total{{kind=\"{}\",direction=\"{}\"}}",
                                           what, kKinds[kind], kDirections[d]));
      };
      out.flows[kind][d] = {series("packets"), series("bytes")};
    }
  }
  for (size_t i = 1; i < out.dropped.size(); ++i) {
    out.dropped[i] = labelled("dropped", "reason", text(static_cast<media::Reason>(i)));
  }
  for (size_t i = 0; i < kEnds.size(); ++i) out.ended[i] = labelled("ended", "cause", kEnds[i]);
  out.requests = counters.series("fedge_media_requests_total");
  out.answers = counters.series("fedge_media_answers_total");
  out.inside = counters.series("fedge_media_inside_total");
  out.rechecked = counters.series("fedge_media_rechecked_total");
  out.allocations = counters.series("fedge_media_allocations_total");
  out.limited = counters.series("fedge_media_limited_total");
  for (size_t i = 0; i < kCodes.size(); ++i) {
    out.refused[i] = labelled("refused", "code", std::to_string(kCodes[i]));
  }
  out.no_room = labelled("refused", "code", std::to_string(kNoRoom));
  out.sessions = counters.series("fedge_media_sessions");
  return out;
}

void MediaMeters::write(Tally& tally, const media::StationCounts& station,
                        const media::TurnCounts& turn) const {
  for (size_t kind = 1; kind < flows.size(); ++kind) {
    for (size_t d = 0; d < 2; ++d) {
      const auto& flow = d == 0 ? station.from_client[kind] : station.to_client[kind];
      tally.set(flows[kind][d].packets, flow.packets);
      tally.set(flows[kind][d].bytes, flow.bytes);
    }
  }
  for (size_t i = 1; i < dropped.size(); ++i) tally.set(dropped[i], station.dropped[i]);
  for (size_t i = 0; i < ended.size(); ++i) tally.set(ended[i], station.ended[i]);
  tally.set(requests, station.requests);
  tally.set(answers, station.answers);
  tally.set(inside, station.inside);
  tally.set(rechecked, station.rechecked);
  tally.set(allocations, turn.allocations);
  tally.set(limited, turn.limited);
  for (size_t i = 0; i < kCodes.size(); ++i) tally.set(refused[i], refusals(turn, kCodes[i]));
  tally.set(no_room, refusals(turn, kNoRoom));
}

}  // namespace fedge::fastpath
