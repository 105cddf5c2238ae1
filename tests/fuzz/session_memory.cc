// Session memory as a damaged or hostile file: a few sessions, some of whose octets are overwritten
// as the input says, adopted by a new process that then relays, makes, ends and expires. Then
// frames of the input's rest are relayed.
#include "tests/unit/media/site.h"

namespace {

using namespace fedge;
using namespace fedge::media;
using namespace fedge::media::test;

constexpr size_t kSessions = 4;

link::Anchor call() {
  link::Anchor out;
  out.id = 1;
  out.caller = {"outside", {to_ip("9.9.0.1"), 52004}, {to_ip("40.0.0.1"), 7000}, {}, 24, false};
  out.callee = {"inside", {to_ip(Site::kInside), 52008}, {to_ip("10.2.0.7"), 7000}, {}, 24, true};
  return out;
}

// The memory's parts that hold something, one behind the other.
std::byte& octet(Site& site, size_t at) {
  Sessions& table = site.sessions();
  const size_t records = (kSessions + 2) * sizeof(SessionRecord);
  const size_t peers = (2 * kSessions + 1) * sizeof(PeerRecord);
  const size_t details = (kSessions + 2) * sizeof(SessionDetails);
  at %= records + peers + details;
  if (at < records) return reinterpret_cast<std::byte*>(&table.record(0))[at];
  at -= records;
  if (at < peers) return reinterpret_cast<std::byte*>(&table.peer(0))[at];
  return reinterpret_cast<std::byte*>(&table.details(0))[at - peers];
}

void use(Site& site, const std::array<Flow, kSessions>& flows) {
  for (const Flow& flow : flows) {
    (void)site.deliver(site.channel_frame(flow, "x"));
    (void)site.deliver(site.peer_frame(flow, "x"));
  }
  const Endpoint caller{to_ip("40.0.0.9"), 7000};
  for (const uint16_t port : {52004, 52005, 52008, 52009}) {
    (void)site.deliver(Site::frame(caller, {to_ip("9.9.0.1"), port}, "\x80x0123456789ab"));
    (void)site.deliver(Site::frame(caller, {to_ip(Site::kInside), port}, "\x80x0123456789ab"));
  }
  link::Anchor told;
  for (uint32_t i = 0; i < site.sessions().mark(); ++i)
    (void)site.station().describe_anchor(i, told);
  (void)site.station().anchor(call(), site.now());
}

// What is in use is what is counted, and all else can be had.
void check(Site& site) {
  Sessions& table = site.sessions();
  uint32_t in_use = 0;
  for (uint32_t i = 0; i < table.mark(); ++i) in_use += table.in_use(i) ? 1 : 0;
  if (in_use != table.size() || site.quotas().total() != in_use) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 400) return 0;
  Options options;
  options.capacity = 16;
  options.last_port = 50015;
  options.public_address = "11.0.0.9";
  Site site(options);
  std::array<Flow, kSessions> flows;
  for (uint32_t i = 0; i < kSessions; ++i) flows[i] = site.make_flow(i + 1);
  site.bind(flows[0], 0x4002, {to_ip("11.0.0.9"), flows[1].relay.port});
  if (!site.station().anchor(call(), site.now())) std::abort();
  for (; size >= 3 && data[0] != 0xff; data += 3, size -= 3) {
    octet(site, size_t{data[0]} << 8 | data[1]) = static_cast<std::byte>(data[2]);
  }
  site.restart();
  check(site);
  use(site, flows);
  site.publish();
  use(site, flows);
  check(site);
  const std::string_view rest(reinterpret_cast<const char*>(data), size);
  (void)site.deliver(Site::frame(flows[0].client, flows[0].server, rest));
  (void)site.deliver(rest);
  site.pass(301s);
  use(site, flows);
  site.pass(2h);
  check(site);
  return 0;
}
