// An MS-TURN server behind a station: an input is a sequence of steps of several clients and peers,
// time that passes and publishes. What must hold after each step is checked.
#include "tests/fuzz/steps.h"
#include "tests/unit/media/ms_turn_site.h"

using namespace fedge;
using namespace fedge::media;
using fuzz::require;
using ms_turn::Kind;
using ms_turn::Type;

namespace {

class Run {
 public:
  Run() : site_(fuzz::make_small) {
    for (const char* at : {"8.1.1.1:4000", "8.1.1.1:4001", "8.1.1.2:4000"})
      clients_.push_back(std::make_unique<MsTurnClient>(site_, at));
    clients_[1]->connection = 7;
    for (auto& client : clients_) client->be_challenged();
  }

  void step(uint8_t what, Bytes octets) {
    MsTurnClient& client = *clients_[(what >> 4) % clients_.size()];
    switch (what & 7) {
      case 0:
        send_raw(client, octets, (what & 8) != 0);
        break;
      case 1:
        send_signed(client, Kind::allocate_request, octets);
        break;
      case 2:
        send_signed(client, Kind::send_request, octets);
        break;
      case 3:
        send_signed(client, Kind::set_active_destination_request, octets);
        break;
      case 4:
        hear_peer(client, octets);
        break;
      case 5:
        site_.pass(std::chrono::seconds(octets.empty() ? 1 : std::to_integer<int>(octets[0]) * 4));
        break;
      case 6:
        publish(octets);
        break;
      default:
        client.be_challenged();
    }
    check();
  }

 private:
  // A stranger's octets, or data.
  void send_raw(MsTurnClient& client, Bytes octets, bool is_data) {
    const uint32_t before = site_.sessions->size();
    const test::Outcome out = client.deliver(as_text(octets), is_data);
    require(site_.sessions->size() <= before);
    if (out.fate != Fate::send || client.connection != 0) return;
    if (out.to() == client.address)
      require(out.payload().size() <= largest_answer(octets.size(), true));
    require(out.has_right_checksum());
  }
  void send_signed(MsTurnClient& client, Kind kind, Bytes octets) {
    client.transaction[0] = octets.empty() ? std::byte{} : octets[0];
    const std::string message = client.sign(kind, [&](ms_turn::Writer& w) {
      if (kind == Kind::allocate_request)
        w.add_text(Type::realm, client.realm).add_text(Type::nonce, client.nonce);
      add_attributes(client, w, octets);
    });
    const test::Outcome out = client.deliver(message);
    if (out.fate == Fate::send) require(out.has_right_checksum());
    if (kind == Kind::send_request) return;
    const std::string answer = out.fate == Fate::send    ? out.payload()
                               : out.fate == Fate::front ? out.frame
                                                         : std::string();
    if (!answer.empty()) learn(client, answer);
  }
  void learn(MsTurnClient& client, std::string_view octets) {
    ms_turn::Message message;
    require(ms_turn::parse(as_bytes(octets), message) == ms_turn::Malformed::none);
    if (const auto nonce = message.find_value(Type::nonce)) client.nonce = as_text(*nonce);
    const auto number = message.find_value(Type::ms_sequence_number);
    if (number && client.session() != kNone) {
      client.number = *ms_turn::read_sequence_number(*number);
      client.has_number = true;
    }
    if (const auto relayed = message.find_value(Type::mapped_address))
      client.relayed = *stun::read_address(*relayed);
  }
  // Each: type, kind of value, octets of it.
  void add_attributes(MsTurnClient& client, ms_turn::Writer& writer, Bytes octets) {
    for (size_t at = 1; at + 2 <= octets.size(); at += 3) {
      const auto type = std::to_integer<uint8_t>(octets[at]);
      const auto value = std::to_integer<uint8_t>(octets[at + 1]);
      const Bytes rest = octets.subspan(at + 2);
      const Bytes some = rest.first(std::min<size_t>(rest.size(), value >> 4));
      switch (value & 7) {
        case 0:
          writer.add_address(Type::destination_address,
                             {IpAddress::v4(0x08080800u + type), static_cast<uint16_t>(value + 1)});
          break;
        case 1:
          writer.add_address(Type::destination_address, clients_[type % clients_.size()]->relayed);
          break;
        case 2:
          client.number.sequence += static_cast<uint32_t>(type) - 8;
          writer.add_sequence_number(client.number);
          break;
        case 3:
          writer.add(Type::data, some);
          break;
        case 4:
          writer.add_number(Type::lifetime, type * 32u);
          break;
        case 5:
          writer.add_number(Type::requested_address_family, uint32_t{type} << 24);
          break;
        default:  // anything in a known or unknown attribute
          writer.add(static_cast<Type>(type | (value & 8) << 12), some);
      }
    }
  }
  void hear_peer(MsTurnClient& client, Bytes octets) {
    const uint32_t session = client.session();
    if (session == kNone || octets.empty()) return;
    const Endpoint relay{site_.sessions->details(session).relay.ip(),
                         site_.sessions->record(session).relay_port};
    if (!relay.address.is_v4()) return;
    const Endpoint peer{IpAddress::v4(0x08080800u + std::to_integer<uint8_t>(octets[0])), 1};
    const test::Outcome out = site_.deliver(peer, relay, as_text(octets));
    if (out.fate == Fate::send) require(out.has_right_checksum() && out.to() == client.address);
  }
  void publish(Bytes octets) {
    const uint8_t bits = octets.empty() ? 0 : std::to_integer<uint8_t>(octets[0]);
    site_.limits.draining = bits & 1;
    site_.has_v6_pool = (bits & 2) == 0;
    site_.last_port = (bits & 4) != 0 ? 50003 : fuzz::kLastPort;
    site_.rules.clear();
    if ((bits & 8) != 0) site_.rules = {{*Prefix::parse("8.8.8.0/25"), 0}};
    site_.publish_all();
  }

  void check() {
    fuzz::check_sessions(site_, [](uint32_t, const SessionRecord& record, uint32_t channels) {
      require(record.kind == SessionKind::ms_turn && channels <= 1);
    });
  }

  MsTurnSite site_;
  std::vector<std::unique_ptr<MsTurnClient>> clients_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Run run;
  fuzz::take_steps(run, data, size);
  return 0;
}
