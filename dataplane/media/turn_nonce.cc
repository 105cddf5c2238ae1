#include "dataplane/media/turn_nonce.h"

#include <algorithm>
#include <span>

#include "firmware/pki/digest.h"
#include "firmware/wire/stun/attributes.h"

namespace fedge::media {

namespace {

// What a nonce's time counts. Sixteen bits of it stand there: three days, far more than any
// lifetime, and the code covers the whole count.
constexpr Duration kUnit = 4s;

constexpr std::string_view kDigits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// Six bits a digit, the highest first.
void write_digits(std::span<char> out, uint64_t value) {
  for (char& digit : out) {
    digit = kDigits[value >> 58];
    value <<= 6;
  }
}

template <class T>
Bytes octets_of(const T& number) {
  return std::as_bytes(std::span(&number, 1));
}

uint64_t count_of(Instant now) { return static_cast<uint64_t>(now.time_since_epoch() / kUnit); }

}  // namespace

TurnNonces::Text TurnNonces::make_at(NonceForm form, const Address& client, uint16_t client_port,
                                     uint64_t count) {
  const pki::Cmac::Code code = cmac_.compute(
      {octets_of(form), octets_of(client.words), octets_of(client_port), octets_of(count)});
  uint64_t value;
  std::memcpy(&value, code.data(), sizeof value);
  value = count << 48 | value >> 16;
  Text text;
  if (form == NonceForm::full) {
    stun::write_nonce_cookie(std::span(text.octets_).first<stun::kNonceCookieSize>(),
                             stun::kPasswordAlgorithmsBit);
    write_digits(std::span(text.octets_).subspan<stun::kNonceCookieSize>(), value);
    text.size_ = kFullSize;
  } else {
    write_digits(std::span(text.octets_).first<kBriefSize>(), value);
    text.size_ = kBriefSize;
  }
  return text;
}

TurnNonces::Text TurnNonces::make(NonceForm form, const Address& client, uint16_t client_port,
                                  Instant now) {
  return make_at(form, client, client_port, count_of(now));
}

bool TurnNonces::is_fresh(std::string_view nonce, const Address& client, uint16_t client_port,
                          Instant now, Duration lifetime) {
  const NonceForm form = nonce.size() == kFullSize ? NonceForm::full : NonceForm::brief;
  if (form == NonceForm::brief && nonce.size() != kBriefSize) return false;
  uint64_t bits = 0;
  for (const char c : nonce.substr(form == NonceForm::full ? stun::kNonceCookieSize : 0, 3))
    bits = bits << 6 | (std::min(kDigits.find(c), kDigits.size() - 1) & 63);
  const uint64_t count = count_of(now);
  const uint64_t age = (count - (bits >> 2)) & 0xffff;
  if (age > count || age * kUnit > lifetime) return false;
  const Text expected = make_at(form, client, client_port, count - age);
  return pki::are_equal_secretly(as_bytes(expected.view()), as_bytes(nonce));
}

uint64_t Draws::next() {
  const pki::Cmac::Code code = cmac_.compute({octets_of(++count_)});
  uint64_t number;
  std::memcpy(&number, code.data(), sizeof number);
  return number;
}

}  // namespace fedge::media
