// AES-128-CMAC (NIST SP 800-38B, RFC 4493): a message authentication code for data paths, some
// 0.2 µs for a short text where HMAC takes five times as long.
#pragma once

#include <array>
#include <initializer_list>
#include <memory>

#include "firmware/base/bytes.h"

namespace fedge::pki {

// Allocates when it is made; computing does not. One object belongs to one thread.
class Cmac {
 public:
  static constexpr size_t kKeySize = 16;
  using Code = std::array<std::byte, 16>;

  explicit Cmac(std::span<const std::byte, kKeySize> key);  // copied, and wiped at the end
  Cmac(const Cmac&) = delete;
  Cmac& operator=(const Cmac&) = delete;
  ~Cmac();

  // Over parts, one behind the other, as if they were one text.
  Code compute(std::initializer_list<Bytes> parts);

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

}  // namespace fedge::pki
