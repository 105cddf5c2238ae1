// Any text as a topology document: read, and when it is good written, read again and compiled.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "firmware/control/compiler.h"
#include "firmware/topology/diff.h"
#include "firmware/topology/document.h"

using namespace fedge;

namespace {

class AnyCertificate final : public control::CertificateSource {
 public:
  std::vector<Version> certificate(const std::string& id) const override { return {{{id}, 1, 0}}; }
  std::vector<TokenVersion> token_keys(const std::string&) const override {
    return {{control::token_key_of(1), 1, 0, 1}};
  }
  std::vector<std::string> trust(const std::string& id) const override { return {id}; }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  topology::Environment environment;
  environment.has_tls13 = true;
  const topology::Reading reading = topology::read(text, environment);
  for (const topology::Finding& finding : reading.findings) (void)finding.error().text();
  // What cannot be published may still be looked at and compared.
  const std::string canonical = topology::encode(reading.topology, json::Writer::Style::compact);
  (void)topology::diff(topology::Topology{}, reading.topology);
  if (!reading.good()) return 0;
  const topology::Reading again = topology::read(canonical, environment);
  if (!again.good() || again.topology != reading.topology) std::abort();
  // Rules have passed: with every certificate there, nothing may keep it from being compiled.
  if (!control::compile(reading.topology, AnyCertificate())) std::abort();
  return 0;
}
