// A sequence of fragments: each octet of the head of a record chooses the family, its sender, the
// time that passes and whether it is the last; what comes out whole is one packet again. Some of
// the frames are the input itself, as the wire may bring it.
#include <cstdlib>

#include "dataplane/admission/classifier.h"
#include "dataplane/admission/reassembly.h"
#include "tests/unit/admission/pieces.h"
#include "tests/unit/admission/sample.h"

namespace {

using namespace fedge;
using admission::Datagram;

struct Input {
  const uint8_t* data;
  size_t size;
  uint8_t byte() {
    if (size == 0) return 0;
    --size;
    return *data++;
  }
  std::string text(size_t most) {
    const size_t n = std::min(most, size);
    std::string out(reinterpret_cast<const char*>(data), n);
    data += n;
    size -= n;
    return out;
  }
};

const admission::Tables& tables() {
  static const auto sections = admission::sample_sections();
  static const auto built = admission::build_sample(sections);
  if (!built) std::abort();
  return **built;
}

std::string next_frame(Input& in) {
  const uint8_t how = in.byte();
  if ((how & 0x80) != 0) return in.text(in.byte() * size_t{8});
  constexpr std::array kProtocols{ip::kUdp, ip::kTcp, ip::kIcmp6, ip::kIcmp};
  Datagram d{.v6 = (how & 1) != 0};
  d.protocol = kProtocols[(how >> 1) & 3];
  d.vlan = 0;
  d.id = (how >> 4) & 3;
  if ((how & 0x40) != 0) d.source = d.v6 ? "fd00::9" : "10.0.0.9";
  const size_t offset = size_t{8} * in.byte();
  return d.raw_piece(offset, in.text(in.byte()), (how & 8) != 0);
}

void check_whole(MutableBytes whole, ip::PacketView& view, const admission::Peers& peers) {
  if (whole.size() > admission::Reassembly::kMostHead + admission::Reassembly::kMostPayload) {
    std::abort();
  }
  const std::string exact(as_text(whole));  // no room behind, for the sanitizer
  const auto verdict = classify_inbound(tables(), peers, 0, as_bytes(exact), view);
  // The head was made anew: only what it carries can be wrong.
  if (view.network == ip::Network::ipv4 && view.fragment != ip::Fragment::whole) std::abort();
  if (verdict.drop == ip::Malformed::ipv4_checksum ||
      verdict.drop == ip::Malformed::ipv4_total_length ||
      verdict.drop == ip::Malformed::ipv6_payload_length) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const admission::Peers peers(1);
  size_t held = 0, lost = 0;
  static admission::Reassembly* reassembly = nullptr;
  static size_t* losses = nullptr;
  losses = &lost;
  if (reassembly == nullptr) {
    reassembly =
        new admission::Reassembly([](uint16_t realm, admission::Refusal, unsigned fragments) {
          if (realm >= tables().realms().size()) std::abort();
          *losses += fragments;
        });
  }
  reassembly->clear();
  Instant now{1h};
  Input in{data, size};
  while (in.size > 1) {
    now += in.byte() * 20ms;
    const std::string frame = next_frame(in);
    ip::PacketView view;
    const auto verdict = classify_inbound(tables(), peers, 0, as_bytes(frame), view);
    if (!verdict.passes() || verdict.as != admission::Class::fragment) continue;
    ++held;
    const auto whole = reassembly->add(verdict.realm, verdict.peer, view, now);
    if (!whole.empty()) check_whole(whole, view, peers);
  }
  reassembly->expire(now + 1h);
  // Everything is given up in time, and no fragment is counted as lost twice.
  if (!reassembly->empty() || lost > held) std::abort();
  return 0;
}
