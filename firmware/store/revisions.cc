// Revisions, the running one and the candidate.
#include <algorithm>

#include "firmware/store/store.h"

namespace fedge::store {

namespace {

int64_t seconds(WallTime t) { return t.time_since_epoch().count(); }
WallTime wall(int64_t s) { return WallTime(std::chrono::seconds(s)); }

RevisionState state_of(std::string_view text) {
  return text == name(RevisionState::refused) ? RevisionState::refused : RevisionState::published;
}

}  // namespace

Result<uint64_t> Store::next_revision() {
  auto last = database_->number(-1, "SELECT max(number) FROM revision");
  if (!last) return std::unexpected(last.error());
  return static_cast<uint64_t>(*last + 1);
}

Status Store::set_running(uint64_t revision, uint64_t generation) {
  return database_->execute(
      "INSERT INTO running(only, revision, generation) VALUES(1,?,?)"
      " ON CONFLICT(only) DO UPDATE SET revision=excluded.revision, generation=excluded.generation",
      revision, generation);
}

// Numbers have no gaps but those that this leaves. `before`: a refusal goes back to it.
Status Store::forget_revisions(uint64_t newest, uint64_t before) {
  return database_->execute(
      "DELETE FROM revision WHERE number <= ? AND number != ?"
      " AND number NOT IN (SELECT revision FROM running)",
      static_cast<int64_t>(newest) - static_cast<int64_t>(retention_.revisions), before);
}

Status Store::publish(const Revision& revision, uint64_t generation, uint64_t candidate_version,
                      const Actor& who, WallTime now) {
  return commit_change([&]() -> Status {
    auto done = database_->execute(
        "INSERT INTO revision(number, document, author, comment, created, state)"
        " VALUES(?,?,?,?,?,?)",
        revision.number, std::string_view(revision.document), std::string_view(revision.author),
        std::string_view(revision.comment), seconds(revision.created), name(revision.state));
    if (!done) return done;
    pass(fault_, "revision inserted");
    const auto before = running();
    if (!before) return std::unexpected(before.error());
    if (done = set_running(revision.number, generation); !done) return done;
    pass(fault_, "running revision set");
    done = forget_revisions(revision.number, *before ? (*before)->revision : revision.number);
    if (!done) return done;
    if (candidate_version != 0) {
      done = database_->execute("UPDATE candidate SET document=NULL WHERE version=?",
                                candidate_version);
      if (!done) return done;
    }
    done = note(who, "revision published",
                "revision " + std::to_string(revision.number) + ": " + revision.comment, now);
    pass(fault_, "about to commit");
    return done;
  });
}

Status Store::run(uint64_t revision, uint64_t generation, const std::string& why, const Actor& who,
                  WallTime now) {
  return commit_change([&]() -> Status {
    if (auto done = set_running(revision, generation); !done) return done;
    pass(fault_, "running revision set");
    return note(who, why, "revision " + std::to_string(revision), now);
  });
}

Status Store::refuse(uint64_t refused, Running back_to, const std::string& why, WallTime now) {
  return commit_change([&]() -> Status {
    // A revision that ran before and is refused only now keeps its good name.
    if (refused != back_to.revision) {
      auto done = database_->execute("UPDATE revision SET state=? WHERE number=?",
                                     name(RevisionState::refused), refused);
      if (!done) return done;
    }
    if (auto done = set_running(back_to.revision, back_to.generation); !done) return done;
    return note({"fedge", ""}, "revision refused",
                "revision " + std::to_string(refused) + ": " + why, now);
  });
}

Result<std::optional<Running>> Store::running() {
  auto rows = database_->prepare("SELECT revision, generation FROM running");
  auto row = rows.step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return Running{static_cast<uint64_t>(rows.integer(0)), static_cast<uint64_t>(rows.integer(1))};
}

Result<std::optional<Revision>> Store::revision(uint64_t number) {
  auto rows = database_->prepare(
      "SELECT number, document, author, comment, created, state FROM revision WHERE number=?",
      number);
  auto row = rows.step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return Revision{static_cast<uint64_t>(rows.integer(0)),
                  rows.text(1),
                  rows.text(2),
                  rows.text(3),
                  wall(rows.integer(4)),
                  state_of(rows.text(5))};
}

Result<std::vector<Revision>> Store::revisions(uint64_t before, size_t limit) {
  auto rows = database_->prepare(
      "SELECT number, author, comment, created, state FROM revision WHERE number < ?"
      " ORDER BY number DESC LIMIT ?",
      std::min<uint64_t>(before, INT64_MAX), uint64_t{limit});
  std::vector<Revision> out;
  for (;;) {
    auto row = rows.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    out.push_back({static_cast<uint64_t>(rows.integer(0)), std::string{}, rows.text(1),
                   rows.text(2), wall(rows.integer(3)), state_of(rows.text(4))});
  }
}

Result<std::optional<Candidate>> Store::candidate() {
  auto rows = database_->prepare("SELECT document, version, author, changed FROM candidate");
  auto row = rows.step();
  if (!row) return std::unexpected(row.error());
  if (!*row || rows.is_null(0)) return std::nullopt;
  return Candidate{rows.text(0), static_cast<uint64_t>(rows.integer(1)), rows.text(2),
                   wall(rows.integer(3))};
}

Result<uint64_t> Store::put_candidate(const std::string& document, const Actor& who, WallTime now) {
  auto done = commit_change([&]() -> Status {
    auto changed = database_->execute(
        "UPDATE candidate SET document=?, version=version+1, author=?, changed=?",
        std::string_view(document), std::string_view(who.name), seconds(now));
    if (!changed) return changed;
    return note(who, "candidate changed", "", now);
  });
  if (!done) return std::unexpected(done.error());
  auto version = database_->number(0, "SELECT version FROM candidate");
  if (!version) return std::unexpected(version.error());
  return static_cast<uint64_t>(*version);
}

Status Store::drop_candidate(const Actor& who, WallTime now) {
  return commit_change([&]() -> Status {
    auto changed = database_->execute("UPDATE candidate SET document=NULL");
    if (!changed) return changed;
    return note(who, "candidate dropped", "", now);
  });
}

}  // namespace fedge::store
