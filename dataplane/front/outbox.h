// Octets that wait for one client's socket: bounded, and what does not fit is the caller's to drop.
#pragma once

#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/pki/tls.h"

namespace fedge::front {

class Outbox final : public pki::CipherSink {
 public:
  bool empty() const { return at_ == octets_.size(); }
  size_t size() const { return octets_.size() - at_; }
  Bytes waiting() const { return Bytes(octets_).subspan(at_); }

  void append(Bytes octets) override {
    octets_.insert(octets_.end(), octets.begin(), octets.end());
  }
  // The first `count` went out.
  void consume(size_t count) {
    at_ += count;
    if (at_ < octets_.size() && at_ < kMostGone) return;
    octets_.erase(octets_.begin(), octets_.begin() + static_cast<ptrdiff_t>(at_));
    at_ = 0;
    // One slow moment does not cost memory for ever.
    if (octets_.empty() && octets_.capacity() > kKept) octets_ = {};
  }

 private:
  static constexpr size_t kMostGone = 64 * 1024;
  static constexpr size_t kKept = 16 * 1024;
  std::vector<std::byte> octets_;
  size_t at_ = 0;
};

}  // namespace fedge::front
