// What control knows of names when it asks `fedge-signal --explain`: lines in the file "names"
// beside the sections (NextHopBook::names_text). Without the file nothing is known.
#pragma once

#include <map>
#include <string>

#include "firmware/base/json.h"
#include "firmware/snapshot/reader.h"

namespace fedge::signal {

class FoundNames {
 public:
  static FoundNames read(const std::string& path);
  // Members of a target that is found by name: "lookup", and "addresses" or that there are none.
  void write(json::Writer& out, const snapshot::NextHop& hop,
             const snapshot::Section<snapshot::Routing>& routing) const;

 private:
  std::map<std::string, std::string> words_;  // by look-up and port
};

}  // namespace fedge::signal
