// What one worker has to tell control about next hops (R3). Noting is cheap and bounded: of a next
// hop only that there is news, of a fail-over a record of fixed size. Ten times a second it goes
// to the reporter.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "dataplane/signal/generation.h"
#include "dataplane/signal/reporter.h"
#include "dataplane/sip/proxy.h"

namespace fedge::signal {

class HopNews {
 public:
  // Of next hops that the proxy does not ask, other workers tell.
  HopNews(const sip::Proxy& proxy, Counters& counters);

  // Around Proxy::use(): what is noted is told by the generation it was noted in.
  void before_use(const Generation* running, Reporter* reporter, Instant now);
  void after_use(const Generation& generation);

  void note(const sip::HopReport& report);
  void note(const sip::FailoverReport& report, Instant now);
  void flush(const Generation& generation, Reporter& reporter, Instant now);

 private:
  static constexpr size_t kMostFailovers = 128;  // between two beats
  static constexpr size_t kMostStates = 128;     // told at once
  template <size_t N>
  struct Words {
    std::array<char, N> text;
    uint8_t size = 0;
    void set(std::string_view from);
    std::string str() const { return {text.data(), size}; }
  };
  struct Record {
    Words<16> method;
    Words<96> rule;
    Words<32> call_id;
    uint32_t from, to;
    sip::HopFailure why;
    Instant at;
  };
  link::NextHopState state_of(const Generation& generation, uint32_t next_hop, Instant now) const;
  link::Failover failover_of(const Generation& generation, const Record& record, Instant now) const;
  void mark(uint32_t next_hop);
  void mark_known();

  const sip::Proxy& proxy_;
  Counters& counters_;
  uint32_t dropped_;  // series
  std::vector<bool> is_marked_;
  std::vector<uint32_t> marked_;  // next hops with news
  std::vector<uint32_t> kept_;    // their keys, over a publish
  std::array<Record, kMostFailovers> records_;
  size_t record_count_ = 0;
  uint64_t told_link_ = 0;
};

}  // namespace fedge::signal
