// Credentials for media relays that need no database: the user name says who, until when and with
// which key; the password follows from it and that key. Control and signal make them, workers
// verify them; every appliance that holds the same A/V certificate has the same keys.
//
// Two forms. Tokens: base64 of
//   version 1 | key id, 4 octets | expiry, 8 octets | user's name | 8 random octets
// and as password base64 of an HMAC-SHA-256 of these octets; TURN uses both texts as they are,
// MS-TURN the octets behind them (protocol-facts 2.7). And what many TURN services give out:
// "EXPIRY:USER", or "EXPIRY" alone, with base64 of its HMAC-SHA-1 under a shared secret.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "firmware/base/bytes.h"
#include "firmware/base/result.h"
#include "firmware/pki/digest.h"
#include "firmware/pki/seal.h"

namespace fedge::pki {

inline constexpr size_t kTokenKeySize = 32;
inline constexpr size_t kTokenRandomSize = 8;
// A longer name is cut and ends in "#" and its SHA-256, so that two users stay two.
inline constexpr size_t kLongestTokenUser = 255;
inline constexpr size_t kLargestToken = 1 + 4 + 8 + kLongestTokenUser + kTokenRandomSize;
// Of USERNAME in either form; within RFC 8489's 508 octets.
inline constexpr size_t kLongestTokenText = (kLargestToken + 2) / 3 * 4;
inline constexpr size_t kTokenPasswordSize = 24;

// The token key of a private key (DER of any form, or PEM ending in a NUL): from its secret
// numbers, so that PKCS#8, SEC1 and PKCS#1 of one key give one token key.
Result<Secret> derive_token_key(Bytes private_key);
// Which token key it is; tells nothing about it. Never 0.
uint32_t token_key_id(const Secret& token_key);

struct Credentials {
  std::string username;
  std::string password;
};
// `expires` in seconds since 1970; `random` makes two tokens of a user differ. Empty texts when
// the key has not 32 octets.
Credentials make_credentials(const Secret& token_key, uint32_t key_id, std::string_view user,
                             int64_t expires, std::span<const std::byte, kTokenRandomSize> random);
// "EXPIRY:USER".
Credentials make_timed_credentials(const Secret& token_key, std::string_view user, int64_t expires);
// What others need to make the second form: the text that is the HMAC's key.
std::string timed_credentials_secret(const Secret& token_key);

// --- verifying: nothing allocates ----------------------------------------------------------------

enum class CredentialForm : uint8_t {
  none,   // neither of ours
  token,  // key_id() says by which key
  timed,  // by any key
};

// What a user name claims; the password proves it. Holds a copy of what it was read from.
class ClaimedUser {
 public:
  // As in USERNAME of TURN: either form. A form of none when it is neither or too long.
  static ClaimedUser read(std::string_view username);
  // As in USERNAME of MS-TURN: a token's octets.
  static ClaimedUser read_octets(Bytes username);

  CredentialForm form() const { return form_; }
  explicit operator bool() const { return form_ != CredentialForm::none; }
  uint32_t key_id() const { return key_id_; }
  int64_t expires() const { return expires_; }  // seconds since 1970
  std::string_view user() const { return as_text(octets().subspan(user_at_, user_size_)); }
  // A token's octets, or the text of the other form.
  Bytes octets() const { return {octets_.data(), size_}; }

 private:
  bool take_token();
  bool take_timed(std::string_view username);

  CredentialForm form_ = CredentialForm::none;
  uint16_t size_ = 0;
  uint16_t user_at_ = 0;
  uint16_t user_size_ = 0;
  uint32_t key_id_ = 0;
  int64_t expires_ = 0;
  // A base64 decoder may write whole groups.
  std::array<std::byte, kLongestTokenText> octets_{};
};

// Passwords and what MESSAGE-INTEGRITY is keyed with (RFC 8489 section 9.2.2). Allocates when it
// is made; one object belongs to one thread.
class MediaKeys {
 public:
  MediaKeys();

  // For TURN: MD5 or SHA-256 of username, realm and password, texts as they are. `username` is
  // what `claimed` was read from. `token_key` has kTokenKeySize octets.
  DigestValue long_term_key(Hash hash, Bytes token_key, const ClaimedUser& claimed,
                            std::string_view username, std::string_view realm);
  // For MS-TURN: MD5 of a token's octets, the realm and the password's octets.
  DigestValue long_term_key_of_octets(Bytes token_key, const ClaimedUser& claimed,
                                      std::string_view realm);

 private:
  friend Credentials make_credentials(const Secret&, uint32_t, std::string_view, int64_t,
                                      std::span<const std::byte, kTokenRandomSize>);
  friend Credentials make_timed_credentials(const Secret&, std::string_view, int64_t);
  struct Text {
    std::array<char, 48> store{};
    size_t size = 0;
    std::string_view view() const { return {store.data(), size}; }
  };
  using PasswordOctets = std::array<std::byte, kTokenPasswordSize>;
  PasswordOctets token_password(Bytes token_key, Bytes token);
  Text password_text(Bytes token_key, const ClaimedUser& claimed);

  Hmac sha256_code_{Hash::sha256};
  Hmac sha1_code_{Hash::sha1};
  Digest md5_{Hash::md5};
  Digest sha256_{Hash::sha256};
};

}  // namespace fedge::pki
