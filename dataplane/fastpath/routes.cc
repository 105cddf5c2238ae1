#include "dataplane/fastpath/routes.h"

#include <algorithm>
#include <tuple>

namespace fedge::fastpath {

RouteTable::RouteTable(uint32_t epoch, std::span<const std::vector<netlink::Route>> realms)
    : epoch_(epoch) {
  for (const auto& routes : realms) {
    auto& ways = realms_.emplace_back();
    for (const netlink::Route& route : routes) ways.push_back({route.to, route.via, route.metric});
    std::ranges::sort(ways, [](const Way& a, const Way& b) {
      return std::tie(b.to.length, a.metric, a.to, a.via) <
             std::tie(a.to.length, b.metric, b.to, b.via);
    });
  }
}

std::optional<IpAddress> RouteTable::find(uint16_t realm, const IpAddress& address) const {
  if (realm >= realms_.size()) return std::nullopt;
  for (const Way& way : realms_[realm]) {
    if (way.to.contains(address)) return way.via ? way.via : address;
  }
  return std::nullopt;
}

}  // namespace fedge::fastpath
