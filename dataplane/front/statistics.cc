#include "dataplane/front/statistics.h"

#include <string>

namespace fedge::front {

Statistics::Statistics(Counters& page)
    : counters(page),
      accepted(page.series("fedge_front_accepted_total")),
      refused_connections(
          page.series("fedge_front_refused_connections_total{limit=\"connections\"}")),
      refused_source(page.series("fedge_front_refused_connections_total{limit=\"source\"}")),
      handshakes_good(page.series("fedge_front_handshakes_total{result=\"good\"}")),
      handshakes_failed(page.series("fedge_front_handshakes_total{result=\"failed\"}")),
      to_worker(page.series("fedge_front_messages_total{to=\"fastpath\"}")),
      to_client(page.series("fedge_front_messages_total{to=\"client\"}")),
      too_long(page.series("fedge_front_dropped_messages_total{reason=\"too_long\"}")),
      slow_client(page.series("fedge_front_dropped_messages_total{reason=\"slow_client\"}")),
      client_gone(page.series("fedge_front_dropped_messages_total{reason=\"client_gone\"}")),
      held(page.series("fedge_front_held_total")),
      connections(page.series("fedge_front_connections")),
      rings_broken(page.series("fedge_front_rings_broken_total")),
      relay_ports(page.series("fedge_front_relay_ports")),
      peers(page.series("fedge_front_peers")),
      peers_connected(page.series("fedge_front_peers_total{direction=\"out\"}")),
      peers_taken(page.series("fedge_front_peers_total{direction=\"in\"}")),
      peers_refused(page.series("fedge_front_peers_refused_total")),
      peers_dropped(page.series("fedge_front_peers_dropped_total")),
      from_peers(page.series("fedge_front_peer_octets_total{to=\"client\"}")),
      to_peers(page.series("fedge_front_peer_octets_total{to=\"peer\"}")) {
  for (int i = 0; i < kCloseReasons; ++i) {
    const std::string reason = text(static_cast<CloseReason>(i));
    closed[static_cast<size_t>(i)] =
        page.series("fedge_front_closed_total{reason=\"" + reason + "\"}");
  }
}

}  // namespace fedge::front
