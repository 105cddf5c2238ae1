// Any bytes as a frame from the wire and from the kernel. The first octet chooses the port and
// whether the IPv4 header's checksum is made right, so that what lies behind it is reached.
#include <cstdlib>

#include "dataplane/admission/classifier.h"
#include "tests/unit/admission/sample.h"

namespace {

using namespace fedge;

const admission::Tables& tables() {
  static const auto sections = admission::sample_sections();
  static const auto built = admission::build_sample(sections);
  if (!built) std::abort();
  return **built;
}

void mend_checksum(std::string& frame) {
  const size_t tag = frame.size() > 13 && load_be16(&frame[12]) == ip::kEtherTypeVlan ? 4 : 0;
  const size_t at = ip::kEthernetSize + tag;
  if (frame.size() < at + ip::kIpv4Size || load_be16(&frame[at - 2]) != ip::kEtherTypeIpv4) return;
  const size_t header = size_t{4} * (static_cast<uint8_t>(frame[at]) & 15);
  if (header < ip::kIpv4Size || frame.size() < at + header) return;
  store_be16(&frame[at + 10], 0);
  store_be16(&frame[at + 10], ip::checksum(as_bytes(frame).subspan(at, header)));
}

// What passes is inside the frame and ours.
void check(const admission::Verdict& verdict, const ip::PacketView& view) {
  if (!verdict.passes()) {
    if (verdict.drop.text().empty()) std::abort();
    return;
  }
  if (verdict.realm >= tables().realms().size()) std::abort();
  if (view.network == ip::Network::arp) return;
  if (size_t{view.transport_at} + view.transport_size > view.frame.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 9000) return 0;
  const uint8_t choice = data[0];
  std::string frame(reinterpret_cast<const char*>(data + 1), size - 1);
  if ((choice & 4) != 0) mend_checksum(frame);
  static const admission::Peers peers(1);
  const std::string exact(frame);  // no room behind, for the sanitizer
  ip::PacketView view;
  check(classify_inbound(tables(), peers, choice & 3, as_bytes(exact), view), view);
  check(classify_outbound(tables(), peers, choice % 3, as_bytes(exact), view), view);
  return 0;
}
