#include "firmware/pki/media_token.h"

#include <mbedtls/base64.h>

#include <algorithm>
#include <charconv>

#include "firmware/pki/certificate.h"
#include "firmware/pki/library.h"

namespace fedge::pki {

namespace {

constexpr std::byte kVersion{1};
constexpr size_t kHeadSize = 1 + 4 + 8;
constexpr size_t kMostTimedDigits = 12;

// What separates the uses of one key.
constexpr std::string_view kKeyPurpose = "fedge media token key 1";
constexpr std::string_view kIdPurpose = "fedge media token id";
constexpr std::string_view kPasswordPurpose = "fedge media token password";
constexpr std::string_view kSecretPurpose = "fedge timed credentials";

void store_be64(std::byte* p, uint64_t value) {
  store_be32(p, static_cast<uint32_t>(value >> 32));
  store_be32(p + 4, static_cast<uint32_t>(value));
}
uint64_t load_be64(const std::byte* p) { return uint64_t{load_be32(p)} << 32 | load_be32(p + 4); }

// Into `out`, which has room for it and for a NUL. The size of the text.
size_t encode_base64(std::span<char> out, Bytes octets) {
  size_t size = 0;
  (void)mbedtls_base64_encode(reinterpret_cast<unsigned char*>(out.data()), out.size(), &size,
                              library::octets(octets), octets.size());
  return size;
}

std::string to_base64(Bytes octets) {
  std::string text((octets.size() + 2) / 3 * 4 + 1, '\0');
  text.resize(encode_base64(text, octets));
  return text;
}

std::string fit_user(std::string_view user) {
  if (user.size() <= kLongestTokenUser) return std::string(user);
  const std::string digest = "#" + sha256_hex(as_bytes(user));
  return std::string(user.substr(0, kLongestTokenUser - digest.size())) + digest;
}

}  // namespace

Result<Secret> derive_token_key(Bytes private_key) {
  library::Key key;
  if (auto parsed = key.parse(private_key); !parsed) {
    return fail("private key", parsed.error().what, parsed.error().remedy);
  }
  auto numbers = library::secret_numbers(key);
  if (!numbers) return std::unexpected(numbers.error());
  return derive_key(*numbers, kKeyPurpose);
}

uint32_t token_key_id(const Secret& token_key) {
  const Secret derived = derive_key(token_key, kIdPurpose);
  return std::max<uint32_t>(load_be32(derived.bytes().data()), 1);
}

Credentials make_credentials(const Secret& token_key, uint32_t key_id, std::string_view user,
                             int64_t expires, std::span<const std::byte, kTokenRandomSize> random) {
  if (token_key.bytes().size() != kTokenKeySize) return {};
  const std::string name = fit_user(user);
  std::vector<std::byte> token(kHeadSize);
  token[0] = kVersion;
  store_be32(&token[1], key_id);
  store_be64(&token[5], static_cast<uint64_t>(expires));
  token.insert(token.end(), as_bytes(name).begin(), as_bytes(name).end());
  token.insert(token.end(), random.begin(), random.end());
  // libnice trims quotes and NULs off both ends of user names and passwords of MS-TURN.
  token.back() |= std::byte{0x80};
  return {to_base64(token), to_base64(MediaKeys().token_password(token_key.bytes(), token))};
}

Credentials make_timed_credentials(const Secret& token_key, std::string_view user,
                                   int64_t expires) {
  if (token_key.bytes().size() != kTokenKeySize) return {};
  const std::string username = std::to_string(expires) + ":" + fit_user(user);
  MediaKeys keys;
  return {username,
          std::string(keys.password_text(token_key.bytes(), ClaimedUser::read(username)).view())};
}

std::string timed_credentials_secret(const Secret& token_key) {
  return to_base64(derive_key(token_key, kSecretPurpose).bytes());
}

ClaimedUser ClaimedUser::read(std::string_view username) {
  ClaimedUser claimed;
  if (username.empty() || username.size() > kLongestTokenText) return claimed;
  if (claimed.take_timed(username)) return claimed;
  size_t size = 0;
  const int code = mbedtls_base64_decode(
      reinterpret_cast<unsigned char*>(claimed.octets_.data()), claimed.octets_.size(), &size,
      reinterpret_cast<const unsigned char*>(username.data()), username.size());
  if (code != 0) return claimed;
  claimed.size_ = static_cast<uint16_t>(size);
  (void)claimed.take_token();
  return claimed;
}

ClaimedUser ClaimedUser::read_octets(Bytes username) {
  ClaimedUser claimed;
  if (username.size() > kLargestToken) return claimed;
  std::ranges::copy(username, claimed.octets_.begin());
  claimed.size_ = static_cast<uint16_t>(username.size());
  (void)claimed.take_token();
  return claimed;
}

bool ClaimedUser::take_token() {
  if (size_ < kHeadSize + kTokenRandomSize || size_ > kLargestToken || octets_[0] != kVersion)
    return false;
  form_ = CredentialForm::token;
  key_id_ = load_be32(&octets_[1]);
  expires_ = static_cast<int64_t>(load_be64(&octets_[5]));
  user_at_ = kHeadSize;
  user_size_ = static_cast<uint16_t>(size_ - kHeadSize - kTokenRandomSize);
  return true;
}

bool ClaimedUser::take_timed(std::string_view username) {
  const size_t colon = std::min(username.find(':'), username.size());
  if (colon == 0 || colon > kMostTimedDigits) return false;
  int64_t expires = 0;
  const char* const end = username.data() + colon;
  const auto read = std::from_chars(username.data(), end, expires);
  if (read.ec != std::errc{} || read.ptr != end || expires < 0) return false;
  std::ranges::copy(as_bytes(username), octets_.begin());
  form_ = CredentialForm::timed;
  expires_ = expires;
  size_ = static_cast<uint16_t>(username.size());
  user_at_ = static_cast<uint16_t>(std::min(colon + 1, username.size()));
  user_size_ = static_cast<uint16_t>(size_ - user_at_);
  return true;
}

MediaKeys::MediaKeys() = default;

MediaKeys::PasswordOctets MediaKeys::token_password(Bytes token_key, Bytes token) {
  sha256_code_.set_key(token_key);
  const DigestValue code = sha256_code_.compute({as_bytes(kPasswordPurpose), token});
  PasswordOctets password;
  std::ranges::copy(code.bytes().first(kTokenPasswordSize), password.begin());
  // As for the token: no end that is trimmed.
  password.front() |= std::byte{0x80};
  password.back() |= std::byte{0x80};
  return password;
}

MediaKeys::Text MediaKeys::password_text(Bytes token_key, const ClaimedUser& claimed) {
  Text text;
  if (claimed.form() == CredentialForm::token) {
    text.size = encode_base64(text.store, token_password(token_key, claimed.octets()));
    return text;
  }
  sha256_code_.set_key(token_key);
  const DigestValue secret = sha256_code_.compute({as_bytes(kSecretPurpose)});
  std::array<char, 48> secret_text{};
  const size_t size = encode_base64(secret_text, secret.bytes());
  sha1_code_.set_key(as_bytes({secret_text.data(), size}));
  text.size = encode_base64(text.store, sha1_code_.compute({claimed.octets()}).bytes());
  return text;
}

DigestValue MediaKeys::long_term_key(Hash hash, Bytes token_key, const ClaimedUser& claimed,
                                     std::string_view username, std::string_view realm) {
  const Text password = password_text(token_key, claimed);
  const Bytes colon = as_bytes(":");
  return (hash == Hash::sha256 ? sha256_ : md5_)
      .compute({as_bytes(username), colon, as_bytes(realm), colon, as_bytes(password.view())});
}

DigestValue MediaKeys::long_term_key_of_octets(Bytes token_key, const ClaimedUser& claimed,
                                               std::string_view realm) {
  const PasswordOctets password = token_password(token_key, claimed.octets());
  const Bytes colon = as_bytes(":");
  return md5_.compute({claimed.octets(), colon, as_bytes(realm), colon, password});
}

}  // namespace fedge::pki
