// One published snapshot as front uses it, opened and checked as a whole.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/front/patience.h"
#include "firmware/link/offer.h"
#include "firmware/net/listening_sockets.h"
#include "firmware/pki/tls.h"
#include "firmware/snapshot/reader.h"

namespace fedge::front {

// A listener of media over TCP or TLS.
struct Listener {
  std::string name;
  std::string realm;
  uint16_t realm_index = 0;
  uint8_t dscp = 0;
  Endpoint endpoint;
  std::shared_ptr<pki::TlsContext> context;  // null: plain TCP only
};

struct Generation {
  uint64_t number = 0;
  uint64_t revision = 0;
  std::vector<Listener> listeners;
  snapshot::Signalling limits{};
  Duration longest_allocation{};

  Waits waits() const;
  // Where front listens, numbered by `listeners`.
  std::vector<ListeningPlace> places() const;

  // What it was opened from.
  snapshot::Section<snapshot::Realms> realms;
  std::vector<link::SectionRef> sections;
  // By the index of the TLS section; null for those of other programs.
  std::vector<std::shared_ptr<pki::TlsContext>> contexts;
};

// Opens and checks every section an offer must bring, and the keys with this process's sealing
// key. `running` (may be null) gives what did not change: with it live sessions can be resumed.
// Fails with what is wrong.
Result<std::shared_ptr<const Generation>> open_generation(const link::Offer& offer,
                                                          const pki::Secret& sealing_key,
                                                          const Generation* running);

}  // namespace fedge::front
