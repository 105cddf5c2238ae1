#include "dataplane/sip/matching.h"

#include <xxhash.h>

#include <algorithm>

#include "dataplane/sip/hash.h"

namespace fedge::sip {

namespace {

// Parts in a row, each closed off by a zero octet that no part contains. Every part takes a bounded
// share, so that all of them fit whatever a peer sends.
class KeyText {
 public:
  void add(std::string_view part) {
    if (part.size() > kLongestPart) {
      // Too long to be kept as it is: its hash stands for it.
      const uint64_t h = hash_of(part, part.size());
      return add({reinterpret_cast<const char*>(&h), sizeof h});
    }
    std::copy(part.begin(), part.end(), text_ + used_);
    used_ += part.size();
    text_[used_++] = '\0';
  }
  void add_host(std::string_view host) {
    const size_t begin = used_;
    add(host);
    for (size_t i = begin; i < used_; ++i) {
      if (text_[i] >= 'A' && text_[i] <= 'Z') text_[i] = static_cast<char>(text_[i] + 32);
    }
  }
  TransactionKey hash(uint64_t seed) const {
    const XXH128_hash_t h = XXH3_128bits_withSeed(text_, used_, seed);
    return {h.low64, h.high64};
  }

 private:
  static constexpr size_t kLongestPart = 255;
  static constexpr size_t kMostParts = 7;

  char text_[kMostParts * (kLongestPart + 1)];
  size_t used_ = 0;
};

}  // namespace

TransactionKey key_of(const Message& request, const Via& top, const PeerFacts& peer,
                      uint64_t secret) {
  const bool of_invite = request.method == Method::ack || request.method == Method::cancel;
  const Method method = of_invite ? Method::invite : request.method;
  KeyText text;
  text.add(peer.name.substr(0, 256));
  if (method == Method::other) {
    text.add(request.method_text.substr(0, 64));
  } else {
    const char m = static_cast<char>('A' + static_cast<int>(method));
    text.add({&m, 1});
  }
  if (top.has_cookie()) {
    text.add_host(top.host);
    const char port[2] = {static_cast<char>(top.port >> 8), static_cast<char>(top.port)};
    text.add({port, 2});
    text.add(top.branch);
  } else {
    text.add(request.request_uri);
    text.add(request.from_tag);
    text.add(request.call_id);
    text.add({reinterpret_cast<const char*>(&request.cseq), sizeof request.cseq});
    text.add(top.value);
  }
  return text.hash(secret);
}

}  // namespace fedge::sip
