// Certificates with their sealed keys, and trust anchors.
#include "firmware/store/store.h"

namespace fedge::store {

namespace {

int64_t seconds(WallTime t) { return t.time_since_epoch().count(); }
WallTime wall(int64_t s) { return WallTime(std::chrono::seconds(s)); }

}  // namespace

Result<Certificate> Store::add_certificate(Certificate certificate, const Actor& who,
                                           WallTime now) {
  auto done = commit_change([&]() -> Status {
    auto inserted = database_->execute(
        "INSERT INTO certificate(id, chain, sealed_key, effective_from, imported, fingerprint)"
        " VALUES(?,?,?,?,?,?)",
        std::string_view(certificate.id), std::string_view(certificate.chain),
        as_bytes(certificate.sealed_key), seconds(certificate.effective_from), seconds(now),
        std::string_view(certificate.fingerprint));
    if (!inserted) return inserted;
    certificate.key = static_cast<uint64_t>(database_->last_row());
    certificate.imported = now;
    pass(fault_, "certificate inserted");
    return note(who, "certificate imported", certificate.id + " " + certificate.fingerprint, now);
  });
  if (!done) return std::unexpected(done.error());
  return certificate;
}

Status Store::remove_certificate(uint64_t key, const Actor& who, WallTime now) {
  return commit_change([&]() -> Status {
    auto removed = database_->execute("DELETE FROM certificate WHERE key=?", key);
    if (!removed) return removed;
    return note(who, "certificate removed", "key " + std::to_string(key), now);
  });
}

Result<std::vector<Certificate>> Store::certificates(const std::string& id) {
  auto rows = database_->prepare(
      "SELECT key, id, chain, sealed_key, effective_from, imported, fingerprint FROM certificate"
      " WHERE ?='' OR id=? ORDER BY id, effective_from, key",
      std::string_view(id), std::string_view(id));
  std::vector<Certificate> out;
  for (;;) {
    auto row = rows.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    out.push_back({static_cast<uint64_t>(rows.integer(0)), rows.text(1), rows.text(2), rows.text(3),
                   wall(rows.integer(4)), wall(rows.integer(5)), rows.text(6)});
  }
}

Status Store::put_trust(const std::string& id, const std::string& pem, const Actor& who,
                        WallTime now) {
  return commit_change([&]() -> Status {
    auto written = database_->execute(
        "INSERT INTO trust(id, pem, imported) VALUES(?,?,?)"
        " ON CONFLICT(id) DO UPDATE SET pem=excluded.pem, imported=excluded.imported",
        std::string_view(id), std::string_view(pem), seconds(now));
    if (!written) return written;
    return note(who, "trust anchors set", id, now);
  });
}

Status Store::remove_trust(const std::string& id, const Actor& who, WallTime now) {
  return commit_change([&]() -> Status {
    auto removed = database_->execute("DELETE FROM trust WHERE id=?", std::string_view(id));
    if (!removed) return removed;
    return note(who, "trust anchors removed", id, now);
  });
}

Result<std::optional<TrustAnchor>> Store::trust(const std::string& id) {
  auto rows =
      database_->prepare("SELECT id, pem, imported FROM trust WHERE id=?", std::string_view(id));
  auto row = rows.step();
  if (!row) return std::unexpected(row.error());
  if (!*row) return std::nullopt;
  return TrustAnchor{rows.text(0), rows.text(1), wall(rows.integer(2))};
}

Result<std::vector<TrustAnchor>> Store::trust_anchors() {
  auto rows = database_->prepare("SELECT id, pem, imported FROM trust ORDER BY id");
  std::vector<TrustAnchor> out;
  for (;;) {
    auto row = rows.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return out;
    out.push_back({rows.text(0), rows.text(1), wall(rows.integer(2))});
  }
}

}  // namespace fedge::store
