#include "dataplane/sip/relay_credentials.h"

#include <algorithm>
#include <cstring>

#include "firmware/pki/media_token.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

// A hundred credentials, each with every address of the relay.
constexpr size_t kBodyRoom = 256 * 1024;
constexpr size_t kHeadRoom = 64 * 1024;  // Vias
constexpr size_t kMostRelays = 16;
constexpr int64_t kSecondsPerMinute = 60;

IpAddress seen_address(const SnapshotView& snapshot, const snapshot::Listener& listener) {
  const auto& realms = *snapshot.realms;
  const snapshot::Realm& realm = realms.items(realms.root().realms)[listener.realm];
  for (const snapshot::RealmAddress& a : realms.items(realm.addresses)) {
    if (a.address.address == listener.endpoint.address && a.public_address) {
      return a.public_address;
    }
  }
  return listener.endpoint.address;
}

// The realm that relayed addresses are of is the world's side.
bool is_outside(const snapshot::Section<snapshot::Media>& media, uint16_t realm) {
  return std::ranges::any_of(media.items(media.root().pools), [&](const snapshot::MediaPool& p) {
    return p.use == snapshot::PoolUse::turn && p.realm == realm;
  });
}

}  // namespace

struct RelayCredentials::Rooms {
  explicit Rooms(uint64_t salt) : reader(salt) {}
  xml::Reader reader;
  mras::Request request;
  std::array<char, kBodyRoom> body;
  std::array<char, kBodyRoom + kHeadRoom> response;
};

std::span<char> RelayCredentials::response_room() const { return rooms_->response; }

void RelayCredentials::DeleteRooms::operator()(Rooms* rooms) const { delete rooms; }

bool is_credentials_request(const Message& request) {
  const Header* const type = request.find(HeaderId::content_type);
  if (request.method != Method::service || type == nullptr) return false;
  const std::string_view value = type->value;
  const std::string_view name = value.substr(0, value.find_first_of("; \t"));
  return equal_ignoring_case(name, mras::kContentType);
}

RelayCredentials::Relay& RelayCredentials::relay_at(mras::Location location,
                                                    const IpAddress& address) {
  std::string host = address.text();
  const auto there = std::ranges::find_if(
      relays_, [&](const Relay& r) { return r.location == location && r.host == host; });
  if (there != relays_.end()) return *there;
  relays_.push_back({location, std::move(host)});
  return relays_.back();
}

void RelayCredentials::use(const SnapshotView& snapshot) {
  relays_.clear();
  secrets_ = snapshot.token_secrets;
  if (snapshot.media == nullptr) return;
  const auto& media = *snapshot.media;
  realm_ = media.text(media.root().turn_realm);
  if (media.root().credential_minutes != 0) minutes_ = media.root().credential_minutes;
  for (const snapshot::Listener& listener :
       snapshot.listeners->items(snapshot.listeners->root().listeners)) {
    if (listener.service != snapshot::Service::av) continue;
    const auto location =
        is_outside(media, listener.realm) ? mras::Location::internet : mras::Location::intranet;
    Relay& relay = relay_at(location, seen_address(snapshot, listener));
    uint16_t& port =
        listener.transport == snapshot::Transport::udp ? relay.udp_port : relay.tcp_port;
    // 443 is what gets through firewalls; a second TCP port is for others to find.
    if (port == 0 || listener.endpoint.port == 443) port = listener.endpoint.port;
  }
  if (relays_.size() > kMostRelays) relays_.resize(kMostRelays);
}

const TokenSecret* RelayCredentials::find_secret(int64_t wall) const {
  const TokenSecret* latest = nullptr;
  for (const TokenSecret& secret : secrets_) {
    if (secret.effective_from <= wall && wall < secret.expires) latest = &secret;
  }
  return latest;
}

// Those on the client's side, or all when there are none or it does not say.
size_t RelayCredentials::list_relays(const mras::CredentialsRequest& asked, mras::Route route,
                                     std::span<mras::MediaRelay> out) const {
  const auto fits = [&](const Relay& r) { return asked.location && r.location == *asked.location; };
  const bool any = std::ranges::none_of(relays_, fits);
  size_t count = 0;
  for (const Relay& relay : relays_) {
    if (!any && !fits(relay)) continue;
    mras::MediaRelay& listed = out[count++];
    listed = {relay.location, relay.host, route == mras::Route::direct_ip, {}, {}};
    if (relay.udp_port != 0) listed.udp_port = relay.udp_port;
    if (relay.tcp_port != 0) listed.tcp_port = relay.tcp_port;
  }
  return count;
}

void RelayCredentials::write(mras::ResponseWriter& writer, const TokenSecret& secret, int64_t wall,
                             uint64_t random) const {
  // They end with the certificate: its key verifies no longer.
  const int64_t left = secret.expires - wall;
  const auto minutes_left = static_cast<uint32_t>(
      std::clamp<int64_t>(left / kSecondsPerMinute, mras::kFewestMinutes, mras::kMostMinutes));
  for (const mras::CredentialsRequest& asked : rooms_->request.credentials()) {
    const uint32_t minutes =
        std::clamp(asked.minutes.value_or(minutes_), mras::kFewestMinutes, minutes_left);
    std::array<std::byte, pki::kTokenRandomSize> octets;
    std::memcpy(octets.data(), &++random, octets.size());
    const auto made =
        pki::make_credentials(secret.key, secret.id, asked.identity,
                              wall + std::min(minutes * kSecondsPerMinute, left), octets);
    std::array<mras::MediaRelay, kMostRelays> relays;
    const size_t count = list_relays(asked, rooms_->request.route, relays);
    writer.add({asked.id, made.username, made.password, minutes, realm_, {relays.data(), count}});
  }
}

RelayCredentials::Reply RelayCredentials::answer(const Message& request, bool allowed, int64_t wall,
                                                 uint64_t random) {
  if (!allowed) return {CredentialsOutcome::forbidden, 403, {}};
  if (rooms_ == nullptr) rooms_.reset(new Rooms(seed_ | 1));
  const auto malformed = mras::read_request(request.body, rooms_->reader, rooms_->request);
  const TokenSecret* const secret = find_secret(wall);
  const auto reason = malformed != mras::Malformed::none ? mras::reason_of(malformed)
                      : secret == nullptr                ? mras::Reason::not_supported
                                                         : mras::Reason::ok;
  mras::ResponseWriter writer(rooms_->body, rooms_->request, reason);
  if (reason == mras::Reason::ok) write(writer, *secret, wall, random);
  const auto size = writer.finish();
  if (!size) return {CredentialsOutcome::too_large, 500, {}};
  Reply reply{CredentialsOutcome::given, 200, {rooms_->body.data(), *size}};
  if (malformed != mras::Malformed::none) reply.outcome = CredentialsOutcome::malformed;
  if (malformed == mras::Malformed::none && secret == nullptr)
    reply.outcome = CredentialsOutcome::no_key;
  return reply;
}

}  // namespace fedge::sip
