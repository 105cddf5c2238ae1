// Answers by question, with their times. No clock, no queries: `now` is handed in.
#pragma once

#include <cstdint>
#include <list>
#include <unordered_map>

#include "firmware/base/time.h"
#include "firmware/wire/dns/answer.h"

namespace fedge::resolve {

struct CacheSettings {
  // Names that exist and names that do not are bounded apart, so that a flood of made-up names
  // cannot push out the partners we know.
  size_t most_found = 4096;
  size_t most_missing = 1024;
  Duration least_ttl = 5s;     // also for what came without one
  Duration longest_ttl = 24h;  // RFC 8767 section 4 asks for a cap
  Duration longest_missing_ttl = 15min;
  // RFC 9520: a failure is remembered, shortly; doubles while it goes on, up to the second.
  Duration failure_ttl = 5s;
  Duration longest_failure_ttl = 30s;
  Duration longest_stale = 72h;  // RFC 8767 section 5: one to three days
  Duration recheck = 30s;        // and no sooner again after a failed refresh
};

struct Entry {
  dns::Answer answer;
  Instant expires{};
  Instant stale_until{};  // served after `expires` when nothing newer can be had
  Instant prefetch_at{};  // a hit from here on refreshes it before it expires
  Instant retry_at{};     // no refresh before
  unsigned failures = 0;  // in a row, of what was never found
  bool is_found() const { return answer.outcome == dns::Outcome::found; }
};

class Cache {
 public:
  explicit Cache(const CacheSettings& settings) : settings_(settings) {}

  // What is known, fresh or stale, and marks it as used; null when nothing is. Valid until the
  // next put() or note_failure().
  Entry* find(const dns::Question& question, Instant now);
  // Replaces what was known; drops the entry used longest ago when full.
  void put(const dns::Question& question, dns::Answer answer, Instant now);
  // A refresh failed: what is known stays, else the failure itself is remembered.
  void note_failure(const dns::Question& question, Instant now);
  size_t size() const { return places_.size(); }

 private:
  using Item = std::pair<dns::Question, Entry>;
  using List = std::list<Item>;  // used last in front
  List& list_of(const Entry& entry) { return entry.is_found() ? found_ : missing_; }
  void erase(std::unordered_map<dns::Question, List::iterator>::iterator place);
  void insert(const dns::Question& question, Entry entry);

  CacheSettings settings_;
  List found_;
  List missing_;
  std::unordered_map<dns::Question, List::iterator> places_;
};

}  // namespace fedge::resolve
