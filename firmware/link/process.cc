#include "firmware/link/process.h"

#include <algorithm>
#include <array>

#include "firmware/link/messages.h"

namespace fedge::link {

namespace {

using snapshot::Kind;
using enum MessageKind;
using enum Process;

constexpr std::array kFastpathSections{Kind::appliance,    Kind::realms,   Kind::listeners,
                                       Kind::routing,      Kind::resolver, Kind::media,
                                       Kind::keys_fastpath};
constexpr std::array kSignalSections{Kind::appliance, Kind::realms,  Kind::listeners,
                                     Kind::tls,       Kind::routing, Kind::signalling,
                                     Kind::resolver,  Kind::media,   Kind::keys_signal};
constexpr std::array kAgentSections{Kind::appliance, Kind::management, Kind::keys_agent};
constexpr std::array kFrontSections{Kind::appliance,  Kind::realms, Kind::listeners, Kind::tls,
                                    Kind::signalling, Kind::media,  Kind::keys_front};

// Numbers, not names: the box needs no passwd entries, and two appliances share a machine.
constexpr std::array<ProcessSpec, kProcessCount> kProcesses{{
    {init, "init", 0, Namespace::machine, false, false, {}},
    {control, "control", 64301, Namespace::machine, false, false, {}},
    {fastpath, "fastpath", 64302, Namespace::wire, true, true, kFastpathSections},
    {signal, "signal", 64303, Namespace::punt, false, true, kSignalSections},
    {agent, "agent", 64304, Namespace::machine, false, true, kAgentSections},
    {front, "front", 64305, Namespace::punt, false, true, kFrontSections},
}};

constexpr std::array kInitToControl{link_opened,   counters,       sealing_key, publish_state,
                                    process_state, session_memory, stop};
constexpr std::array kControlToInit{ready, snapshot_offer};
constexpr std::array kInitToFastpath{link_opened, counters,       snapshot_offer, sealing_key,
                                     tap_queue,   netlink_socket, session_memory, stop};
constexpr std::array kFastpathToInit{ready, snapshot_running, neighbour_wanted};
constexpr std::array kInitToSignal{link_opened, counters, snapshot_offer, sealing_key, stop};
constexpr std::array kInitToAgent{link_opened, counters,         snapshot_offer,
                                  sealing_key, listening_socket, stop};
constexpr std::array kInitToFront{link_opened, counters, snapshot_offer, sealing_key, stop};
constexpr std::array kForwarderToInit{ready, snapshot_running};
constexpr std::array kAgentToControl{api_request};
constexpr std::array kControlToAgent{api_reply};
constexpr std::array kSignalToFastpath{peer_connected, peer_gone, anchor, anchor_end};
constexpr std::array kFastpathToSignal{anchor_end, anchor_held};
constexpr std::array kControlToFastpath{session_end};
constexpr std::array kSignalToControl{next_hop_state, failover, name_found};
constexpr std::array kFrontToFastpath{front_ring};
constexpr std::array kFastpathToFront{fastpath_workers};

constexpr std::array<LinkSpec, 18> kLinks{{
    {init, control, kInitToControl},
    {control, init, kControlToInit},
    {init, fastpath, kInitToFastpath},
    {fastpath, init, kFastpathToInit},
    {init, signal, kInitToSignal},
    {signal, init, kForwarderToInit},
    {init, agent, kInitToAgent},
    {agent, init, kForwarderToInit},
    {agent, control, kAgentToControl},
    {control, agent, kControlToAgent},
    {signal, fastpath, kSignalToFastpath},
    {fastpath, signal, kFastpathToSignal},
    {control, fastpath, kControlToFastpath},
    {signal, control, kSignalToControl},
    {init, front, kInitToFront},
    {front, init, kForwarderToInit},
    {front, fastpath, kFrontToFastpath},
    {fastpath, front, kFastpathToFront},
}};

}  // namespace

const ProcessSpec& spec(Process process) { return kProcesses[static_cast<size_t>(process)]; }

std::string_view name(Process process) { return spec(process).name; }

bool linked(Process a, Process b) {
  return std::ranges::any_of(kLinks, [&](const LinkSpec& l) {
    return (l.from == a && l.to == b) || (l.from == b && l.to == a);
  });
}

bool may_send(Process from, Process to, MessageKind kind) {
  return std::ranges::any_of(kLinks, [&](const LinkSpec& l) {
    return l.from == from && l.to == to && std::ranges::find(l.kinds, kind) != l.kinds.end();
  });
}

}  // namespace fedge::link
