// Nonces of the long-term credential mechanism (RFC 8489 section 9.2) that nobody has to remember:
// the time, and a code over it and the client's address and port.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "dataplane/media/address.h"
#include "firmware/base/time.h"
#include "firmware/pki/cmac.h"
#include "firmware/wire/stun/constants.h"

namespace fedge::media {

enum class NonceForm : uint8_t {
  full,   // with the cookie that says that PASSWORD-ALGORITHMS is there
  brief,  // without, for where no more fits: whoever gets it authenticates as in RFC 5389
};

class TurnNonces {
 public:
  static constexpr size_t kFullSize = stun::kNonceCookieSize + 11;
  static constexpr size_t kBriefSize = 8;

  class Text {
   public:
    std::string_view view() const { return {octets_.data(), size_}; }

   private:
    friend class TurnNonces;
    std::array<char, kFullSize> octets_{};
    uint8_t size_ = 0;
  };

  explicit TurnNonces(std::span<const std::byte, pki::Cmac::kKeySize> key) : cmac_(key) {}

  Text make(NonceForm form, const Address& client, uint16_t client_port, Instant now);
  // It is one of ours, for that client, and not older than `lifetime`.
  bool is_fresh(std::string_view nonce, const Address& client, uint16_t client_port, Instant now,
                Duration lifetime);

 private:
  Text make_at(NonceForm form, const Address& client, uint16_t client_port, uint64_t count);

  pki::Cmac cmac_;
};

// Numbers that cannot be guessed from others of them.
class Draws {
 public:
  explicit Draws(std::span<const std::byte, pki::Cmac::kKeySize> key) : cmac_(key) {}
  uint64_t next();

 private:
  pki::Cmac cmac_;
  uint64_t count_ = 0;
};

}  // namespace fedge::media
