#include "dataplane/signal/hop_states.h"

#include <array>

#include "firmware/base/fd.h"

namespace fedge::signal {

namespace {

constexpr size_t kMostOctets = 1 << 30;  // a million next hops
constexpr size_t kNameColumns = 4;       // host, port, realm, transport
constexpr size_t kColumns = kNameColumns + 3;

bool is_down(std::string_view state) { return state == "down" || state == "recovering"; }

}  // namespace

HopStates HopStates::read(const std::string& path) {
  HopStates states;
  const auto text = read_file(path, kMostOctets);
  if (!text) return states;
  std::string_view rest = *text;
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    std::array<std::string_view, kColumns> columns;
    std::string name;
    for (size_t i = 0; i < kColumns; ++i) {
      columns[i] = line.substr(0, line.find('\t'));
      line.remove_prefix(std::min(columns[i].size() + 1, line.size()));
      if (i < kNameColumns) name.append(columns[i]) += '\t';
    }
    states.states_[name] = {std::string(columns[4]), std::string(columns[5]),
                            std::string(columns[6])};
  }
  return states;
}

const HopStates::State* HopStates::find(const snapshot::NextHop& hop,
                                        const snapshot::Section<snapshot::Routing>& routing,
                                        const std::string& realm) const {
  const auto endpoints = routing.items(hop.endpoints);
  std::string name(routing.text(hop.host));
  name += '\t' + std::to_string(endpoints.empty() ? hop.port : endpoints[0].port);
  name += '\t' + realm;
  name += hop.transport == snapshot::Transport::tls ? "\ttls\t" : "\ttcp\t";
  const auto it = states_.find(name);
  return it == states_.end() ? nullptr : &it->second;
}

bool HopStates::is_up(const snapshot::NextHop& hop,
                      const snapshot::Section<snapshot::Routing>& routing,
                      const std::string& realm) const {
  const State* const state = find(hop, routing, realm);
  return state == nullptr || !is_down(state->state);
}

void HopStates::write(json::Writer& out, const snapshot::NextHop& hop,
                      const snapshot::Section<snapshot::Routing>& routing, const std::string& realm,
                      bool is_alone) const {
  const State* const state = find(hop, routing, realm);
  if (state == nullptr || state->state == "unknown") {
    out.member("state", "unknown").member("text", "nothing was sent to it yet");
    return;
  }
  std::string text = state->state + " since " + state->since;
  if (is_down(state->state)) {
    if (state->state == "recovering") text += ", answers again but not often enough yet";
    if (!state->reason.empty()) text += ": " + state->reason;
    text += is_alone ? "; it is tried all the same, because no other target is up"
                     : "; requests go to the next target";
  }
  out.member("state", state->state).member("text", text);
}

}  // namespace fedge::signal
