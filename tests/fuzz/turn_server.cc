// A whole TURN server with a session table: an input is a sequence of steps of several clients,
// time that passes, events of front and publishes. What must hold after each step is checked.
#include "tests/fuzz/steps.h"
#include "tests/unit/media/turn_site.h"

using namespace fedge;
using namespace fedge::media;
using fuzz::require;

namespace {

class Run {
 public:
  Run() : site_(fuzz::make_small) {}

  // As it was made: to make the memory anew takes far longer than an input.
  void begin() {
    for (uint32_t i = 0; i < site_.sessions->mark(); ++i)
      if (site_.sessions->in_use(i)) site_.sessions->end(i, EndCause::operator_asked);
    if (is_changed_) publish({});
    is_changed_ = false;
    site_.front = {};
    site_.pass(10s);  // what strangers may hear comes back
    clients_.clear();
    for (const char* at : {"8.1.1.1:4000", "8.1.1.1:4001", "[2610::5]:4000"})
      clients_.push_back(std::make_unique<TurnClient>(site_, at));
    clients_[1]->connection = 7;
    clients_[2]->wants_sha256 = true;
    for (auto& client : clients_) client->be_challenged();
    last_ticket_.clear();
    last_token_ = 1;
  }

  void step(uint8_t what, Bytes octets) {
    TurnClient& client = *clients_[(what >> 4) % clients_.size()];
    switch (what & 15) {
      case 0:  // as a stranger sends it
        send_raw(client, octets);
        break;
      case 1:
      case 2:
      case 3:
      case 4:
      case 5:  // attributes of a request that is signed
        send_signed(client, what & 15, octets);
        break;
      case 6:
        site_.pass(std::chrono::seconds(octets.empty() ? 1 : std::to_integer<int>(octets[0]) * 4));
        break;
      case 7:
        on_front(octets);
        break;
      case 8:
        publish(octets);
        break;
      default:
        client.learn(client.be_challenged());
    }
    check();
  }

 private:
  void send_raw(TurnClient& client, Bytes octets) {
    const uint32_t before = site_.sessions->size();
    const Answer answer = client.send(octets);
    require(site_.sessions->size() <= before);  // an unsigned one makes nothing
    if (client.connection == 0 && answer.arrived())
      require(answer.octets.size() <=
              largest_answer(octets.size(), client.address.address.is_v4()));
  }
  void send_signed(TurnClient& client, int which, Bytes octets) {
    constexpr std::array methods{stun::Method::allocate,          stun::Method::refresh,
                                 stun::Method::create_permission, stun::Method::channel_bind,
                                 stun::Method::connect,           stun::Method::connection_bind};
    const size_t more = octets.empty() ? 0 : std::to_integer<size_t>(octets[0]) & 1;
    const Answer answer = client.ask(methods[static_cast<size_t>(which) - 1 + more],
                                     [&](stun::Writer& w) { add_attributes(w, octets); });
    if (!answer.arrived()) return;
    if (answer.error() == 438 || answer.error() == 401) {
      client.learn(answer);
    } else if (answer.error() != 400) {
      require(client.is_signed(answer));
    }
    if (const auto ticket = answer.message.find_value(stun::Type::mobility_ticket))
      last_ticket_.assign(ticket->begin(), ticket->end());
    if (const auto token = answer.message.find_value(stun::Type::reservation_token))
      last_token_ = *stun::read_long_number(*token);
  }
  // Each: type, kind of value, octets of it.
  void add_attributes(stun::Writer& writer, Bytes octets) {
    for (size_t at = 1; at + 2 <= octets.size(); at += 3) {
      const auto type = std::to_integer<uint8_t>(octets[at]);
      const auto value = std::to_integer<uint8_t>(octets[at + 1]);
      const Bytes rest = octets.subspan(at + 2);
      switch (value & 7) {
        case 0:
          writer.add_xor_address(stun::Type::xor_peer_address,
                                 {IpAddress::v4(0x08080800u + type), value});
          break;
        case 1:
          turn::add_channel_number(writer, static_cast<uint16_t>(0x4000 + type % 16));
          break;
        case 2:
          turn::add_transport(writer, type % 4 == 0 ? turn::kTcp : turn::kUdp);
          break;
        case 3:
          writer.add(stun::Type::mobility_ticket, last_ticket_);
          break;
        case 4:
          writer.add_long_number(stun::Type::reservation_token, last_token_);
          break;
        case 5:
          writer.add_number(stun::Type::lifetime, type * 32u);
          break;
        default:  // anything in a known or unknown attribute
          writer.add(static_cast<stun::Type>(type | (value & 8) << 12),
                     rest.first(std::min<size_t>(rest.size(), value >> 4)));
      }
    }
  }
  void on_front(Bytes octets) {
    TcpIncoming incoming;
    std::memcpy(&incoming, octets.data(), std::min(octets.size(), sizeof incoming));
    if (!site_.front.listens.empty() && incoming.peer % 2 == 0)
      incoming.allocation = site_.front.listens.back().allocation;
    site_.server->on_tcp_incoming(incoming, *site_.plan, site_.now);
    TcpConnected connected;
    TcpFailed failed;
    connected.allocation = failed.allocation = incoming.allocation;
    connected.peer = incoming.peer;
    failed.failure = static_cast<TcpFailure>(incoming.peer);
    if (!site_.front.connects.empty())
      connected.echo = failed.echo = site_.front.connects.back().echo;
    site_.server->on_tcp_connected(connected);
    site_.server->on_tcp_failed(failed);
    if (incoming.peer_port % 8 == 1) site_.server->on_connection_closed(7);
  }
  void publish(Bytes octets) {
    const uint8_t bits = octets.empty() ? 0 : std::to_integer<uint8_t>(octets[0]);
    site_.limits.draining = bits & 1;
    site_.has_v6_pool = (bits & 2) == 0;
    site_.last_port = (bits & 4) != 0 ? 50003 : fuzz::kLastPort;
    site_.own_v4 = (bits & 8) != 0 ? "9.9.9.5" : "9.9.9.1";
    site_.publish();
    is_changed_ = true;
  }

  // The ports, too.
  void check() {
    const Sessions& sessions = *site_.sessions;
    uint32_t ports_v4 = 0, ports_v6 = 0;
    const auto count = [&](const Address& address) { ++(address.is_v4() ? ports_v4 : ports_v6); };
    fuzz::check_sessions(site_, [&](uint32_t i, const SessionRecord& record, uint32_t) {
      const SessionDetails& details = sessions.details(i);
      require(record.kind == SessionKind::turn);
      count(details.relay);
      if (record.second_relay_port != 0) count(details.second_relay);
      if ((record.flags & session_flag::kHoldsNextPort) != 0) count(details.relay);
      require((record.flags & session_flag::kTcpRelay) == 0 || details.connection != 0);
    });
    const uint32_t of_pool = site_.last_port - site_.first_port + 1u;
    require(sessions.free_ports(4) == of_pool - ports_v4);
    require(sessions.free_ports(6) == (site_.has_v6_pool ? of_pool - ports_v6 : 0));
  }

  TurnSite site_;
  std::vector<std::unique_ptr<TurnClient>> clients_;
  std::vector<std::byte> last_ticket_;
  uint64_t last_token_ = 1;
  bool is_changed_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Run run;
  run.begin();
  fuzz::take_steps(run, data, size);
  return 0;
}
