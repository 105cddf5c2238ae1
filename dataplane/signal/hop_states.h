// What control knows of next hops when it asks `fedge-signal --explain`: lines in the file
// "next_hops" beside the sections (NextHopBook::text). Without the file nothing is known.
#pragma once

#include <map>
#include <string>

#include "firmware/base/json.h"
#include "firmware/snapshot/reader.h"

namespace fedge::signal {

class HopStates {
 public:
  static HopStates read(const std::string& path);

  // Members of each target of a route: "state", and in words what that means for a request.
  // `is_alone`: no other target of the route is up.
  void write(json::Writer& out, const snapshot::NextHop& hop,
             const snapshot::Section<snapshot::Routing>& routing, const std::string& realm,
             bool is_alone) const;
  bool is_up(const snapshot::NextHop& hop, const snapshot::Section<snapshot::Routing>& routing,
             const std::string& realm) const;

 private:
  struct State {
    std::string state, since, reason;
  };
  const State* find(const snapshot::NextHop& hop,
                    const snapshot::Section<snapshot::Routing>& routing,
                    const std::string& realm) const;
  std::map<std::string, State> states_;  // by the first four columns
};

}  // namespace fedge::signal
