// The topology as a JSON document: reading with every error at once, canonical writing, the
// published schema.
#pragma once

#include <string>
#include <string_view>

#include "firmware/base/json.h"
#include "firmware/topology/finding.h"
#include "firmware/topology/rules.h"
#include "firmware/topology/topology.h"

namespace fedge::topology {

struct Reading {
  Topology topology;  // when there are findings: what could be read, not to be used
  Findings findings;  // empty: the document is good
  bool good() const { return findings.empty(); }
};

// Shape only: types, ranges, words, unknown and missing keys.
Reading decode(std::string_view json);
// Shape and rules, all findings at once: those about the shape first.
Reading read(std::string_view json, const Environment& environment);

// Canonical: every field, in the order of description.h, defaults written out.
// decode(encode(t)) is t, and equal topologies have equal text.
std::string encode(const Topology& topology, json::Writer::Style style);

// JSON Schema, draft 2020-12, of what decode() accepts.
std::string schema();

}  // namespace fedge::topology
