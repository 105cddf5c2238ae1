// Who sends an MS-TURN request ([MS-TURN] 3.1.11 and 3.3.5.1): the same self-contained credentials
// as TURN's (turn_credentials.h), by the octets behind their base64 texts.
#pragma once

#include <optional>

#include "dataplane/media/plan.h"
#include "dataplane/media/turn_credentials.h"
#include "dataplane/media/turn_nonce.h"
#include "firmware/wire/ms_turn/writer.h"
#include "firmware/wire/stun/constants.h"

namespace fedge::media {

class MsTurnCredentials {
 public:
  explicit MsTurnCredentials(std::span<const std::byte, pki::Cmac::kKeySize> nonce_key)
      : nonces_(nonce_key) {}

  struct Sender {
    Address client;
    uint16_t client_port = 0;
    // Of its allocation, which goes on with the key that it has; null: none.
    const SessionDetails* session = nullptr;
  };
  // Nothing: `user` sent it. 441: `user` did, whose allocation it is not. All others prove nothing.
  // Only Allocate has REALM and NONCE. `wall` in seconds since 1970.
  std::optional<stun::Error> check(const ms_turn::Message& message, const Sender& sender,
                                   const Plan& plan, Instant now, int64_t wall, TurnUser& user);
  // Whether it was signed with the key of that allocation: for each Send.
  bool is_of(const ms_turn::Message& message, const SessionDetails& session);

  TurnNonces& nonces() { return nonces_; }
  // Signs a message that lacks only that. False when it does not fit.
  bool sign(ms_turn::Writer& writer, const TurnUser& user);

 private:
  std::optional<stun::Error> find_user(const ms_turn::Message& message, Bytes username,
                                       const Sender& sender, const Plan& plan, int64_t wall,
                                       TurnUser& user);
  bool is_signed_with(const stun::Covered& covered, Bytes key);

  TurnNonces nonces_;
  pki::MediaKeys keys_;
  pki::Hmac sha1_{pki::Hash::sha1};
};

}  // namespace fedge::media
