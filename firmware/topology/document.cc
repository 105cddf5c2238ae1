#include "firmware/topology/document.h"

#include <fmt/core.h>

#include <algorithm>

#include "firmware/topology/decoder.h"
#include "firmware/topology/encoder.h"

namespace fedge::topology {
namespace {

// Of a document with every default written out, which may be larger than the one that was sent.
constexpr size_t kMostOctets = 1u << 30;

void cut(Findings& findings, size_t all) {
  if (all <= kMostFindings) return;
  findings.resize(kMostFindings);
  findings.push_back({"", fmt::format("more is wrong than these {} places", kMostFindings), "",
                      "correct these and validate again"});
}

// A rule has nothing to add about a place whose shape is wrong already.
bool is_covered(const Findings& shape, const Finding& rule) {
  return std::ranges::any_of(shape, [&](const Finding& f) {
    return rule.path == f.path || rule.path.starts_with(f.path + "/");
  });
}

Reading decode_all(std::string_view text) {
  Reading reading;
  const auto document = json::Document::parse(text, {.bytes = kMostOctets});
  if (!document) {
    const Error& e = document.error();
    reading.findings.push_back({"", e.where + ": " + e.what, "a JSON text", e.remedy});
    return reading;
  }
  Decoder(reading.findings).object(document->root(), reading.topology);
  return reading;
}

}  // namespace

Error Finding::error() const {
  std::string advice = allowed.empty() ? "" : "allowed: " + allowed;
  if (!remedy.empty()) advice.append(advice.empty() ? "" : "; ").append(remedy);
  return {path.empty() ? "the document" : path, "found " + found, std::move(advice)};
}

Reading decode(std::string_view text) {
  Reading reading = decode_all(text);
  cut(reading.findings, reading.findings.size());
  return reading;
}

Reading read(std::string_view text, const Environment& environment) {
  Reading reading = decode_all(text);
  const bool is_json = reading.good() || !reading.findings.front().path.empty() ||
                       reading.findings.front().allowed != "a JSON text";
  if (is_json && reading.findings.size() < kMostFindings) {
    const Findings shape = reading.findings;
    for (Finding& finding : check_rules(reading.topology, environment)) {
      if (!is_covered(shape, finding)) reading.findings.push_back(std::move(finding));
    }
  }
  cut(reading.findings, reading.findings.size());
  return reading;
}

std::string encode(const Topology& topology, json::Writer::Style style) {
  return to_json(topology, style);
}

Topology factory(std::string fqdn, const Endpoint& management) {
  Topology t;
  t.appliance = {"fedge", std::move(fqdn), ""};
  t.management.addresses = {management.address};
  t.management.port = management.port;
  return t;
}

}  // namespace fedge::topology
