#include "dataplane/fastpath/plan.h"

namespace fedge::fastpath {

void complete_plan(Plan& plan, std::span<const admission::BoxPort> ports, const TapSet& taps) {
  plan.meters =
      Meters::make(plan.ledger->page(), plan.ledger->workers(), ports, plan.tables->realms());
  plan.media_meters = MediaMeters::make(plan.ledger->page());
  plan.realms.clear();
  plan.realm_of_tap.clear();
  for (const admission::RealmEntry& realm : plan.tables->realms()) {
    RealmPath path;
    path.port = realm.port;
    path.vlan = realm.vlan;
    path.most_frame = static_cast<uint16_t>(realm.mtu + ip::kEthernetSize);
    if (const auto tap = taps.find(realm.name); tap != taps.end()) path.taps = tap->second;
    for (const auto& queue : path.taps) {
      if (!queue) continue;
      const auto fd = static_cast<size_t>(queue->get());
      if (plan.realm_of_tap.size() <= fd) plan.realm_of_tap.resize(fd + 1, admission::kNoRealm);
      plan.realm_of_tap[fd] = static_cast<uint16_t>(plan.realms.size());
    }
    plan.realms.push_back(std::move(path));
  }
}

}  // namespace fedge::fastpath
