// A TURN server with its table and plan, and clients that talk to it without a network: for the
// unit tests and for the fuzz target, which links no other file of the tests.
#pragma once

#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/media/turn_server.h"
#include "dataplane/media/turn_tcp.h"
#include "firmware/snapshot/writer.h"
#include "firmware/wire/turn/attributes.h"

namespace fedge::media {

inline IpAddress ip(std::string_view text) { return *IpAddress::parse(text); }
inline Endpoint endpoint(std::string_view text) { return *Endpoint::parse(text); }

// What must be there; without it a test means nothing.
template <class T>
T must(Result<T> result) {
  if (result) return std::move(*result);
  std::fprintf(stderr, "turn site: %s %s\n", result.error().where.c_str(),
               result.error().what.c_str());
  std::abort();
}

// What front was asked.
struct FrontLog : TcpRelay {
  std::vector<TcpListen> listens;
  std::vector<TcpListen> names;
  std::vector<TcpUnlisten> unlistens;
  std::vector<TcpConnect> connects;
  std::vector<std::pair<TcpBind, std::vector<std::byte>>> binds;
  std::vector<TcpDrop> drops;
  std::vector<TcpAccept> accepts;
  std::vector<std::pair<TcpSend, std::string>> sends;
  std::vector<std::pair<TcpActive, std::string>> actives;
  std::vector<std::pair<ConnectionId, std::vector<std::byte>>> sent;
  bool works = true;

  bool listen(const TcpListen& what) override { return listens.push_back(what), works; }
  bool name(const TcpListen& what) override { return names.push_back(what), works; }
  bool unlisten(const TcpUnlisten& what) override { return unlistens.push_back(what), works; }
  bool connect(const TcpConnect& what) override { return connects.push_back(what), works; }
  bool bind(const TcpBind& what, Bytes success) override {
    binds.emplace_back(what, std::vector(success.begin(), success.end()));
    return works;
  }
  bool drop(const TcpDrop& what) override { return drops.push_back(what), works; }
  bool accept(const TcpAccept& what) override { return accepts.push_back(what), works; }
  bool send_to(const TcpSend& what, Bytes data) override {
    return sends.emplace_back(what, as_text(data)), works;
  }
  bool set_active(const TcpActive& what, Bytes answer) override {
    return actives.emplace_back(what, as_text(answer)), works;
  }
  bool send(ConnectionId client, Bytes message) override {
    sent.emplace_back(client, std::vector(message.begin(), message.end()));
    return works;
  }
};

struct TurnSite {
  static constexpr uint32_t kKeyId = 77;
  static constexpr int64_t kWall = 1'800'000'000;
  static constexpr int64_t kKeyEnd = kWall + 100'000;
  static constexpr uint16_t kPort = 3478;

  // What the next plan says.
  snapshot::Media limits{};
  std::string turn_realm = "example.org";
  std::vector<Endpoint> alternates;
  std::vector<snapshot::PeerRule> rules;
  std::string own_v4 = "9.9.9.1", public_v4 = "11.0.0.1", own_v6 = "2600::1";
  bool has_v6_pool = true;
  uint16_t first_port = 50000, last_port = 50019;

  pki::Secret key{as_bytes(std::string(pki::kTokenKeySize, 'k'))};
  Quotas quotas{1};
  FrontLog front;
  Instant now = Instant{} + 1h;
  std::unique_ptr<const Plan> plan;
  std::unique_ptr<Sessions> sessions;
  std::unique_ptr<TurnServer> server;
  // How a client's message gets to a server, and the answer; when it is none, straight to `server`.
  std::function<std::vector<std::byte>(const Endpoint& client, Bytes message)> carry;

  explicit TurnSite(
      const std::function<void(TurnSite&)>& change = [](TurnSite&) {}, bool has_front = true,
      AnswerLimit::Rate strangers = {}) {
    limits.max_sessions = 100;
    limits.max_sessions_per_user = 20;
    limits.max_sessions_per_source = 50;
    limits.credential_minutes = 480;
    limits.lifetime_default_s = 600;
    limits.lifetime_max_s = 3600;
    limits.nonce_s = 600;
    change(*this);
    Fd memory(::memfd_create("turn-site", MFD_CLOEXEC));
    sessions = must(Sessions::open(memory, 0, 1, 64, quotas));
    TurnServer::Setup setup;
    setup.seed.fill(std::byte{42});
    setup.strangers = strangers;
    server = std::make_unique<TurnServer>(*sessions, quotas, has_front ? &front : nullptr, setup);
    sessions->set_listener(server.get());
    server->set_time_of_day(now, WallTime(std::chrono::seconds(kWall)));
    publish();
  }

  void publish() {
    auto next = build();
    sessions->use(*next);
    plan = std::move(next);
  }
  // As the station's beat does it.
  void pass(Duration time) {
    now += time;
    sessions->expire(now, 1000);
  }
  uint16_t local(std::string_view address) const {
    for (size_t i = 0; i < plan->locals().size(); ++i)
      if (plan->locals()[i].address == Address::of(ip(address))) return static_cast<uint16_t>(i);
    std::abort();
  }
  pki::Credentials credentials(std::string_view user, int64_t lifetime = 3600) const {
    constexpr std::array<std::byte, pki::kTokenRandomSize> random{std::byte{1}};
    return pki::make_credentials(key, kKeyId, user, kWall + lifetime, random);
  }

 private:
  std::unique_ptr<const Plan> build() {
    snapshot::Writer realms(snapshot::Kind::realms), listeners(snapshot::Kind::listeners),
        media(snapshot::Kind::media);
    const auto text = [](snapshot::Writer& writer, std::string_view t) { return writer.text(t); };
    snapshot::Port port{};
    port.name = text(realms, "p0");
    port.device = text(realms, "dev0");
    snapshot::Realm realm{};
    realm.name = text(realms, "outside");
    realm.mtu = 1500;
    realm.addresses = realms.slice(std::vector<snapshot::RealmAddress>{
        {{ip(own_v4), 24}, ip(public_v4)}, {{ip(own_v6), 64}, {}}});
    const std::string realms_section = realms.finish(
        snapshot::Realms{realms.slice(std::vector{port}), realms.slice(std::vector{realm})});

    std::vector<snapshot::Listener> entries;
    for (const std::string& address : {own_v4, own_v6}) {
      snapshot::Listener listener{};
      listener.name = text(listeners, "av");
      listener.endpoint = {ip(address), kPort};
      listener.tls_context = 0xffff;
      listener.transport = snapshot::Transport::udp;
      listener.service = snapshot::Service::av;
      entries.push_back(listener);
    }
    const std::string listeners_section =
        listeners.finish(snapshot::Listeners{listeners.slice(entries)});

    std::vector<IpAddress> addresses{ip(own_v4)};
    if (has_v6_pool) addresses.push_back(ip(own_v6));
    snapshot::MediaPool pool{};
    pool.addresses = media.slice(addresses);
    pool.first_port = first_port;
    pool.last_port = last_port;
    pool.use = snapshot::PoolUse::turn;
    snapshot::Media root = limits;
    root.turn_realm = text(media, turn_realm);
    root.pools = media.slice(std::vector{pool});
    root.peer_rules = media.slice(rules);
    root.token_keys = media.slice(std::vector<snapshot::TokenKey>{{1, 0, kKeyEnd, kKeyId}});
    root.alternates = media.slice(alternates);
    const std::string media_section = media.finish(root);

    const auto open_realms =
        must(snapshot::Section<snapshot::Realms>::open(as_bytes(realms_section)));
    const auto open_listeners =
        must(snapshot::Section<snapshot::Listeners>::open(as_bytes(listeners_section)));
    const auto open_media = must(snapshot::Section<snapshot::Media>::open(as_bytes(media_section)));
    std::vector<pki::PrivateKey> keys;
    keys.push_back({1, pki::Secret(key.bytes())});
    const BoxPort box{"dev0", {2, 0, 0, 0, 0, 1}};
    return must(Plan::build({open_realms, open_listeners, open_media, keys}, std::span(&box, 1),
                            ++sequence_));
  }

  uint32_t sequence_ = 0;
};

struct Answer {
  std::vector<std::byte> octets;
  stun::Message message;
  Reason reason{};

  bool arrived() const { return !octets.empty(); }
  bool is_success() const { return arrived() && message.message_class == stun::Class::success; }
  int error() const {
    if (!arrived()) return -1;
    const auto value = message.find_value(stun::Type::error_code);
    const auto code = value ? stun::read_error_code(*value) : std::nullopt;
    return code ? code->code : 0;
  }
  std::string text(stun::Type type) const {
    const auto value = message.find_value(type);
    return value ? std::string(as_text(*value)) : std::string();
  }
  Endpoint xor_address(stun::Type type) const {
    const auto value = message.find_value(type);
    return value ? *stun::read_xor_address(*value, message.transaction) : Endpoint{};
  }
  uint32_t number(stun::Type type) const {
    const auto value = message.find_value(type);
    return value ? *stun::read_number(*value) : 0;
  }
};

// One client at one address. What it signs with follows from what it was told.
class TurnClient {
 public:
  using Add = std::function<void(stun::Writer&)>;
  TurnClient(TurnSite& site, std::string_view at, std::string_view user = "bob")
      : address(endpoint(at)), credentials(site.credentials(user)), site_(site) {}

  Endpoint address;
  pki::Credentials credentials;
  std::string realm, nonce;
  bool wants_sha256 = false;    // PASSWORD-ALGORITHM SHA-256 and MESSAGE-INTEGRITY-SHA256
  bool has_algorithms = false;  // the server offered them; with wants_sha256 they are echoed
  bool marks = false;           // FINGERPRINT
  ConnectionId connection = 0;
  stun::Transaction transaction{};

  // Without credentials.
  Answer ask_plainly(stun::Method method, const Add& add) {
    next_transaction();
    stun::Writer writer(buffer_, method, stun::Class::request, transaction);
    add(writer);
    if (marks) writer.add_fingerprint();
    return send(writer.written());
  }
  // Learns realm and nonce.
  Answer be_challenged() {
    Answer answer = ask_plainly(stun::Method::allocate, [](stun::Writer& w) {
      turn::add_transport(w, turn::kUdp);
      w.add_text(stun::Type::software, "a client with a long name");
    });
    learn(answer);
    return answer;
  }
  // With credentials, in a new transaction.
  Answer ask(stun::Method method, const Add& add = [](stun::Writer&) {}) {
    if (nonce.empty()) be_challenged();
    next_transaction();
    return ask_again(method, add);
  }
  // In the same transaction.
  Answer ask_again(stun::Method method, const Add& add = [](stun::Writer&) {}) {
    stun::Writer writer(buffer_, method, stun::Class::request, transaction);
    add(writer);
    sign(writer);
    return send(writer.written());
  }
  Answer allocate(const Add& add = [](stun::Writer&) {}) {
    return ask(stun::Method::allocate, [&](stun::Writer& w) {
      turn::add_transport(w, turn::kUdp);
      add(w);
    });
  }
  Answer refresh(uint32_t lifetime) {
    return ask(stun::Method::refresh,
               [&](stun::Writer& w) { w.add_number(stun::Type::lifetime, lifetime); });
  }
  Answer permit(std::string_view peer) { return permit(std::vector{endpoint(peer)}); }
  Answer permit(const std::vector<Endpoint>& peers) {
    return ask(stun::Method::create_permission, [&](stun::Writer& w) {
      for (const Endpoint& peer : peers) w.add_xor_address(stun::Type::xor_peer_address, peer);
    });
  }
  Answer bind(uint16_t channel, std::string_view peer) {
    return ask(stun::Method::channel_bind, [&](stun::Writer& w) {
      turn::add_channel_number(w, channel);
      w.add_xor_address(stun::Type::xor_peer_address, endpoint(peer));
    });
  }

  void learn(const Answer& answer) {
    realm = answer.text(stun::Type::realm);
    nonce = answer.text(stun::Type::nonce);
    has_algorithms = answer.message.has(stun::Type::password_algorithms);
  }
  void add_credentials(stun::Writer& writer) {
    writer.add_text(stun::Type::username, credentials.username)
        .add_text(stun::Type::realm, realm)
        .add_text(stun::Type::nonce, nonce);
    if (!wants_sha256 || !has_algorithms) return;
    writer.add_password_algorithms(kPasswordAlgorithms)
        .add_password_algorithm(stun::Algorithm::sha256);
  }
  void sign(stun::Writer& writer) {
    add_credentials(writer);
    seal(writer);
  }
  void seal(stun::Writer& writer) {
    const bool is_sha256 = wants_sha256 && has_algorithms;
    const auto covered = writer.add_integrity(is_sha256 ? stun::Type::message_integrity_sha256
                                                        : stun::Type::message_integrity);
    if (covered) writer.set_code(code(*covered, is_sha256).bytes());
    if (marks) writer.add_fingerprint();
  }
  // The server has the same key.
  bool is_signed(const Answer& answer) {
    const bool is_sha256 = answer.message.has(stun::Type::message_integrity_sha256);
    const auto covered =
        stun::covered_by(answer.message, is_sha256 ? stun::Type::message_integrity_sha256
                                                   : stun::Type::message_integrity);
    return covered && pki::are_equal_secretly(code(*covered, is_sha256).bytes(), covered->code);
  }
  Answer send(Bytes message) {
    if (site_.carry) return read(site_.carry(address, message));
    std::vector<std::byte> frame(message.begin(), message.end());
    frame.resize(1400);
    Packet packet;
    packet.connection = connection;
    Request request{packet, MutableBytes(frame).first(message.size())};
    request.room = frame.size();
    request.server = site_.local(address.address.is_v4() ? site_.own_v4 : site_.own_v6);
    request.server_port = TurnSite::kPort;
    request.client = Address::of(address.address);
    request.client_port = address.port;
    request.client_mac = {2, 0, 0, 0, 0, 9};
    request.session = find();
    const size_t size = site_.server->on_stun(request, *site_.plan, site_.now);
    frame.resize(size);
    Answer answer = read(std::move(frame));
    answer.reason = packet.reason;
    return answer;
  }
  // Its session, kNone without one.
  uint32_t find() {
    if (connection != 0) return site_.sessions->find_connection(connection);
    return site_.sessions->find_client(
        Address::of(address.address), address.port,
        site_.local(address.address.is_v4() ? site_.own_v4 : site_.own_v6), TurnSite::kPort);
  }

 private:
  static Answer read(std::vector<std::byte> octets) {
    Answer answer;
    answer.octets = std::move(octets);
    if (answer.arrived() && stun::parse(answer.octets, answer.message) != stun::Malformed::none)
      std::abort();
    return answer;
  }
  void next_transaction() {
    std::array<std::byte, stun::kTransactionIdSize> id{};
    store_be32(id.data(), ++count_);
    store_be16(&id[4], address.port);
    transaction = stun::make_transaction(id);
  }
  pki::DigestValue code(const stun::Covered& covered, bool is_sha256) {
    pki::Digest digest(wants_sha256 && has_algorithms ? pki::Hash::sha256 : pki::Hash::md5);
    const auto key = digest.compute({as_bytes(credentials.username), as_bytes(":"), as_bytes(realm),
                                     as_bytes(":"), as_bytes(credentials.password)});
    pki::Hmac hmac(is_sha256 ? pki::Hash::sha256 : pki::Hash::sha1);
    hmac.set_key(key.bytes());
    return hmac.compute(covered.parts());
  }

  TurnSite& site_;
  uint32_t count_ = 0;
  std::array<std::byte, 1400> buffer_{};
};

}  // namespace fedge::media
