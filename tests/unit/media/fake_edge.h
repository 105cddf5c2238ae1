// What stands around a station in tests: next hops, and a server that only echoes.
#pragma once

#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <utility>

#include "dataplane/media/station.h"

namespace fedge::media::test {

// Every address is a neighbour; its MAC ends in its number.
class FakeNextHops : public NextHops {
 public:
  static constexpr size_t kMost = 4096;
  FakeNextHops() : FakeNextHops(std::make_unique<std::array<MacWord, kMost>>()) {}

  NextHopIndex resolve(uint16_t realm, const IpAddress& address) override {
    ++asked;
    if (!has_routes) return kNoNextHop;
    const auto next = static_cast<NextHopIndex>(numbers_.size() % kMost);
    const IpAddress& hop = gateway ? gateway : address;
    const auto [found, is_new] = numbers_.try_emplace({realm, hop}, next);
    if (is_new && is_known) learn(next);
    return found->second;
  }
  void learn(NextHopIndex next_hop) { (*macs_)[next_hop].store(to_mac_word(mac(next_hop))); }
  void forget_all() {
    for (MacWord& word : *macs_) word.store(0);
    numbers_.clear();
  }
  static ip::Mac mac(NextHopIndex n) {
    return {2, 1, 1, 1, static_cast<uint8_t>(n >> 8), static_cast<uint8_t>(n)};
  }

  IpAddress gateway;  // everything goes through it, when there is one
  bool has_routes = true;
  bool is_known = true;
  int asked = 0;

 private:
  explicit FakeNextHops(std::unique_ptr<std::array<MacWord, kMost>> macs)
      : NextHops(*macs), macs_(std::move(macs)) {}
  std::unique_ptr<std::array<MacWord, kMost>> macs_;
  std::map<std::pair<uint16_t, IpAddress>, NextHopIndex> numbers_;
};

// Answers each request with the message turned around.
struct EchoServer : StunHandler {
  size_t on_stun(Request& request, const Plan&, Instant) override {
    ++requests;
    last_session = request.session;
    return std::min(request.message.size(), request.room);
  }
  int requests = 0;
  uint32_t last_session = kNone;
};

}  // namespace fedge::media::test
