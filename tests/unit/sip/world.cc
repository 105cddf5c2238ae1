#include "tests/unit/sip/world.h"

namespace fedge::sip {

namespace {

using namespace snapshot;

IpAddress address(std::string_view text) { return *IpAddress::parse(text); }
fedge::Endpoint endpoint(std::string_view text) { return *fedge::Endpoint::parse(text); }

std::string make_appliance() {
  Writer w(Kind::appliance);
  return w.finish(Appliance{w.text("edge1"), w.text("sip.example.com"), w.text("hq")});
}

std::string make_realms() {
  Writer w(Kind::realms);
  const auto ports = w.slice<Port>({{w.text("wan"), w.text("port0")}});
  const auto outside =
      w.slice<RealmAddress>({{*Prefix::parse("10.1.0.1/24"), address("198.51.100.1")},
                             {*Prefix::parse("2001:db8:1::1/64"), {}}});
  const auto inside = w.slice<RealmAddress>(
      {{*Prefix::parse("10.2.0.1/24"), {}}, {*Prefix::parse("2001:db8:2::1/64"), {}}});
  return w.finish(
      Realms{ports, w.slice<Realm>({{w.text("outside"), 0, 100, 1500, 24, 46, outside, {}},
                                    {w.text("inside"), 0, 200, 1500, 24, 46, inside, {}}})});
}

std::string make_listeners() {
  Writer w(Kind::listeners);
  return w.finish(Listeners{w.slice<Listener>(
      {{w.text("out"), endpoint("10.1.0.1:5061"), kOutside, 0, Transport::tls, Service::access},
       {w.text("in"), endpoint("10.2.0.1:5061"), kInside, 0, Transport::tls, Service::access},
       {w.text("in6"), endpoint("[2001:db8:2::1]:5061"), kInside, 0, Transport::tls,
        Service::access},
       {w.text("mras"), endpoint("10.2.0.1:5062"), kInside, 0, Transport::tls, Service::mras},
       {w.text("turn"), endpoint("10.1.0.1:3478"), kOutside, kNone16, Transport::udp, Service::av},
       {w.text("turns"), endpoint("10.1.0.1:443"), kOutside, 0, Transport::tls, Service::av},
       {w.text("inner"), endpoint("10.2.0.1:3478"), kInside, kNone16, Transport::udp,
        Service::av}})});
}

std::string make_routing(const WorldOptions& options) {
  Writer w(Kind::routing);
  const auto hop = [&](const char* host, const char* at, uint16_t realm, Transport transport) {
    return NextHop{w.text(host), w.slice<fedge::Endpoint>({endpoint(at)}), realm,
                   transport == Transport::tls ? uint16_t{0} : kNone16, transport};
  };
  std::vector<NextHop> all = {
      hop("fe1.example.com", "10.2.0.11:5061", kInside, Transport::tls),
      hop("fe2.example.com", "10.2.0.12:5061", kInside, Transport::tls),
      hop("sip.partner.example", "203.0.113.5:5061", kOutside, Transport::tls),
      hop("imp.example.com", "10.2.0.20:5060", kInside, Transport::tcp),
      hop("sip.other.example", "203.0.113.9:5061", kOutside, Transport::tls),
      hop("fe6.example.com", "[2001:db8:2::11]:5061", kInside, Transport::tls)};
  if (options.anchor_ports != 0) all[partner_edge].media = MediaHandling::anchor;
  const auto hops = w.slice(all);
  std::vector<Route> routes;
  const auto add = [&](const char* pattern, RouteKind kind, const std::vector<Target>& targets) {
    routes.push_back({w.text(pattern), w.text("/routes/" + std::to_string(routes.size())),
                      w.slice(targets), kind});
  };
  std::vector<Target> ours = {{fe1, 1, 1}, {fe2, 2, 1}};
  if (options.without_fe1) ours = {{fe2, 2, 1}};
  if (options.mixed_families) ours = {{fe6, 1, 1}};
  if (!options.ours.empty()) ours = options.ours;
  add("example.com", RouteKind::presence_domain, ours);
  routes.back().forking = options.forking;
  add("partner.example", RouteKind::partner, {{partner_edge, 1, 1}});
  add("imp.example.com", RouteKind::static_domain, {{imp, 1, 1}});
  add("carol@example.com", RouteKind::static_user, {{imp, 1, 1}});
  add("other.example", RouteKind::partner, {{other_edge, 1, 1}});
  // Users of fe1 are given this edge for media, those of fe2 are not.
  const auto peers =
      w.slice<Peer>({{w.text("fe1.example.com"), {}, fe1, kInside, PeerSide::inside, 1},
                     {w.text("fe2.example.com"), {}, fe2, kInside, PeerSide::inside},
                     {w.text("imp.example.com"), {}, imp, kInside, PeerSide::inside},
                     {w.text("sip.other.example"), w.text("other.example"), other_edge, kOutside,
                      PeerSide::partner},
                     {w.text("sip.partner.example"), w.text("partner.example"), partner_edge,
                      kOutside, PeerSide::partner},
                     {w.text("sip.partner.example"), w.text("second.example"), partner_edge,
                      kOutside, PeerSide::partner}});
  Routing root{hops, {}, {}, peers, options.federation};
  write_routes(w, std::move(routes), root);
  return w.finish(root);
}

std::string make_media(uint16_t anchor_ports) {
  Writer w(Kind::media);
  Media root{};
  root.turn_realm = w.text("sip.example.com");
  if (anchor_ports != 0) {
    const auto last = static_cast<uint16_t>(50000 + anchor_ports - 1);
    root.pools = w.slice<MediaPool>(
        {{w.slice<IpAddress>({address("10.1.0.1")}), kOutside, 50000, last, PoolUse::anchor},
         {w.slice<IpAddress>({address("10.1.0.1")}), kOutside, 40000, 40099, PoolUse::turn},
         {w.slice<IpAddress>({address("10.2.0.1"), address("2001:db8:2::1")}), kInside, 50000, last,
          PoolUse::anchor}});
  }
  root.max_sessions = root.max_sessions_per_user = root.max_sessions_per_source = 1000;
  root.credential_minutes = root.lifetime_default_s = root.lifetime_max_s = root.nonce_s = 600;
  return w.finish(root);
}

std::string make_signalling() {
  Signalling s{500,   4000, 5000, 185000, 2000, 4000,    5000,  600000, 10000,
               65536, 1000, 1000, 100,    1024, 1048576, 10000, 200};
  return Writer(Kind::signalling).finish(s);
}

template <class Root>
void open(Section<Root>& section, std::string bytes, std::vector<std::string>& store) {
  store.push_back(std::move(bytes));
  auto opened = Section<Root>::open(as_bytes(store.back()));
  ASSERT_TRUE(opened) << opened.error().text();
  section = std::move(*opened);
}

Arrival arrive(ConnectionId connection, uint16_t realm, uint16_t listener, const char* local,
               const char* remote, const PeerFacts& peer) {
  return {connection, realm, listener, Transport::tls, endpoint(local), endpoint(remote), peer};
}

}  // namespace

Sections::Sections(const WorldOptions& options) {
  bytes_.reserve(8);
  open(appliance_, make_appliance(), bytes_);
  open(realms_, make_realms(), bytes_);
  open(listeners_, make_listeners(), bytes_);
  open(routing_, make_routing(options), bytes_);
  open(signalling_, make_signalling(), bytes_);
  open(media_, make_media(options.anchor_ports), bytes_);
}

const Message& Taken::message() {
  if (!parsed_) {
    parsed_ = std::make_shared<Message>();
    EXPECT_EQ(parse(bytes, *parsed_), Defect::none) << bytes;
  }
  return *parsed_;
}

SendOutcome FakeOutbound::send(ConnectionId connection, std::string_view bytes) {
  const auto it = send_outcomes.find(connection);
  if (it != send_outcomes.end() && it->second != SendOutcome::sent) return it->second;
  Taken taken;
  taken.connection = connection;
  taken.bytes = bytes;
  queue_.push_back(std::move(taken));
  return SendOutcome::sent;
}

SendResult FakeOutbound::send_to_next_hop(uint32_t next_hop, std::string_view bytes,
                                          SendToken token) {
  const auto it = outcomes.find(next_hop);
  const SendOutcome outcome = it == outcomes.end() ? SendOutcome::sent : it->second;
  if (outcome == SendOutcome::full || outcome == SendOutcome::gone) return {outcome, 0};
  Taken taken;
  taken.connection = connection_of(next_hop);
  taken.next_hop = next_hop;
  taken.token = token;
  taken.bytes = bytes;
  queue_.push_back(std::move(taken));
  return {outcome, connection_of(next_hop)};
}

SendResult FakeAsker::send_probe(uint32_t next_hop, const Branch& branch) {
  asked.push_back({next_hop, branch});
  return {outcome, FakeOutbound::connection_of(next_hop)};
}

void FakeOutbound::on_failover(const FailoverReport& r) {
  failovers.push_back(
      {std::string(r.method), std::string(r.rule), std::string(r.call_id), r.from, r.to, r.why});
}

bool FakeOutbound::set_anchor(const AnchorUpdate& update) {
  if (!takes_anchors) return false;
  anchors.push_back({update, std::string(update.call_id)});
  return true;
}

Taken FakeOutbound::take() {
  if (queue_.empty()) {
    ADD_FAILURE() << "nothing was sent";
    return {};
  }
  Taken first = std::move(queue_.front());
  queue_.erase(queue_.begin());
  return first;
}

std::string RequestText::text() const {
  return method + " " + uri +
         " SIP/2.0\r\nVia: SIP/2.0/TLS a.partner.example:5061;branch=" + branch + via_parameters +
         "\r\nFrom: " + from + "\r\nTo: " + to + "\r\nCall-ID: " + call_id + "\r\nCSeq: 7 " +
         method + "\r\n" + headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         body;
}

World::World(const Capacity& capacity)
    : proxy(capacity, wheel, outbound, counters, 0x5eed, 0, as_bytes(kRouteKey)) {
  proxy.use(sections.view(), now);
}

Arrival World::from_partner() const {
  const std::string_view name = "sip.partner.example";
  return arrive(kFromPartner, kOutside, 0, "10.1.0.1:5061", "203.0.113.5:40000",
                {PeerKind::partner, name, "partner.example", partner_edge,
                 snapshot::find_peer(sections.routing(), {&name, 1}, kOutside)});
}
Arrival World::from_fe1() const {
  return arrive(kFromFe1, kInside, 1, "10.2.0.1:5061", "10.2.0.11:40001",
                {PeerKind::inside, "fe1.example.com", {}, fe1});
}
Arrival World::from_fe2() const {
  return arrive(kFromFe2, kInside, 1, "10.2.0.1:5061", "10.2.0.12:40001",
                {PeerKind::inside, "fe2.example.com", {}, fe2});
}
Arrival World::from_stranger() const {
  return arrive(kFromStranger, kOutside, 0, "10.1.0.1:5061", "192.0.2.66:40000", {});
}

void World::receive(const Arrival& arrival, const std::string& text) {
  const auto message = std::make_unique<Message>();
  const Defect defect = parse(text, *message, &proxy);
  if (defect == Defect::none) {
    proxy.on_message(arrival, *message, now);
  } else {
    proxy.on_malformed(arrival, *message, defect, now);
  }
}

void World::respond(Taken& request, uint16_t status, const std::string& headers) {
  const Message& m = request.message();
  std::string text = "SIP/2.0 " + std::to_string(status) + " Answer\r\n";
  for (const Header& h : m.headers()) {
    const bool copied = h.id == HeaderId::via || h.id == HeaderId::from ||
                        h.id == HeaderId::call_id || h.id == HeaderId::cseq ||
                        h.id == HeaderId::record_route;
    if (copied) text += h.line;
    if (h.id == HeaderId::to) {
      text += "To: " + std::string(h.value) + (m.to_tag.empty() ? ";tag=b1\r\n" : "\r\n");
    }
  }
  text += headers + "Content-Length: 0\r\n\r\n";
  Arrival arrival = request.next_hop == partner_edge ? from_partner() : from_fe1();
  arrival.connection = request.connection;
  receive(arrival, text);
}

void World::pass(Duration time) {
  now += time;
  wheel.advance(now);
}

Taken World::take_response(ConnectionId connection, uint16_t status) {
  Taken taken = take();
  EXPECT_EQ(taken.connection, connection);
  EXPECT_EQ(taken.message().status, status) << taken.bytes;
  return taken;
}

Taken World::take_request(uint32_t next_hop, Method method) {
  Taken taken = take();
  EXPECT_EQ(taken.connection, FakeOutbound::connection_of(next_hop));
  EXPECT_TRUE(taken.message().is_request);
  EXPECT_EQ(taken.message().method, method) << taken.bytes;
  return taken;
}

void World::expect_idle() {
  EXPECT_TRUE(outbound.empty());
  EXPECT_EQ(proxy.server_transactions(), 0u);
  EXPECT_EQ(proxy.client_transactions(), 0u);
}

std::string value_of(const Message& message, HeaderId id, size_t nth) {
  for (const Header& h : message.headers()) {
    if (h.id == id && nth-- == 0) return std::string(h.value);
  }
  return {};
}

size_t count_of(const Message& message, HeaderId id) {
  size_t n = 0;
  for (const Header& h : message.headers()) n += h.id == id;
  return n;
}

void expect_retry_after(const Message& message) {
  const int seconds = std::atoi(value_of(message, HeaderId::retry_after).c_str());
  EXPECT_GE(seconds, 1);
  EXPECT_LE(seconds, 10);
}

}  // namespace fedge::sip
