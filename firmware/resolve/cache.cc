#include "firmware/resolve/cache.h"

#include <algorithm>

namespace fedge::resolve {

Entry* Cache::find(const dns::Question& question, Instant now) {
  const auto place = places_.find(question);
  if (place == places_.end()) return nullptr;
  Entry& entry = place->second->second;
  if (now >= entry.stale_until) {
    erase(place);
    return nullptr;
  }
  List& list = list_of(entry);
  list.splice(list.begin(), list, place->second);
  return &entry;
}

void Cache::put(const dns::Question& question, dns::Answer answer, Instant now) {
  Entry entry;
  entry.answer = std::move(answer);
  const bool found = entry.is_found();
  const Duration longest = found ? settings_.longest_ttl : settings_.longest_missing_ttl;
  const Duration ttl = std::max(
      settings_.least_ttl, std::min<Duration>(std::chrono::seconds(entry.answer.ttl), longest));
  entry.expires = now + ttl;
  entry.stale_until = entry.expires + (found ? settings_.longest_stale : Duration(0));
  // In the last tenth of its time: rare enough to cost little, early enough for slow servers.
  entry.prefetch_at = entry.expires - ttl / 10;
  insert(question, std::move(entry));
}

void Cache::note_failure(const dns::Question& question, Instant now) {
  Entry* known = find(question, now);
  if (known != nullptr && known->is_found()) {
    known->retry_at = now + settings_.recheck;
    return;
  }
  Entry entry;
  entry.answer.outcome = dns::Outcome::failed;
  entry.failures = known != nullptr ? known->failures + 1 : 1;
  const auto times = 1 << std::min(entry.failures - 1, 10u);
  entry.expires = now + std::min(settings_.failure_ttl * times, settings_.longest_failure_ttl);
  entry.prefetch_at = entry.expires;
  // Kept a little longer only to count.
  entry.stale_until = entry.expires + settings_.longest_failure_ttl;
  insert(question, std::move(entry));
}

void Cache::erase(std::unordered_map<dns::Question, List::iterator>::iterator place) {
  const List::iterator item = place->second;
  places_.erase(place);
  list_of(item->second).erase(item);
}

void Cache::insert(const dns::Question& question, Entry entry) {
  if (const auto place = places_.find(question); place != places_.end()) erase(place);
  List& list = list_of(entry);
  list.emplace_front(question, std::move(entry));
  places_[question] = list.begin();
  const size_t most = &list == &found_ ? settings_.most_found : settings_.most_missing;
  while (list.size() > most) erase(places_.find(list.back().first));
}

}  // namespace fedge::resolve
