// The proxy core fed with messages as a peer could send them: any bytes, from any kind of peer,
// with responses to what it sends, failures and time in between. Each input is a sequence of
// steps: one octet of kind, two of size, then so many octets of message.
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/sip/proxy.h"
#include "firmware/snapshot/routes.h"
#include "firmware/snapshot/writer.h"
#include "firmware/wire/sip/message.h"

namespace {

using namespace fedge;
using namespace fedge::sip;
using namespace fedge::snapshot;

template <class Root>
Section<Root> open(std::string bytes) {
  static std::vector<std::unique_ptr<std::string>> kept;
  kept.push_back(std::make_unique<std::string>(std::move(bytes)));
  auto section = Section<Root>::open(as_bytes(*kept.back()));
  if (!section) std::abort();
  return std::move(*section);
}

struct Snapshot {
  Section<Appliance> appliance;
  Section<Realms> realms;
  Section<Listeners> listeners;
  Section<Routing> routing;
  Section<Signalling> signalling;

  // `second`: what a publish makes of the first.
  explicit Snapshot(bool second) {
    const auto endpoint = [](const char* text) { return *fedge::Endpoint::parse(text); };
    Writer a(Kind::appliance);
    appliance =
        open<Appliance>(a.finish(Appliance{a.text("e"), a.text("sip.a.example"), a.text("s")}));
    Writer r(Kind::realms);
    const auto ports = r.slice<Port>({{r.text("p"), r.text("p")}});
    const auto addresses = r.slice<RealmAddress>({{*Prefix::parse("10.1.0.1/24"), {}}});
    realms = open<Realms>(r.finish(
        Realms{ports, r.slice<Realm>({{r.text("out"), 0, 0, 1500, 0, 0, addresses, {}}})}));
    Writer l(Kind::listeners);
    listeners = open<Listeners>(l.finish(Listeners{l.slice<Listener>(
        {{l.text("l"), endpoint("10.1.0.1:5061"), 0, 0, Transport::tls, Service::access}})}));
    Writer t(Kind::routing);
    const auto hops = t.slice<NextHop>(
        {{t.text("fe1.a.example"), t.slice<fedge::Endpoint>({endpoint("10.1.0.2:5061")}), 0, 0,
          Transport::tls},
         {t.text("sip.b.example"), t.slice<fedge::Endpoint>({endpoint("10.1.0.3:5061")}), 0, 0,
          Transport::tls},
         {t.text("fe2.a.example"), t.slice<fedge::Endpoint>({endpoint("10.1.0.4:5061")}), 0, 0,
          Transport::tls}});
    std::vector<Route> routes{
        {t.text("a.example"), t.text("/0"), t.slice<Target>({{0, 1, 1}, {2, 2, 1}}),
         RouteKind::presence_domain},
        {t.text("fork.example"), t.text("/2"),
         second ? t.slice<Target>({{1, 1, 1}}) : t.slice<Target>({{0, 1, 1}, {2, 1, 1}, {1, 2, 1}}),
         RouteKind::static_domain, Forking::all},
        {t.text("b.example"), t.text("/1"), t.slice<Target>({{1, 1, 1}}), RouteKind::partner}};
    const auto peers =
        t.slice<Peer>({{t.text("fe1.a.example"), {}, 0, 0, PeerSide::inside},
                       {t.text("sip.b.example"), t.text("b.example"), 1, 0, PeerSide::partner}});
    Routing root{hops, {}, {}, peers, 1};
    write_routes(t, std::move(routes), root);
    routing = open<Routing>(t.finish(root));
    signalling = open<Signalling>(
        Writer(Kind::signalling)
            .finish(Signalling{500, 4000, 5000, 185000, 2000, 4000, 5000, 600000, 10000, 65536,
                               1000, 1000, 100, 64, 1048576, 10000, 200}));
  }
  SnapshotView view() const { return {&appliance, &realms, &listeners, &routing, &signalling}; }
};

// What the proxy writes must be something it reads.
class Checking : public Outbound {
 public:
  SendOutcome send(ConnectionId connection, std::string_view bytes) override {
    check(bytes);
    return connection % 5 == 4 ? SendOutcome::gone : SendOutcome::sent;
  }
  SendResult send_to_next_hop(uint32_t next_hop, std::string_view bytes, SendToken token) override {
    check(bytes);
    if (bytes.size() % 7 == 3) return {SendOutcome::gone, 0};
    if (bytes.size() % 7 == 4) return {SendOutcome::full, 0};
    if (token != 0) {
      if (message_->whole.size() != bytes.size() || !is_sound_) std::abort();
      before = std::move(last);
      last = bytes;
      last_token = token;
    }
    ++sent;
    return {SendOutcome::sent, 100 + next_hop};
  }
  std::string before;  // the last two requests that have a transaction
  std::string last;
  SendToken last_token = 0;
  size_t sent = 0;

 private:
  void check(std::string_view bytes) {
    is_sound_ = parse(bytes, *message_) == Defect::none;
    if (is_sound_ && message_->whole.size() != bytes.size()) std::abort();
  }
  bool is_sound_ = false;
  std::unique_ptr<Message> message_ = std::make_unique<Message>();
};

struct Box {
  Instant now{std::chrono::hours(1)};
  TimerWheel wheel{now};
  Counters counters;
  Checking outbound;
  Snapshot first{false};
  Snapshot second{true};
  Proxy proxy{{64, 65536}, wheel, outbound, counters, 1, 0, as_bytes("a key")};
  std::unique_ptr<Message> message = std::make_unique<Message>();

  Box() { proxy.use(first.view(), now); }
  void receive(uint8_t kind, std::string_view text) {
    const PeerFacts peers[] = {{PeerKind::inside, "fe1.a.example", {}, 0},
                               {PeerKind::partner, "sip.b.example", "b.example", 1},
                               {}};
    Arrival arrival{kind,
                    0,
                    0,
                    Transport::tls,
                    *fedge::Endpoint::parse("10.1.0.1:5061"),
                    *fedge::Endpoint::parse("10.1.0.2:4000"),
                    peers[kind % 3]};
    const Defect defect = parse(text, *message);
    if (defect == Defect::none) {
      proxy.on_message(arrival, *message, now);
    } else {
      proxy.on_malformed(arrival, *message, defect, now);
    }
  }
  // One of the last two requests sent comes back as a response: status line and the rest as it was.
  std::string make_answer(uint8_t kind) const {
    const std::string request = (kind & 16) != 0 ? outbound.before : outbound.last;
    const size_t line = request.find("\r\n");
    if (line == std::string::npos) return {};
    static const char* const kStatuses[] = {"100", "180", "200", "404", "408", "487", "503", "603",
                                            "401", "407", "302", "500", "440", "183", "202", "484"};
    const std::string challenge =
        (kind & 15) == 8 || (kind & 15) == 9 ? "\r\nWWW-Authenticate: Digest realm=\"x\"" : "";
    return std::string("SIP/2.0 ") + kStatuses[kind & 15] + " X" + challenge + request.substr(line);
  }
  void answer_too_much(uint8_t kind) {
    const std::string text = make_answer(kind & 15);
    parse(text, *message);
    if (!message->is_request) proxy.on_malformed({}, *message, Defect::too_large, now);
  }
  // The partner goes on in the dialog that the last request may have formed, by our Record-Route;
  // with a MAC that is not ours it must get nowhere.
  void go_on(uint8_t kind) {
    if (parse(outbound.last, *message) != Defect::none) return;
    std::string routes;
    for (const Header& header : message->headers()) {
      if (header.id != HeaderId::record_route) continue;
      const std::string route = "Route: " + std::string(header.value) + "\r\n";
      routes = (kind & 2) != 0 ? routes + route : route + routes;
    }
    const bool is_forged = (kind & 1) != 0;
    for (size_t at = routes.find("nh="); is_forged && at != routes.npos;
         at = routes.find("nh=", at + 1)) {
      const size_t dot = routes.find_first_of(".>", at);
      if (dot + 1 < routes.size() && routes[dot] == '.') {
        routes[dot + 1] = routes[dot + 1] == '0' ? '1' : '0';
      }
    }
    const std::string text =
        "BYE sip:x@192.0.2.99 SIP/2.0\r\nVia: SIP/2.0/TLS h;branch=z9hG4bKon" +
        std::to_string(++dialogs) + "\r\n" + routes +
        "From: <sip:a@b.example>;tag=1\r\nTo: <sip:c@a.example>;tag=2\r\nCall-ID: " +
        std::string(message->call_id) + "\r\nCSeq: 9 BYE\r\nContent-Length: 0\r\n\r\n";
    const size_t sent = outbound.sent;
    receive(1, text);
    if (is_forged && outbound.sent != sent) std::abort();
  }
  uint64_t dialogs = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Box box;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  while (input.size() >= 3) {
    const auto kind = static_cast<uint8_t>(input[0]);
    const size_t wanted =
        static_cast<uint8_t>(input[1]) | static_cast<size_t>(static_cast<uint8_t>(input[2])) << 8;
    input.remove_prefix(3);
    const std::string step(input.substr(0, wanted));
    input.remove_prefix(step.size());
    switch (kind >> 5) {
      case 0:
        box.receive(0, box.make_answer(kind));
        break;
      case 1:
        if ((kind & 16) != 0) {
          box.proxy.use((kind & 1) != 0 ? box.second.view() : box.first.view(), box.now);
          break;
        }
        box.proxy.on_connection_closed(100 + kind % 2, box.now);
        break;
      case 2:
        if ((kind & 16) != 0) {
          box.go_on(kind);
          break;
        }
        if ((kind & 8) != 0) {
          box.answer_too_much(kind);
          break;
        }
        box.proxy.on_send_failed(box.outbound.last_token, SendFailure::closed, box.now);
        break;
      case 3:
        box.now += std::chrono::milliseconds(1 << kind % 18);
        box.wheel.advance(box.now);
        break;
      default:
        box.receive(kind & 31, step);
    }
  }
  // Whatever has happened, time ends it.
  box.now += std::chrono::hours(1);
  box.wheel.advance(box.now);
  for (int i = 0; i < 4 && box.wheel.armed() != 0; ++i) {
    box.now += std::chrono::hours(1);
    box.wheel.advance(box.now);
  }
  if (box.proxy.server_transactions() != 0 || box.proxy.client_transactions() != 0) std::abort();
  return 0;
}
