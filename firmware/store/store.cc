#include "firmware/store/store.h"

#include <array>

#include "firmware/store/schema.h"

namespace fedge::store {

namespace {

constexpr std::array<std::string_view, 2> kStates{"published", "refused"};
constexpr std::array<std::string_view, 4> kRoles{"viewer", "operator", "security-officer",
                                                 "administrator"};

}  // namespace

std::string_view name(RevisionState state) { return kStates[static_cast<size_t>(state)]; }
std::string_view name(Role role) { return kRoles[static_cast<size_t>(role)]; }

std::optional<Role> parse_role(std::string_view text) {
  for (size_t i = 0; i < kRoles.size(); ++i) {
    if (kRoles[i] == text) return static_cast<Role>(i);
  }
  return std::nullopt;
}

Store::Store(Database database, Fault fault)
    : database_(std::make_unique<Database>(std::move(database))), fault_(std::move(fault)) {}

Result<Store> Store::open(const std::string& path, bool& damaged, Fault fault) {
  auto database = Database::open(path, damaged);
  if (!database) return std::unexpected(database.error());
  Store store(std::move(*database), std::move(fault));
  if (auto done = store.migrate(); !done) {
    damaged = store.damaged();
    return std::unexpected(done.error());
  }
  return store;
}

Status Store::migrate() {
  const auto steps = migrations();
  auto version = database_->number(0, "PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*version < 0 || static_cast<size_t>(*version) > steps.size()) {
    return fail(
        path(),
        "the database was written by a newer release (schema " + std::to_string(*version) + ")",
        "start the release that wrote it, or restore a backup");
  }
  for (size_t i = static_cast<size_t>(*version); i < steps.size(); ++i) {
    Transaction transaction(*database_);
    if (!transaction.begun()) return transaction.begun();
    if (auto done = database_->run(steps[i]); !done) return done;
    const std::string set = "PRAGMA user_version=" + std::to_string(i + 1);
    if (auto done = database_->run(set.c_str()); !done) return done;
    pass(fault_, "schema step written");
    if (auto done = transaction.commit(); !done) return done;
  }
  return {};
}

Store::Batch::Batch(Store& store) : store_(store), transaction_(*store.database_) {
  store_.in_batch_ = transaction_.begun().has_value();
}

Store::Batch::~Batch() { store_.in_batch_ = false; }

Status Store::Batch::commit() {
  store_.in_batch_ = false;
  if (auto done = transaction_.commit(); !done) return done;
  ++store_.changes_;
  pass(store_.fault_, "committed");
  return {};
}

Status Store::note(const Actor& who, std::string_view what, std::string_view detail, WallTime now) {
  return commit_change([&]() -> Status {
    auto done =
        database_->execute("INSERT INTO event(at, who, client, what, detail) VALUES(?,?,?,?,?)",
                           int64_t{now.time_since_epoch().count()}, std::string_view(who.name),
                           std::string_view(who.client), what, detail);
    if (!done) return done;
    return database_->execute("DELETE FROM event WHERE number <= ?",
                              database_->last_row() - static_cast<int64_t>(retention_.events));
  });
}

Result<std::vector<Event>> Store::events(uint64_t before, size_t limit) {
  auto rows = database_->prepare(
      "SELECT number, at, who, client, what, detail FROM event WHERE number < ?"
      " ORDER BY number DESC LIMIT ?",
      before, uint64_t{limit});
  std::vector<Event> out;
  for (;;) {
    auto row = rows.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    out.push_back({static_cast<uint64_t>(rows.integer(0)),
                   WallTime(std::chrono::seconds(rows.integer(1))),
                   {rows.text(2), rows.text(3)},
                   rows.text(4),
                   rows.text(5)});
  }
}

Status Store::add_administrator(const Administrator& administrator, const Actor& who) {
  return commit_change([&]() -> Status {
    auto done = database_->execute(
        "INSERT INTO administrator(name, token_sha256, role, created, used) VALUES(?,?,?,?,?)",
        std::string_view(administrator.name), std::string_view(administrator.token_sha256),
        name(administrator.role), int64_t{administrator.created.time_since_epoch().count()},
        int64_t{administrator.used});
    if (!done) return done;
    return note(who, "administrator added", administrator.name, administrator.created);
  });
}

Result<std::vector<Administrator>> Store::administrators() {
  auto rows = database_->prepare(
      "SELECT name, token_sha256, role, created, used FROM administrator ORDER BY name");
  std::vector<Administrator> out;
  for (;;) {
    auto row = rows.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    const auto role = parse_role(rows.text(2));
    if (!role) continue;  // a role of a newer release: nobody here
    out.push_back({rows.text(0), rows.text(1), *role,
                   WallTime(std::chrono::seconds(rows.integer(3))), rows.integer(4) != 0});
  }
}

Status Store::mark_token_used(const std::string& administrator) {
  return commit_change([&] {
    return database_->execute("UPDATE administrator SET used=1 WHERE name=?",
                              std::string_view(administrator));
  });
}

}  // namespace fedge::store
