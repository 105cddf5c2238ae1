// The configuration as the operator changes it: candidate, validate, publish, roll back, and
// what follows when certificates change. Ties together store, compiler, generations and
// publisher; every step is in the order that leaves the old or the new revision whole.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "firmware/control/generations.h"
#include "firmware/control/publisher.h"
#include "firmware/control/vault.h"
#include "firmware/topology/document.h"

namespace fedge::control {

// Why something was not done: the findings of a topology, or one error.
struct Refusal {
  uint16_t status = 0;  // HTTP
  topology::Findings findings;
  Error error;
};
template <class T>
using Attempt = std::expected<T, Refusal>;

struct Published {
  uint64_t revision = 0;
  uint64_t generation = 0;
};

class Configuration {
 public:
  Configuration(store::Store& store, Vault& vault, Generations& generations, Publisher& publisher);

  // Takes up what ran last; on a new box makes revision 0 of `factory`. Offers it to init.
  Status start(const topology::Topology& factory, WallTime now);

  // The running revision and generation, as init was offered them.
  const Generation& running() const { return running_; }
  // "r7" of the running revision, "c12" of the candidate: quoted, for ETag.
  Result<std::string> candidate_etag();

  // Reads a document and checks it against this box: what PUT, validate and publish agree on.
  topology::Reading read(std::string_view document);
  // Makes `document` the new running revision. `candidate_version`: the candidate it is, or 0.
  Attempt<Published> publish(std::string_view document, uint64_t candidate_version,
                             const std::string& comment, const store::Actor& who, WallTime now);
  // Runs an older revision again, with today's certificates.
  Attempt<Published> roll_back(uint64_t revision, const store::Actor& who, WallTime now);

  // Makes `change` to certificates or trust and, when the running revision is touched by it,
  // publishes that again as a new generation: both or neither. nullopt: not touched.
  template <class Change>
  Attempt<std::optional<Published>> change_certificates(const std::string& why,
                                                        const store::Actor& who, WallTime now,
                                                        Change&& change) {
    store::Store::Batch batch(store_);
    Status done = batch.begun();
    if (done) done = change();
    if (!done) return std::unexpected(Refusal{500, {}, done.error()});
    return republish(batch, why, who, now);
  }
  // A staged certificate has taken effect: the sections follow.
  Status refresh(WallTime now);
  // When the next staged certificate takes effect.
  Result<std::optional<WallTime>> next_effective(WallTime now);

  // A forwarder refused the generation being rolled out: the one before runs again. False when
  // there is none.
  bool on_refused(uint64_t generation, const std::string& why, Instant now, WallTime wall);

  // The same once more, after a refusal for a reason that may have gone.
  void offer_again() { publisher_.offer(running_, now_monotonic()); }

  // Compiled sections of any document, for explain: nothing is stored.
  Attempt<Generation> compile_only(std::string_view document, WallTime now);
  // The topology of the running revision.
  const topology::Topology& topology() const { return topology_; }
  // Where a certificate or trust id is used in the running revision, as a path; empty: nowhere.
  std::string use_of_certificate(const std::string& id) const;
  // The same, when credentials are made with it.
  std::string use_in_media(const std::string& id) const;
  std::string use_of_trust(const std::string& id) const;

 private:
  topology::Environment environment();
  Status take_up(const store::Running& running, WallTime now);
  // Keys sealed with another sealing key (the seal folder is lost, the state is another box's) open
  // nowhere. Management gets a self-signed certificate, so that somebody can import the others.
  Result<bool> replace_lost_management(const topology::Topology& topology, WallTime now);
  Attempt<Generation> build(const topology::Topology& topology, uint64_t revision, WallTime now);
  Status add_key_sections(Generation& generation);
  Attempt<std::optional<Published>> republish(store::Store::Batch& batch, const std::string& why,
                                              const store::Actor& who, WallTime now);
  void put_in_force(Generation next, topology::Topology topology);
  Generation numbered(Generation generation) const;

  store::Store& store_;
  Vault& vault_;
  Generations& generations_;
  Publisher& publisher_;
  topology::Topology topology_;
  topology::Topology previous_topology_;
  Generation running_;
  Generation previous_;  // to go back to while running_ is rolled out; number 0 when there is none
};

}  // namespace fedge::control
