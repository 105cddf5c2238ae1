#include "dataplane/media/turn_credentials.h"

#include <xxhash.h>

#include <algorithm>

namespace fedge::media {

using stun::Algorithm;
using stun::Type;

uint64_t user_hash(std::string_view name) { return XXH3_64bits(name.data(), name.size()); }

namespace {

// USERHASH says nothing that can be looked up: the code alone tells.
bool is_user_of(const SessionDetails& session, Bytes username) {
  if (username.empty()) return true;
  const auto claimed = pki::ClaimedUser::read(as_text(username));
  return claimed && user_hash(claimed.user()) == session.user;
}

}  // namespace

// What a request says of its sender.
struct TurnCredentials::Claims {
  Bytes username;  // empty with USERHASH
  Bytes realm;
  Bytes nonce;
  Algorithm algorithm = Algorithm::md5;
  stun::Covered covered;
  bool is_sha256 = false;  // the code's kind
};

// PASSWORD-ALGORITHMS must come back as they were sent, with one of them chosen; neither is MD5.
// Nothing: somebody changed them, or the client is wrong.
std::optional<Algorithm> TurnCredentials::algorithm_of(const stun::Message& message) {
  const auto offered = message.find_value(Type::password_algorithms);
  const auto chosen = message.find_value(Type::password_algorithm);
  if (!offered && !chosen) return Algorithm::md5;
  if (!offered || !chosen) return std::nullopt;
  Bytes rest = *offered;
  stun::PasswordAlgorithm algorithm;
  for (const Algorithm ours : kPasswordAlgorithms)
    if (!stun::take_password_algorithm(rest, algorithm) || !algorithm.is(ours)) return std::nullopt;
  if (!rest.empty()) return std::nullopt;
  const auto read = stun::read_password_algorithm(*chosen);
  for (const Algorithm ours : kPasswordAlgorithms)
    if (read && read->is(ours)) return ours;
  return std::nullopt;
}

bool TurnCredentials::is_signed_with(const Claims& claims, Bytes key) {
  pki::Hmac& hmac = claims.is_sha256 ? sha256_ : sha1_;
  hmac.set_key(key);
  return pki::are_equal_secretly(hmac.compute(claims.covered.parts()).bytes(), claims.covered.code);
}

// The key of credentials that hold now.
bool TurnCredentials::find_key(const Claims& claims, const Plan& plan, int64_t wall,
                               TurnUser& user) {
  const auto claimed = pki::ClaimedUser::read(as_text(claims.username));
  if (!claimed || claimed.expires() <= wall) return false;
  const auto hash = claims.algorithm == Algorithm::sha256 ? pki::Hash::sha256 : pki::Hash::md5;
  for (const TokenSecret& secret : plan.secrets()) {
    if (secret.expires <= wall) continue;
    if (claimed.form() == pki::CredentialForm::token && claimed.key_id() != secret.id) continue;
    const auto key = keys_.long_term_key(hash, secret.key.bytes(), claimed,
                                         as_text(claims.username), plan.turn_realm());
    if (!is_signed_with(claims, key.bytes())) continue;
    std::ranges::copy(key.bytes(), user.key.begin());
    user.key_size = static_cast<uint8_t>(key.bytes().size());
    user.hash = user_hash(claimed.user());
    user.name = {};
    std::memcpy(user.name.data(), claimed.user().data(),
                std::min(claimed.user().size(), user.name.size()));
    return true;
  }
  return false;
}

Proof TurnCredentials::find_user(const Claims& claims, const Sender& sender, const Plan& plan,
                                 int64_t wall, TurnUser& user) {
  if (sender.session != nullptr && is_user_of(*sender.session, claims.username)) {
    const TurnDetails& turn = sender.session->turn;
    const Bytes key = Bytes(turn.key).first(std::min<size_t>(turn.key_size, turn.key.size()));
    if (!key.empty() && is_signed_with(claims, key)) {
      user.hash = sender.session->user;
      user.name = sender.session->user_name;
      user.key = turn.key;
      user.key_size = turn.key_size;
      return Proof::right;
    }
  }
  if (claims.username.empty() || !find_key(claims, plan, wall, user)) return Proof::wrong;
  if (sender.session != nullptr && sender.session->user != user.hash) return Proof::another;
  return Proof::right;
}

Proof TurnCredentials::check(const stun::Message& message, const Sender& sender, const Plan& plan,
                             Instant now, int64_t wall, TurnUser& user) {
  Claims claims;
  claims.is_sha256 = message.has(Type::message_integrity_sha256);
  const auto covered = stun::covered_by(
      message, claims.is_sha256 ? Type::message_integrity_sha256 : Type::message_integrity);
  if (!covered) return Proof::absent;
  claims.covered = *covered;
  const auto username = message.find_value(Type::username);
  const auto realm = message.find_value(Type::realm);
  const auto nonce = message.find_value(Type::nonce);
  if ((!username && !message.has(Type::userhash)) || !realm || !nonce) return Proof::incomplete;
  const auto algorithm = algorithm_of(message);
  if (!algorithm) return Proof::incomplete;
  if (username) claims.username = *username;
  claims.algorithm = *algorithm;

  const Proof proof = find_user(claims, sender, plan, wall, user);
  if (proof == Proof::wrong) return proof;
  user.signs_sha256 = claims.is_sha256 || message.has(Type::password_algorithm);
  const Duration lifetime = std::chrono::seconds(plan.limits().nonce_s);
  if (!nonces_.is_fresh(as_text(*nonce), sender.client, sender.client_port, now, lifetime))
    return Proof::stale;
  return proof;
}

bool TurnCredentials::sign(stun::Writer& writer, const TurnUser& user) {
  const auto covered = writer.add_integrity(user.signs_sha256 ? Type::message_integrity_sha256
                                                              : Type::message_integrity);
  if (!covered) return false;
  pki::Hmac& hmac = user.signs_sha256 ? sha256_ : sha1_;
  hmac.set_key(user.key_bytes());
  writer.set_code(hmac.compute(covered->parts()).bytes());
  return writer.fits();
}

}  // namespace fedge::media
