#include "dataplane/media/ms_turn_credentials.h"

#include <algorithm>
#include <cstring>

namespace fedge::media {

using ms_turn::Type;
using stun::Error;

namespace {

Bytes key_of(const SessionDetails& session) {
  const TurnDetails& turn = session.turn;
  return Bytes(turn.key).first(std::min<size_t>(turn.key_size, turn.key.size()));
}

}  // namespace

// Clients of version 3 sign with SHA-256 only for servers that say version 3 themselves.
bool MsTurnCredentials::is_signed_with(const stun::Covered& covered, Bytes key) {
  if (covered.code.size() != ms_turn::kHmacSha1Size) return false;
  sha1_.set_key(key);
  return pki::are_equal_secretly(sha1_.compute(covered.parts()).bytes(), covered.code);
}

bool MsTurnCredentials::is_of(const ms_turn::Message& message, const SessionDetails& session) {
  const auto covered = ms_turn::covered_by_integrity(message);
  const Bytes key = key_of(session);
  return covered && !key.empty() && is_signed_with(*covered, key);
}

std::optional<Error> MsTurnCredentials::find_user(const ms_turn::Message& message, Bytes username,
                                                  const Sender& sender, const Plan& plan,
                                                  int64_t wall, TurnUser& user) {
  const auto covered = ms_turn::covered_by_integrity(message);
  if (!covered) return Error::unauthenticated;
  const auto claimed = pki::ClaimedUser::read_octets(username);
  if (!claimed) return Error::unknown_user;
  user.hash = user_hash(claimed.user());
  if (sender.session != nullptr && sender.session->user == user.hash &&
      is_of(message, *sender.session)) {
    user.name = sender.session->user_name;
    user.key = sender.session->turn.key;
    user.key_size = sender.session->turn.key_size;
    return std::nullopt;
  }
  for (const TokenSecret& secret : plan.secrets()) {
    if (secret.id != claimed.key_id()) continue;
    const auto key = keys_.long_term_key_of_octets(secret.key.bytes(), claimed, plan.turn_realm());
    if (!is_signed_with(*covered, key.bytes())) return Error::integrity_check_failure;
    if (claimed.expires() <= wall || secret.expires <= wall) return Error::stale_credentials;
    std::ranges::copy(key.bytes(), user.key.begin());
    user.key_size = static_cast<uint8_t>(key.bytes().size());
    user.name = {};
    std::memcpy(user.name.data(), claimed.user().data(),
                std::min(claimed.user().size(), user.name.size()));
    const bool is_another = sender.session != nullptr && sender.session->user != user.hash;
    return is_another ? std::optional(Error::wrong_credentials) : std::nullopt;
  }
  return Error::unknown_user;
}

std::optional<Error> MsTurnCredentials::check(const ms_turn::Message& message, const Sender& sender,
                                              const Plan& plan, Instant now, int64_t wall,
                                              TurnUser& user) {
  if (!message.has(Type::message_integrity)) return Error::unauthenticated;
  const auto username = message.find_value(Type::username);
  if (!username) return Error::missing_username;
  const auto nonce = message.find_value(Type::nonce);
  const bool is_allocate = message.kind == ms_turn::Kind::allocate_request;
  if (is_allocate && !message.has(Type::realm)) return Error::missing_realm;
  if (is_allocate && !nonce) return Error::missing_nonce;
  const auto error = find_user(message, *username, sender, plan, wall, user);
  if (error && *error != Error::wrong_credentials) return error;
  const Duration lifetime = std::chrono::seconds(plan.limits().nonce_s);
  if (is_allocate &&
      !nonces_.is_fresh(as_text(*nonce), sender.client, sender.client_port, now, lifetime))
    return Error::stale_nonce;
  return error;
}

bool MsTurnCredentials::sign(ms_turn::Writer& writer, const TurnUser& user) {
  const auto covered = writer.add_integrity(ms_turn::kHmacSha1Size);
  if (!covered) return false;
  sha1_.set_key(user.key_bytes());
  writer.set_code(sha1_.compute(covered->parts()).bytes());
  return writer.fits();
}

}  // namespace fedge::media
