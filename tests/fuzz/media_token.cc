// Any octets as USERNAME of TURN and of MS-TURN: what is claimed lies in what was sent, and nobody
// gets a key without the token key.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "firmware/pki/media_token.h"

using namespace fedge;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool are_equal(const pki::DigestValue& a, const pki::DigestValue& b) {
  return as_text(a.bytes()) == as_text(b.bytes());
}

void check(const pki::ClaimedUser& claimed, std::string_view username) {
  static pki::MediaKeys keys;
  static const std::string ours(pki::kTokenKeySize, 'k'), other(pki::kTokenKeySize, 'o');
  require(claimed.octets().size() <= pki::kLongestTokenText);
  if (!claimed) return;
  require(claimed.user().size() <= claimed.octets().size());
  for (const auto hash : {pki::Hash::md5, pki::Hash::sha256}) {
    const auto key = keys.long_term_key(hash, as_bytes(ours), claimed, username, "realm");
    require(are_equal(key, keys.long_term_key(hash, as_bytes(ours), claimed, username, "realm")));
    require(!are_equal(key, keys.long_term_key(hash, as_bytes(other), claimed, username, "realm")));
  }
  if (claimed.form() != pki::CredentialForm::token) return;
  const auto again = pki::ClaimedUser::read_octets(claimed.octets());
  require(again.form() == claimed.form() && again.user() == claimed.user() &&
          again.expires() == claimed.expires() && again.key_id() == claimed.key_id());
  require(!are_equal(keys.long_term_key_of_octets(as_bytes(ours), claimed, "realm"),
                     keys.long_term_key_of_octets(as_bytes(other), claimed, "realm")));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check(pki::ClaimedUser::read(text), text);
  check(pki::ClaimedUser::read_octets(as_bytes(text)), text);
  return 0;
}
