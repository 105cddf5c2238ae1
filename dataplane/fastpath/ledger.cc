#include "dataplane/fastpath/ledger.h"

namespace fedge::fastpath {

Ledger::Ledger(Counters page, size_t workers) : page_(std::move(page)) {
  for (uint32_t i = 0; i < page_.count(); ++i) bases_.push_back(page_.value(i));
  for (size_t i = 0; i < workers; ++i) tallies_.push_back(std::make_unique<Tally>());
}

void Ledger::publish() {
  bases_.resize(page_.count());
  for (uint32_t i = 0; i < bases_.size(); ++i) {
    uint64_t sum = 0;
    for (const auto& tally : tallies_) sum += tally->value(i);
    if (sum != 0) page_.set(i, bases_[i] + sum);
  }
}

}  // namespace fedge::fastpath
