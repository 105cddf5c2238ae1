#include "firmware/store/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cstdio>

#include "firmware/base/fd.h"

namespace fedge::store {

namespace {

constexpr int kBusyMs = 500;

// A plain sqlite3_open follows links; the state folder is ours, a link in it is not.
constexpr int kOpenFlags =
    SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;

bool tells_damage(int result) {
  const int primary = result & 0xff;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB;
}

const char* remedy_for(int result) {
  switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return "the file is damaged: POST /v1/database/recover, or start fedge-init with "
             "--recover-database";
    case SQLITE_FULL:
      return "free space on the state partition";
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return "another process holds the database: stop it";
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return "check the owner and mode of the state folder";
    case SQLITE_IOERR:
      return "check the disk: the kernel's log says more";
    default:
      return "";
  }
}

}  // namespace

Statement::Statement(Database& database, std::string_view sql) : database_(database) {
  result_ = ::sqlite3_prepare_v2(database.handle_, sql.data(), static_cast<int>(sql.size()),
                                 &statement_, nullptr);
}

Statement::Statement(Statement&& other) noexcept
    : database_(other.database_),
      statement_(std::exchange(other.statement_, nullptr)),
      result_(other.result_),
      bound_(other.bound_) {}

Statement::~Statement() { ::sqlite3_finalize(statement_); }

void Statement::bind(std::string_view text) {
  if (result_ != SQLITE_OK) return;
  result_ = ::sqlite3_bind_text64(statement_, ++bound_, text.empty() ? "" : text.data(),
                                  text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void Statement::bind(int64_t number) {
  if (result_ != SQLITE_OK) return;
  result_ = ::sqlite3_bind_int64(statement_, ++bound_, number);
}

void Statement::bind(Bytes blob) {
  if (result_ != SQLITE_OK) return;
  result_ = ::sqlite3_bind_blob64(statement_, ++bound_,
                                  blob.empty() ? "" : static_cast<const void*>(blob.data()),
                                  blob.size(), SQLITE_TRANSIENT);
}

Result<bool> Statement::step() {
  if (result_ == SQLITE_OK || result_ == SQLITE_ROW) result_ = ::sqlite3_step(statement_);
  if (result_ == SQLITE_ROW) return true;
  if (result_ == SQLITE_DONE) return false;
  return std::unexpected(database_.error(result_));
}

int64_t Statement::integer(int column) const { return ::sqlite3_column_int64(statement_, column); }

std::string Statement::text(int column) const {
  const void* data = ::sqlite3_column_blob(statement_, column);
  const int size = ::sqlite3_column_bytes(statement_, column);
  if (data == nullptr || size <= 0) return {};
  return {static_cast<const char*>(data), static_cast<size_t>(size)};
}

bool Statement::is_null(int column) const {
  return ::sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

Database::Database(Database&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)),
      path_(std::move(other.path_)),
      damaged_(other.damaged_) {}

Database& Database::operator=(Database&& other) noexcept {
  if (this != &other) {
    ::sqlite3_close_v2(handle_);
    handle_ = std::exchange(other.handle_, nullptr);
    path_ = std::move(other.path_);
    damaged_ = other.damaged_;
  }
  return *this;
}

Database::~Database() { ::sqlite3_close_v2(handle_); }

Error Database::error(int result) {
  if (tells_damage(result)) damaged_ = true;
  const char* text = handle_ != nullptr ? ::sqlite3_errmsg(handle_) : ::sqlite3_errstr(result);
  return {path_, std::string("the database says: ") + text, remedy_for(result)};
}

Result<Database> Database::open(const std::string& path, bool& damaged) {
  damaged = false;
  Database database;
  database.path_ = path;
  const int result = ::sqlite3_open_v2(path.c_str(), &database.handle_, kOpenFlags, nullptr);
  Status status;
  if (result != SQLITE_OK) status = std::unexpected(database.error(result));
  if (status) status = database.configure();
  if (status) status = database.check_pages();
  if (status) return database;
  damaged = database.damaged_;
  return std::unexpected(status.error());
}

Status Database::configure() {
  ::sqlite3_busy_timeout(handle_, kBusyMs);
  ::sqlite3_extended_result_codes(handle_, 1);
  ::sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  // Exclusive: one owner, and no shared memory file.
  return run(
      "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
      "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;");
}

Status Database::check_pages() {
  Statement statement = prepare("PRAGMA quick_check(1)");
  auto row = statement.step();
  if (!row) return std::unexpected(row.error());
  const std::string verdict = *row ? statement.text(0) : "no answer";
  if (verdict == "ok") return {};
  damaged_ = true;
  return fail(path_, "the database is damaged: " + verdict, remedy_for(SQLITE_CORRUPT));
}

Status Database::run(const char* script) {
  const int result = ::sqlite3_exec(handle_, script, nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return std::unexpected(error(result));
  return {};
}

Status Database::finish(Statement& statement) {
  for (;;) {
    auto row = statement.step();
    if (!row) return std::unexpected(row.error());
    if (!*row) return {};
  }
}

Result<int64_t> Database::first(Statement& statement, int64_t otherwise) {
  auto row = statement.step();
  if (!row) return std::unexpected(row.error());
  return *row && !statement.is_null(0) ? statement.integer(0) : otherwise;
}

int64_t Database::last_row() const { return ::sqlite3_last_insert_rowid(handle_); }
int64_t Database::changes() const { return ::sqlite3_changes(handle_); }

Status Database::copy_to(const std::string& path) {
  // Read the file, not what is still in memory of it: a copy must not hide damage.
  ::sqlite3_db_release_memory(handle_);
  if (auto good = check_pages(); !good) return good;
  const std::string temporary = path + ".new";
  ::unlink(temporary.c_str());
  if (auto done = execute("VACUUM INTO ?", std::string_view(temporary)); !done) return done;
  // rename() is the commit; the data must be on the disk before it.
  const Fd file(::open(temporary.c_str(), O_RDWR | O_CLOEXEC));
  if (!file || ::fsync(file.get()) != 0) return fail_errno(temporary, "cannot flush to disk");
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno(path, "cannot rename");
  const size_t slash = path.rfind('/');
  return sync_directory(slash == std::string::npos ? "." : path.substr(0, slash));
}

Transaction::Transaction(Database& database)
    : database_(database), begun_(database.run("BEGIN IMMEDIATE")) {
  open_ = begun_.has_value();
}

Transaction::~Transaction() {
  if (open_) (void)database_.run("ROLLBACK");
}

Status Transaction::commit() {
  if (!begun_) return begun_;
  Status status = database_.run("COMMIT");
  if (status) open_ = false;
  return status;
}

}  // namespace fedge::store
