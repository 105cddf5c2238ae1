// A station that speaks MS-TURN, and clients and peers that send it frames: for the unit tests and
// for the fuzz target, which links no other file of the tests.
#pragma once

#include "dataplane/media/dialects.h"
#include "firmware/wire/ms_turn/stream.h"
#include "tests/unit/media/site.h"
#include "tests/unit/media/turn_site.h"

namespace fedge::media {

inline std::string from_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  for (const char c : text) {
    static constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) break;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out.push_back(static_cast<char>(bits >> count));
  }
  return out;
}

struct MsTurnSite : TurnSite {
  test::FakeNextHops next_hops;
  MsTurnServer ms_turn;
  Dialects dialects;
  std::unique_ptr<Station> station;

  explicit MsTurnSite(
      const std::function<void(TurnSite&)>& change = [](TurnSite&) {},
      AnswerLimit::Rate strangers = {})
      : TurnSite(change),
        ms_turn(*sessions, quotas, &front, setup(strangers)),
        dialects(*server, ms_turn) {
    ms_turn.set_time_of_day(now, WallTime(std::chrono::seconds(kWall)));
    station = std::make_unique<Station>(*sessions, next_hops, dialects, server.get());
    publish_all();
  }
  void publish_all() {
    auto old = std::move(plan);
    publish();
    station->adopt(plan.get(), now);
  }

  test::Outcome deliver(const Endpoint& from, const Endpoint& to, std::string_view payload) {
    ip::PacketBuilder builder;
    builder.ethernet(ip::PacketBuilder::kOurs, test::kClientMac);
    if (to.address.is_v4()) {
      builder.ipv4(from.address.text(), to.address.text(), ip::kUdp);
    } else {
      builder.ipv6(from.address.text(), to.address.text(), ip::kUdp);
    }
    const std::string frame = builder.udp(from.port, to.port, payload).finish();
    Packet packet;
    return run(packet, frame);
  }
  // What front read on a connection.
  test::Outcome deliver_framed(ConnectionId connection, const Endpoint& from, const Endpoint& to,
                               std::string_view payload, bool is_data, bool* was_data = nullptr) {
    Packet packet;
    packet.connection = connection;
    packet.client = from;
    packet.server = to;
    packet.is_data = is_data;
    const test::Outcome outcome = run(packet, payload);
    if (was_data != nullptr) *was_data = packet.is_data;
    return outcome;
  }

  test::Outcome run(Packet& packet, std::string_view octets) {
    constexpr size_t kHeadroom = 128;
    std::memcpy(&buffer_[kHeadroom], octets.data(), octets.size());
    packet.frame = &buffer_[kHeadroom];
    packet.size = static_cast<uint16_t>(octets.size());
    packet.room_before = kHeadroom;
    packet.room_behind = static_cast<uint16_t>(buffer_.size() - kHeadroom - octets.size());
    station->process({&packet, 1}, now);
    return {packet.fate, packet.reason,     packet.realm,
            0,           packet.connection, std::string(as_text(packet.bytes()))};
  }

 private:
  static MsTurnServer::Setup setup(AnswerLimit::Rate strangers) {
    MsTurnServer::Setup out;
    out.seed.fill(std::byte{43});
    out.strangers = strangers;
    return out;
  }
  std::array<std::byte, 4096> buffer_{};
};

struct MsAnswer {
  std::shared_ptr<const std::string> octets;  // `message` is a view of them
  ms_turn::Message message;
  Fate fate{};
  Reason reason{};

  MsAnswer(const test::Outcome& outcome, std::string payload)
      : octets(std::make_shared<const std::string>(std::move(payload))),
        fate(outcome.fate),
        reason(outcome.reason) {
    if (arrived() && ms_turn::parse(as_bytes(*octets), message) != ms_turn::Malformed::none)
      std::abort();
  }
  bool arrived() const { return !octets->empty(); }
  bool is_success() const {
    return arrived() && (message.kind == ms_turn::Kind::allocate_response ||
                         message.kind == ms_turn::Kind::set_active_destination_response);
  }
  int error() const {
    const auto value = arrived() ? message.find_value(ms_turn::Type::error_code) : std::nullopt;
    const auto code = value ? stun::read_error_code(*value) : std::nullopt;
    return code ? code->code : 0;
  }
  std::string text(ms_turn::Type type) const {
    const auto value = message.find_value(type);
    return value ? std::string(as_text(*value)) : std::string();
  }
  uint32_t number(ms_turn::Type type) const {
    const auto value = message.find_value(type);
    return value ? stun::read_number(*value).value_or(0) : 0;
  }
  Endpoint address(ms_turn::Type type) const {
    const auto value = message.find_value(type);
    if (!value) return {};
    return (type == ms_turn::Type::xor_mapped_address
                ? stun::read_xor_address(*value, message.transaction)
                : stun::read_address(*value))
        .value_or(Endpoint{});
  }
};

// One client at one address, over UDP or on a connection of front. What it signs with follows from
// what it was told.
class MsTurnClient {
 public:
  using Add = std::function<void(ms_turn::Writer&)>;
  MsTurnClient(MsTurnSite& site, std::string_view at, std::string_view user_name = "bob")
      : address(endpoint(at)), site_(site) {
    const pki::Credentials given = site.credentials(user_name);
    user = from_base64(given.username);
    password = from_base64(given.password);
  }

  Endpoint address;
  Endpoint server{ip("9.9.9.1"), TurnSite::kPort};
  std::string user, password;
  std::string realm, nonce;
  ConnectionId connection = 0;
  ms_turn::Transaction transaction{};
  ms_turn::SequenceNumber number;
  bool has_number = false;
  Endpoint relayed;

  // An unsigned Allocate as long as libnice's.
  MsAnswer ask_plainly(const Add& add = [](ms_turn::Writer&) {}) {
    next_transaction();
    ms_turn::Writer writer(buffer_, ms_turn::Kind::allocate_request, transaction);
    writer.add_number(ms_turn::Type::ms_version, 1);
    add(writer);
    return send(writer.written());
  }
  MsAnswer be_challenged() {
    MsAnswer answer = ask_plainly();
    realm = answer.text(ms_turn::Type::realm);
    nonce = answer.text(ms_turn::Type::nonce);
    return answer;
  }
  MsAnswer allocate(const Add& add = [](ms_turn::Writer&) {}) {
    if (nonce.empty()) be_challenged();
    next_transaction();
    return allocate_again(add);
  }
  // In the same transaction.
  MsAnswer allocate_again(const Add& add = [](ms_turn::Writer&) {}) {
    const MsAnswer answer = ask(ms_turn::Kind::allocate_request, [&](ms_turn::Writer& w) {
      w.add_text(ms_turn::Type::realm, realm).add_text(ms_turn::Type::nonce, nonce);
      add(w);
    });
    if (!answer.is_success()) return answer;
    relayed = answer.address(ms_turn::Type::mapped_address);
    if (const auto value = answer.message.find_value(ms_turn::Type::ms_sequence_number);
        value && !has_number) {
      number = *ms_turn::read_sequence_number(*value);
      has_number = true;
    }
    return answer;
  }
  MsAnswer refresh(uint32_t lifetime) {
    return allocate([&](ms_turn::Writer& w) {
      add_number(w);
      w.add_number(ms_turn::Type::lifetime, lifetime);
    });
  }
  std::string send_octets(const Endpoint& peer, std::string_view data, bool with_number = true) {
    next_transaction();
    return sign(ms_turn::Kind::send_request, [&](ms_turn::Writer& w) {
      w.add_address(ms_turn::Type::destination_address, peer);
      if (with_number) add_number(w);
      w.add_text(ms_turn::Type::data, data);
    });
  }
  test::Outcome send_to(const Endpoint& peer, std::string_view data) {
    return deliver(send_octets(peer, data));
  }
  MsAnswer set_active(const Endpoint& peer) {
    next_transaction();
    return set_active_again(peer);
  }
  MsAnswer set_active_again(const Endpoint& peer, bool raises = true) {
    return ask(ms_turn::Kind::set_active_destination_request, [&](ms_turn::Writer& w) {
      if (raises) {
        add_number(w);
      } else {
        w.add_sequence_number(number);
      }
      w.add_address(ms_turn::Type::destination_address, peer);
    });
  }
  void add_number(ms_turn::Writer& writer) {
    if (!has_number) return;
    ++number.sequence;
    writer.add_sequence_number(number);
  }
  MsAnswer ask(ms_turn::Kind kind, const Add& add) { return send(as_bytes(sign(kind, add))); }
  std::string sign(ms_turn::Kind kind, const Add& add) {
    ms_turn::Writer writer(buffer_, kind, transaction);
    writer.add_text(ms_turn::Type::username, user);
    add(writer);
    const auto covered = writer.add_integrity(ms_turn::kHmacSha1Size);
    if (covered) writer.set_code(code(*covered).bytes());
    return std::string(as_text(writer.written()));
  }
  bool is_signed(const MsAnswer& answer) {
    const auto covered = ms_turn::covered_by_integrity(answer.message);
    return covered && pki::are_equal_secretly(code(*covered).bytes(), covered->code);
  }

  // Data without a header.
  test::Outcome deliver(std::string_view payload, bool is_data = false) {
    if (connection == 0) return site_.deliver(address, server, payload);
    return site_.deliver_framed(connection, address, server, payload, is_data);
  }
  MsAnswer send(Bytes message) {
    const test::Outcome outcome = deliver(as_text(message));
    if (outcome.fate == Fate::send) return {outcome, outcome.payload()};
    return {outcome, outcome.fate == Fate::front ? outcome.frame : std::string()};
  }
  uint32_t session() {
    if (connection != 0) return site_.sessions->find_connection(connection);
    return site_.sessions->find_client(Address::of(address.address), address.port,
                                       site_.local(server.address.text()), server.port);
  }

 private:
  void next_transaction() {
    store_be32(transaction.data(), 0x1000 + ++count_);
    store_be16(&transaction[4], address.port);
  }
  pki::DigestValue code(const stun::Covered& covered) {
    pki::Digest digest(pki::Hash::md5);
    const auto key = digest.compute(
        {as_bytes(user), as_bytes(":"), as_bytes(realm), as_bytes(":"), as_bytes(password)});
    pki::Hmac hmac(pki::Hash::sha1);
    hmac.set_key(key.bytes());
    return hmac.compute(covered.parts());
  }

  MsTurnSite& site_;
  uint32_t count_ = 0;
  std::array<std::byte, 1400> buffer_{};
};

}  // namespace fedge::media
