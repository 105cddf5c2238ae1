#include "dataplane/fastpath/meters.h"

#include <fmt/core.h>

namespace fedge::fastpath {

namespace {

constexpr std::array<std::string_view, kLossCount> kLosses{
    "no_tap", "tap_full", "tap_down", "transmit_full", "above_mtu", "crossing_full", "front_full"};
constexpr std::array<std::string_view, 2> kDirections{"in", "out"};

uint32_t drop_series(Counters& counters, std::string_view reason) {
  return counters.series(fmt::format("fedge_fastpath_dropped_total{{reason=\"{}\"}}", reason));
}

PortMeters make_port(Counters& counters, const std::string& port) {
  const auto series = [&](std::string_view what) {
    return counters.series(fmt::format("fedge_fastpath_port_{}_total{{port=\"{}\"}}", what, port));
  };
  return {series("received"),  series("sent"),    series("back_pressure"), series("missed"),
          series("no_buffer"), series("damaged"), series("not_sent")};
}

RealmMeters make_realm(Counters& counters, const std::string& realm) {
  RealmMeters out;
  for (size_t d = 0; d < kDirections.size(); ++d) {
    const auto series = [&](std::string_view what) {
      return counters.series(fmt::format("fedge_fastpath_{}_total{{realm=\"{}\",direction=\"{}\"}}",
                                         what, realm, kDirections[d]));
    };
    for (int c = 0; c < admission::kClassCount; ++c) {
      out.packets[d][static_cast<size_t>(c)] = counters.series(
          fmt::format("fedge_fastpath_packets_total{{realm=\"{}\",direction=\"{}\",class=\"{}\"}}",
                      realm, kDirections[d], text(static_cast<admission::Class>(c))));
    }
    out.bytes[d] = series("bytes");
    out.dropped[d] = series("realm_dropped");
  }
  for (int p = 0; p < admission::kPeerClassCount; ++p) {
    out.peers[static_cast<size_t>(p)] =
        counters.series(fmt::format("fedge_fastpath_peer_packets_total{{realm=\"{}\",peer=\"{}\"}}",
                                    realm, text(static_cast<admission::PeerClass>(p))));
  }
  out.neighbours = counters.series(fmt::format("fedge_fastpath_neighbours{{realm=\"{}\"}}", realm));
  out.routes = counters.series(fmt::format("fedge_fastpath_routes{{realm=\"{}\"}}", realm));
  return out;
}

}  // namespace

std::string_view text(Loss loss) { return kLosses[static_cast<size_t>(loss)]; }

Meters Meters::make(Counters& counters, size_t workers, std::span<const admission::BoxPort> ports,
                    std::span<const admission::RealmEntry> realms) {
  Meters out;
  out.generation = counters.series("fedge_fastpath_generation");
  out.revision = counters.series("fedge_fastpath_revision");
  out.rounds = counters.series("fedge_fastpath_rounds_total");
  out.sleeps = counters.series("fedge_fastpath_sleeps_total");
  out.crossed = counters.series("fedge_fastpath_crossed_total");
  out.peers = counters.series("fedge_fastpath_peers");
  out.peers_not_kept = counters.series("fedge_fastpath_peers_not_kept_total");
  out.neighbours_not_kept = counters.series("fedge_fastpath_neighbours_not_kept_total");
  out.frames_in_use = counters.series("fedge_fastpath_buffers_in_use{pool=\"frames\"}");
  out.large_in_use = counters.series("fedge_fastpath_buffers_in_use{pool=\"large\"}");
  // Index 0 is "nothing wrong" and stays unused.
  for (int i = 1; i < admission::kReasonCount; ++i) {
    const auto reason = admission::Reason::at(static_cast<uint8_t>(i));
    out.drops[static_cast<size_t>(i)] = drop_series(counters, reason.text());
  }
  for (int i = 0; i < kLossCount; ++i) {
    out.losses[static_cast<size_t>(i)] = drop_series(counters, text(static_cast<Loss>(i)));
  }
  for (size_t i = 0; i < workers; ++i) {
    out.received.push_back(
        counters.series(fmt::format("fedge_fastpath_worker_received_total{{worker=\"{}\"}}", i)));
  }
  for (const auto& port : ports) out.ports.push_back(make_port(counters, port.name));
  for (const auto& realm : realms) out.realms.push_back(make_realm(counters, realm.name));
  return out;
}

}  // namespace fedge::fastpath
