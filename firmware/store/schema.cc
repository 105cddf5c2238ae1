#include "firmware/store/schema.h"

#include <array>

namespace fedge::store {

namespace {

// Times are seconds since 1970.
constexpr std::array kMigrations{
    R"sql(
CREATE TABLE revision(
  number INTEGER PRIMARY KEY,
  document TEXT NOT NULL,
  author TEXT NOT NULL,
  comment TEXT NOT NULL,
  created INTEGER NOT NULL,
  state TEXT NOT NULL CHECK(state IN ('published', 'refused'))
) STRICT;
CREATE TABLE running(
  only INTEGER PRIMARY KEY CHECK(only = 1),
  revision INTEGER NOT NULL REFERENCES revision(number),
  generation INTEGER NOT NULL
) STRICT;
CREATE TABLE candidate(
  only INTEGER PRIMARY KEY CHECK(only = 1),
  version INTEGER NOT NULL,
  document TEXT,
  author TEXT NOT NULL,
  changed INTEGER NOT NULL
) STRICT;
INSERT INTO candidate VALUES(1, 0, NULL, '', 0);
CREATE TABLE certificate(
  key INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL,
  chain TEXT NOT NULL,
  sealed_key BLOB NOT NULL,
  effective_from INTEGER NOT NULL,
  imported INTEGER NOT NULL,
  fingerprint TEXT NOT NULL
) STRICT;
CREATE INDEX certificate_by_id ON certificate(id, effective_from);
CREATE TABLE trust(
  id TEXT PRIMARY KEY,
  pem TEXT NOT NULL,
  imported INTEGER NOT NULL
) STRICT;
CREATE TABLE administrator(
  name TEXT PRIMARY KEY,
  token_sha256 TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  created INTEGER NOT NULL,
  used INTEGER NOT NULL
) STRICT;
CREATE TABLE event(
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  who TEXT NOT NULL,
  client TEXT NOT NULL,
  what TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
)sql",
};

}  // namespace

std::span<const char* const> migrations() { return kMigrations; }

}  // namespace fedge::store
