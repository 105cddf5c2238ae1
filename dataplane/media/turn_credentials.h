// Who sends a request: long-term credentials (RFC 8489 section 9.2) of users whom nobody lists,
// verified from what their user name says and the plan's token keys (firmware/pki/media_token.h).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "dataplane/media/plan.h"
#include "dataplane/media/records.h"
#include "dataplane/media/turn_nonce.h"
#include "firmware/pki/digest.h"
#include "firmware/pki/media_token.h"
#include "firmware/wire/stun/attributes.h"
#include "firmware/wire/stun/integrity.h"
#include "firmware/wire/stun/message.h"
#include "firmware/wire/stun/writer.h"

namespace fedge::media {

// What quotas and records know a user by: of the name in the credentials, in any form.
uint64_t user_hash(std::string_view name);

// In the order of preference.
inline constexpr std::array kPasswordAlgorithms{stun::Algorithm::sha256, stun::Algorithm::md5};

struct TurnUser {
  uint64_t hash = 0;
  std::array<char, 48> name{};  // its beginning, for the operator
  std::array<std::byte, 32> key{};
  uint8_t key_size = 0;       // 16: MD5, 32: SHA-256
  bool signs_sha256 = false;  // with which code answers are signed
  Bytes key_bytes() const { return Bytes(key).first(key_size); }
};

enum class Proof : uint8_t {
  right,
  absent,      // no credentials: 401
  incomplete,  // or the algorithms are not those offered: 400
  wrong,       // 401
  stale,       // right, but the nonce is not: 438
  another,     // right, but not the user whose allocation it is: 441
};

class TurnCredentials {
 public:
  explicit TurnCredentials(std::span<const std::byte, pki::Cmac::kKeySize> nonce_key)
      : nonces_(nonce_key) {}

  struct Sender {
    Address client;
    uint16_t client_port = 0;  // 0: any, its address is proved
    // Of its allocation; null: none. An allocation goes on with the key that it has, even when
    // the credentials it began with are over.
    const SessionDetails* session = nullptr;
  };
  // `wall` in seconds since 1970. `user` holds with Proof::right only.
  Proof check(const stun::Message& message, const Sender& sender, const Plan& plan, Instant now,
              int64_t wall, TurnUser& user);
  TurnNonces& nonces() { return nonces_; }
  pki::MediaKeys& keys() { return keys_; }

  // Signs a message that lacks only that and FINGERPRINT. False when it does not fit.
  bool sign(stun::Writer& writer, const TurnUser& user);

 private:
  struct Claims;
  std::optional<stun::Algorithm> algorithm_of(const stun::Message& message);
  bool is_signed_with(const Claims& claims, Bytes key);
  bool find_key(const Claims& claims, const Plan& plan, int64_t wall, TurnUser& user);
  Proof find_user(const Claims& claims, const Sender& sender, const Plan& plan, int64_t wall,
                  TurnUser& user);

  TurnNonces nonces_;
  pki::MediaKeys keys_;
  pki::Hmac sha1_{pki::Hash::sha1};
  pki::Hmac sha256_{pki::Hash::sha256};
};

}  // namespace fedge::media
