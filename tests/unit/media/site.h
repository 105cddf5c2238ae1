// A box that relays: plan, sessions and stations of one or more workers, next hops that answer at
// once, and the frames that clients and peers send it. For the unit tests, the fuzz target of
// session memory and the bench of the packet's path, which link no other file of the tests.
#pragma once

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/media/quotas.h"
#include "dataplane/media/sessions.h"
#include "dataplane/media/station.h"
#include "firmware/snapshot/writer.h"
#include "tests/unit/media/fake_edge.h"
#include "tests/unit/wire_ip/packet_builder.h"

namespace fedge::media::test {

inline IpAddress to_ip(std::string_view text) { return *IpAddress::parse(text); }
inline Address to_address(std::string_view text) { return Address::of(to_ip(text)); }

inline constexpr ip::Mac kMac0 = ip::PacketBuilder::kOurs;
inline constexpr ip::Mac kMac1{2, 0, 0, 0, 1, 1};
inline constexpr ip::Mac kClientMac{2, 0, 0, 0, 9, 9};
inline constexpr uint16_t kVlan = 7;  // of realm "inside", on the second port

// A client with an allocation and one channel.
struct Flow {
  uint8_t worker = 0;
  uint32_t session = kNone;
  Endpoint client;
  Endpoint server;
  Endpoint relay;
  Endpoint peer;
  uint16_t channel = 0x4001;
};

struct Options {
  uint32_t capacity = 256;
  uint8_t workers = 1;
  int addresses = 1;  // of the TURN pool: 9.9.0.1 and on
  uint16_t first_port = 50000, last_port = 50199;
  std::string public_address = {};  // of 9.9.0.1
  bool has_v6_pool = true;
  bool serves = true;  // has listeners
  uint16_t listener_port = 3478;
  uint16_t mtu = 1500;
  uint8_t relatch = 0;
  uint32_t silence_s = 30;
  uint32_t kbps = 0;
  uint32_t kbps_per_user = 0, kbps_total = 0;
  std::vector<snapshot::PeerRule> rules = {};
  std::string outside = "outside";  // its name
};

// What became of a frame.
struct Outcome {
  Fate fate{};
  Reason reason{};
  uint16_t realm = 0;
  uint8_t worker = 0;  // that said so
  ConnectionId connection = 0;
  std::string frame;

  ip::PacketView view() const {
    ip::PacketView out;
    if (ip::parse_frame(as_bytes(frame), out) != ip::Malformed::none) std::abort();
    return out;
  }
  std::string payload() const {
    const ip::PacketView parsed = view();
    return std::string(as_text(parsed.transport().subspan(ip::kUdpSize)));
  }
  Endpoint from() const { return {view().source, view().source_port}; }
  Endpoint to() const { return {view().destination, view().destination_port}; }
  bool has_right_checksum() const {
    const ip::PacketView v = view();
    return ip::transport_checksum(v.source, v.destination, ip::kUdp, v.transport()) == 0;
  }
};

inline std::string channel_data(uint16_t channel, std::string_view payload) {
  std::string out(4, '\0');
  store_be16(out.data(), channel);
  store_be16(&out[2], static_cast<uint16_t>(payload.size()));
  return out.append(payload);
}

class Site {
 public:
  static constexpr size_t kHeadroom = 128;
  static constexpr std::string_view kServer = "9.8.0.1", kServer6 = "2600::8";
  static constexpr std::string_view kRelay6 = "2600::9", kInside = "10.2.0.1";
  static constexpr uint16_t kAnchorFirst = 52000, kAnchorLast = 52039;

  explicit Site(const Options& chosen) : options(chosen) {
    for (uint8_t i = 0; i < options.workers; ++i) {
      memories_.emplace_back(::memfd_create("media-site", MFD_CLOEXEC));
    }
    start();
  }
  // As a new process would: from the memory alone.
  void restart() {
    stations_.clear();
    sessions_.clear();
    quotas_ = std::make_unique<Quotas>(1);
    start();
  }
  void publish() {
    auto next = build();
    for (auto& station : stations_) station->adopt(next.get(), now());
    plan_ = std::move(next);
  }
  void pass(Duration time) {
    now_ += time;
    for (auto& station : stations_) station->tick(now_);
  }

  Instant now() const { return now_; }
  const Quotas& quotas() const { return *quotas_; }
  const Plan& plan() const { return *plan_; }
  Station& station(uint8_t worker = 0) { return *stations_[worker]; }
  Sessions& sessions(uint8_t worker = 0) { return *sessions_[worker]; }
  const Fd& memory(uint8_t worker = 0) const { return memories_[worker]; }
  uint16_t local(const IpAddress& address) const {
    for (size_t i = 0; i < plan_->locals().size(); ++i) {
      if (plan_->locals()[i].address == Address::of(address)) return static_cast<uint16_t>(i);
    }
    std::abort();
  }

  // An allocation of client `n` at `server`, with the channel 0x4001 to a peer of its own.
  Flow make_flow(uint32_t n, std::string_view server = kServer, uint8_t relay_family = 4,
                 uint64_t connection = 0);
  void bind(const Flow& flow, uint16_t channel, const Endpoint& peer, Duration time = 300s) {
    (void)sessions(flow.worker)
        .bind_channel(flow.session, channel, Address::of(peer.address), peer.port, now_ + time,
                      now_ + 2 * time);
  }

  static std::string frame(const Endpoint& from, const Endpoint& to, std::string_view payload,
                           uint16_t flags = ip::kIpv4DontFragment) {
    ip::PacketBuilder builder;
    const bool is_inside = to.address == to_ip(kInside);
    builder.ethernet(is_inside ? kMac1 : kMac0, kClientMac);
    if (is_inside) builder.vlan(kVlan);
    if (to.address.is_v4()) {
      builder.ipv4(from.address.text(), to.address.text(), ip::kUdp, flags);
    } else {
      builder.ipv6(from.address.text(), to.address.text(), ip::kUdp);
    }
    return builder.udp(from.port, to.port, payload).finish();
  }
  std::string channel_frame(const Flow& flow, std::string_view payload) const {
    return frame(flow.client, flow.server, channel_data(flow.channel, payload));
  }
  std::string peer_frame(const Flow& flow, std::string_view payload) const {
    return frame(flow.peer, flow.relay, payload);
  }
  // Through the workers, beginning with the one whose queue it came by.
  Outcome deliver(std::string_view frame, uint8_t queue = 0);
  Outcome deliver_framed(const Flow& flow, std::string_view message, uint64_t connection);
  uint64_t count_dropped(Reason reason) const {
    uint64_t sum = 0;
    for (const auto& station : stations_) {
      sum += station->counts().dropped[static_cast<size_t>(reason)];
    }
    return sum;
  }

  Options options;
  bool one_user = false;  // of all flows made from now on
  FakeNextHops next_hops;
  EchoServer server;

 private:
  void start();
  Outcome run(Packet& packet, uint8_t queue);
  std::unique_ptr<const Plan> build();
  std::string write_realms() const;
  std::string write_media() const;

  std::vector<Fd> memories_;
  Instant now_ = Instant{} + 1h;
  std::unique_ptr<const Plan> plan_;
  std::unique_ptr<Quotas> quotas_ = std::make_unique<Quotas>(1);
  std::vector<std::unique_ptr<Sessions>> sessions_;
  std::vector<std::unique_ptr<Station>> stations_;
  uint32_t sequence_ = 0;
  std::array<std::byte, 4096> buffer_{};
};

inline void Site::start() {
  for (uint8_t i = 0; i < options.workers; ++i) {
    auto opened = Sessions::open(memories_[i], i, options.workers, options.capacity, *quotas_);
    if (!opened) std::abort();
    sessions_.push_back(std::move(*opened));
    stations_.push_back(std::make_unique<Station>(*sessions_[i], next_hops, server, nullptr));
  }
  publish();
}

inline Flow Site::make_flow(uint32_t n, std::string_view server_text, uint8_t relay_family,
                            uint64_t connection) {
  Flow flow;
  flow.server = {to_ip(server_text), 3478};
  const auto number = static_cast<uint8_t>(n);
  flow.client.port = 40000;
  if (flow.server.address.is_v4()) {
    flow.client.address = IpAddress::v4(20u << 24 | n);
  } else {
    flow.client.address = to_ip("2a00::1");
    flow.client.address.octets[14] = static_cast<uint8_t>(n >> 8);
    flow.client.address.octets[15] = number;
  }
  flow.peer.port = static_cast<uint16_t>(30000 + n % 1000);
  if (relay_family == 4) {
    flow.peer.address = IpAddress::v4(30u << 24 | n);
  } else {
    flow.peer.address = to_ip("2b00::1");
    flow.peer.address.octets[15] = number;
  }
  flow.worker =
      owner_of_client(Address::of(flow.client.address), flow.client.port, options.workers);
  Sessions& table = sessions(flow.worker);
  NewSession fresh;
  fresh.client = Address::of(flow.client.address);
  fresh.client_port = flow.client.port;
  fresh.server = local(flow.server.address);
  fresh.server_port = flow.server.port;
  fresh.client_realm = plan_->realms()[plan_->locals()[fresh.server].realm].name;
  fresh.connection = connection;
  if (connection != 0) fresh.transport = ClientTransport::tls;
  fresh.user = one_user ? 1000 : 1000 + n;
  const auto port = table.take_port(relay_family, PortWish::any);
  flow.session = port ? table.create(fresh, now_) : kNone;
  if (flow.session == kNone) std::abort();
  table.set_relay(flow.session, *port);
  table.set_expiry(flow.session, now_ + 600s);
  table.record(flow.session).client_mac = kClientMac;
  flow.relay = {plan_->locals()[port->local].address.ip(), port->port};
  bind(flow, flow.channel, flow.peer);
  return flow;
}

inline Outcome Site::run(Packet& packet, uint8_t queue) {
  for (int i = 0; i < 8; ++i) {
    station(queue).process({&packet, 1}, now_);
    if (packet.fate != Fate::hand_over) break;
    queue = packet.worker;
  }
  return {packet.fate, packet.reason,     packet.realm,
          queue,       packet.connection, std::string(as_text(packet.bytes()))};
}

inline Outcome Site::deliver(std::string_view frame, uint8_t queue) {
  std::memcpy(&buffer_[kHeadroom], frame.data(), frame.size());
  Packet packet;
  packet.frame = &buffer_[kHeadroom];
  packet.size = static_cast<uint16_t>(frame.size());
  packet.room_before = kHeadroom;
  packet.room_behind = static_cast<uint16_t>(buffer_.size() - kHeadroom - frame.size());
  const std::string_view second(reinterpret_cast<const char*>(kMac1.data()), kMac1.size());
  packet.port = frame.starts_with(second) ? 1 : 0;
  return run(packet, queue);
}

inline Outcome Site::deliver_framed(const Flow& flow, std::string_view message,
                                    uint64_t connection) {
  std::memcpy(&buffer_[kHeadroom], message.data(), message.size());
  Packet packet;
  packet.frame = &buffer_[kHeadroom];
  packet.size = static_cast<uint16_t>(message.size());
  packet.room_before = kHeadroom;
  packet.room_behind = 1500;
  packet.connection = connection;
  packet.client = flow.client;
  packet.server = flow.server;
  packet.realm = plan_->locals()[local(flow.server.address)].realm;
  return run(packet, flow.worker);
}

inline std::string Site::write_realms() const {
  snapshot::Writer w(snapshot::Kind::realms);
  std::vector<snapshot::RealmAddress> outside{
      {{to_ip(kServer), 24}, {}}, {{to_ip(kServer6), 64}, {}}, {{to_ip(kRelay6), 64}, {}}};
  for (int i = 0; i < options.addresses; ++i) {
    const bool is_translated = i == 0 && !options.public_address.empty();
    outside.push_back({{IpAddress::v4(0x09090001u + static_cast<uint32_t>(i)), 16},
                       is_translated ? to_ip(options.public_address) : IpAddress{}});
  }
  const std::vector<snapshot::RealmAddress> inside{{{to_ip(kInside), 24}, {}}};
  std::vector<snapshot::Realm> realms(2);
  realms[0].name = w.text(options.outside);
  realms[0].mtu = options.mtu;
  realms[0].dscp_media = 46;
  realms[0].addresses = w.slice(outside);
  realms[1].name = w.text("inside");
  realms[1].port = 1;
  realms[1].vlan = kVlan;
  realms[1].mtu = options.mtu;
  realms[1].dscp_media = 34;
  realms[1].addresses = w.slice(inside);
  const auto ports =
      w.slice<snapshot::Port>({{w.text("wan"), w.text("dev0")}, {w.text("lan"), w.text("dev1")}});
  return w.finish(snapshot::Realms{ports, w.slice(realms)});
}

inline std::string Site::write_media() const {
  snapshot::Writer w(snapshot::Kind::media);
  std::vector<IpAddress> relays;
  for (int i = 0; i < options.addresses; ++i) {
    relays.push_back(IpAddress::v4(0x09090001u + static_cast<uint32_t>(i)));
  }
  const std::vector<IpAddress> first{relays[0]};
  if (options.has_v6_pool) relays.push_back(to_ip(kRelay6));
  snapshot::Media root{};
  root.turn_realm = w.text("example.org");
  std::vector<snapshot::MediaPool> pools{
      {w.slice(relays), 0, options.first_port, options.last_port, snapshot::PoolUse::turn}};
  if (options.last_port < kAnchorFirst) {
    pools.push_back({w.slice(first), 0, kAnchorFirst, kAnchorLast, snapshot::PoolUse::anchor});
  }
  pools.push_back({w.slice<IpAddress>({to_ip(kInside)}), 1, kAnchorFirst, kAnchorLast,
                   snapshot::PoolUse::anchor});
  root.pools = w.slice(pools);
  root.peer_rules = w.slice(options.rules);
  root.max_sessions = options.capacity;
  root.max_sessions_per_user = root.max_sessions_per_source = options.capacity;
  root.credential_minutes = 480;
  root.lifetime_default_s = 600;
  root.lifetime_max_s = 3600;
  root.nonce_s = 600;
  root.kbps_per_session = options.kbps;
  root.kbps_per_user = options.kbps_per_user;
  root.kbps_total = options.kbps_total;
  root.silence_s = options.silence_s;
  root.relatch = options.relatch;
  return w.finish(root);
}

inline std::unique_ptr<const Plan> Site::build() {
  const std::string realms = write_realms();
  snapshot::Writer w(snapshot::Kind::listeners);
  std::vector<snapshot::Listener> entries;
  for (const auto& [address, realm] : {std::pair{kServer, 0}, {kServer6, 0}, {kInside, 1}}) {
    if (!options.serves) break;
    entries.push_back({w.text("av"),
                       {to_ip(address), options.listener_port},
                       static_cast<uint16_t>(realm),
                       snapshot::kNone16,
                       snapshot::Transport::udp,
                       snapshot::Service::av});
  }
  const std::string listeners = w.finish(snapshot::Listeners{w.slice(entries)});
  const std::string media = write_media();
  const auto open_realms = snapshot::Section<snapshot::Realms>::open(as_bytes(realms));
  const auto open_listeners = snapshot::Section<snapshot::Listeners>::open(as_bytes(listeners));
  const auto open_media = snapshot::Section<snapshot::Media>::open(as_bytes(media));
  for (const auto& [section, error] :
       {std::pair{open_realms.has_value(), open_realms ? "" : open_realms.error().text()},
        {open_listeners.has_value(), open_listeners ? "" : open_listeners.error().text()},
        {open_media.has_value(), open_media ? "" : open_media.error().text()}}) {
    if (section) continue;
    std::fprintf(stderr, "%s\n", error.c_str());
    std::abort();
  }
  const std::array ports{BoxPort{"dev0", kMac0}, BoxPort{"dev1", kMac1}};
  auto built = Plan::build({*open_realms, *open_listeners, *open_media, {}}, ports, ++sequence_);
  if (!built) {
    std::fprintf(stderr, "%s\n", built.error().text().c_str());
    std::abort();
  }
  return std::move(*built);
}

}  // namespace fedge::media::test
