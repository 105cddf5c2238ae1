// What the box remembers: revisions of the topology, the candidate, certificates with their
// staged successors, trust anchors, administrators and the list of events. One SQLite file, one
// owner (control). Every change is one transaction: after a crash at any moment the file holds
// what was before or what is after.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/time.h"
#include "firmware/store/database.h"
#include "firmware/store/fault.h"

namespace fedge::store {

// Who did it and from where, for revisions and events.
struct Actor {
  std::string name;
  std::string client;  // address of the management client; empty for the box itself
};

enum class RevisionState : uint8_t {
  published,
  refused,  // a forwarder refused it: the revision before it was put back
};
std::string_view name(RevisionState state);

struct Revision {
  uint64_t number = 0;
  std::string document;  // JSON; empty in lists
  std::string author;
  std::string comment;
  WallTime created{};
  RevisionState state = RevisionState::published;
};

struct Running {
  uint64_t revision = 0;
  uint64_t generation = 0;
};

struct Candidate {
  std::string document;
  uint64_t version = 0;  // grows with every change, never reused
  std::string author;
  WallTime changed{};
};

// One certificate with its key. Several of one id: the one in force and staged successors.
struct Certificate {
  uint64_t key = 0;  // never reused; snapshot::Certificate::key
  std::string id;
  std::string chain;       // PEM
  std::string sealed_key;  // pki::seal for control
  WallTime effective_from{};
  WallTime imported{};
  std::string fingerprint;  // SHA-256 of the leaf, hex
};

struct TrustAnchor {
  std::string id;
  std::string pem;
  WallTime imported{};
};

enum class Role : uint8_t { viewer, operator_role, security_officer, administrator };
std::string_view name(Role role);
std::optional<Role> parse_role(std::string_view text);

struct Administrator {
  std::string name;
  std::string token_sha256;  // hex; the token itself is stored nowhere
  Role role = Role::viewer;
  WallTime created{};
  bool used = false;  // the token has been presented at least once
};

struct Event {
  uint64_t number = 0;
  WallTime at{};
  Actor who;
  std::string what;
  std::string detail;
};

// How much of the past is kept: the newest. What is beyond goes with the next that comes.
struct Retention {
  uint64_t revisions = 1000;  // and, whatever its age, what runs and what ran just before it
  uint64_t events = 100'000;
};

class Store {
 public:
  // Opens or creates the file and brings its schema up to date. On failure `damaged` tells
  // whether the contents are at fault: then the file is left as it is.
  static Result<Store> open(const std::string& path, bool& damaged, Fault fault = {});

  bool damaged() const { return database_->damaged(); }
  const std::string& path() const { return database_->path(); }
  // Counts every successful change since open(): what the last-good copy is behind by.
  uint64_t changes() const { return changes_; }
  // A whole copy beside the file, to fall back to when the file is damaged.
  Status copy_to(const std::string& path) { return database_->copy_to(path); }

  void keep(const Retention& retention) { retention_ = retention; }

  // --- revisions
  Result<uint64_t> next_revision();
  // Adds the revision, makes it the running one and consumes the candidate it came from
  // (`candidate_version`, 0 for none), in one transaction.
  Status publish(const Revision& revision, uint64_t generation, uint64_t candidate_version,
                 const Actor& who, WallTime now);
  // Makes an existing revision the running one, as generation `generation`.
  Status run(uint64_t revision, uint64_t generation, const std::string& why, const Actor& who,
             WallTime now);
  // The forwarders refused `refused`: marks it and makes `back_to` the running one.
  Status refuse(uint64_t refused, Running back_to, const std::string& why, WallTime now);
  Result<std::optional<Running>> running();
  Result<std::optional<Revision>> revision(uint64_t number);
  // Newest first, without documents, numbers below `before`.
  Result<std::vector<Revision>> revisions(uint64_t before, size_t limit);

  // --- candidate
  Result<std::optional<Candidate>> candidate();
  // Returns the new version.
  Result<uint64_t> put_candidate(const std::string& document, const Actor& who, WallTime now);
  Status drop_candidate(const Actor& who, WallTime now);

  // --- certificates and trust. Changes of several rows are one transaction by Batch.
  // `key` of the result is filled in.
  Result<Certificate> add_certificate(Certificate certificate, const Actor& who, WallTime now);
  Status remove_certificate(uint64_t key, const Actor& who, WallTime now);
  // Every entry of one id, or of all ids (empty), by id and effective time.
  Result<std::vector<Certificate>> certificates(const std::string& id = {});
  Status put_trust(const std::string& id, const std::string& pem, const Actor& who, WallTime now);
  Status remove_trust(const std::string& id, const Actor& who, WallTime now);
  Result<std::optional<TrustAnchor>> trust(const std::string& id);
  Result<std::vector<TrustAnchor>> trust_anchors();

  // --- administrators
  Status add_administrator(const Administrator& administrator, const Actor& who);
  Result<std::vector<Administrator>> administrators();
  Status mark_token_used(const std::string& administrator);

  // --- events
  Status note(const Actor& who, std::string_view what, std::string_view detail, WallTime now);
  Result<std::vector<Event>> events(uint64_t before, size_t limit);

  // Several changes in one transaction; those made while it lives are part of it. Rolled back
  // unless committed.
  class Batch {
   public:
    explicit Batch(Store& store);
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;
    ~Batch();
    const Status& begun() const { return transaction_.begun(); }
    Status commit();

   private:
    Store& store_;
    Transaction transaction_;
  };

 private:
  Store(Database database, Fault fault);
  Status migrate();
  Status set_running(uint64_t revision, uint64_t generation);
  Status forget_revisions(uint64_t newest, uint64_t before);
  // Runs `change` in a transaction of its own, or in the batch under way.
  template <class Change>
  Status commit_change(Change&& change);

  std::unique_ptr<Database> database_;
  Fault fault_;
  Retention retention_;
  bool in_batch_ = false;
  uint64_t changes_ = 0;
};

template <class Change>
Status Store::commit_change(Change&& change) {
  if (in_batch_) return change();
  Transaction transaction(*database_);
  if (!transaction.begun()) return transaction.begun();
  in_batch_ = true;  // what `change` calls joins this transaction
  Status changed = change();
  in_batch_ = false;
  if (!changed) return changed;
  if (Status done = transaction.commit(); !done) return done;
  ++changes_;
  pass(fault_, "committed");
  return {};
}

}  // namespace fedge::store
