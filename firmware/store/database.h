// SQLite behind values and results: the only place that knows its interface. One connection,
// one thread. Statements are always prepared; nothing is ever pasted into SQL.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "firmware/base/bytes.h"
#include "firmware/base/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace fedge::store {

class Database;

// Parameters are bound in order, columns are read by number from 0. Errors of preparing and
// binding come out of step().
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  void bind(std::string_view text);
  void bind(int64_t number);
  void bind(uint64_t number) { bind(static_cast<int64_t>(number)); }
  void bind(Bytes blob);

  // True: a row is there. False: done.
  Result<bool> step();
  int64_t integer(int column) const;
  std::string text(int column) const;  // also of a BLOB; empty for NULL
  bool is_null(int column) const;

 private:
  friend class Database;
  Statement(Database& database, std::string_view sql);
  Database& database_;
  sqlite3_stmt* statement_ = nullptr;
  int result_ = 0;
  int bound_ = 0;
};

class Database {
 public:
  Database() = default;
  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  ~Database();

  // Opens or creates `path` with WAL, synchronous=FULL and foreign keys, held exclusively, and
  // checks every page (quick_check). `damaged` tells whether a failure is the file's contents.
  static Result<Database> open(const std::string& path, bool& damaged);

  template <class... Args>
  Statement prepare(std::string_view sql, const Args&... args) {
    Statement statement(*this, sql);
    (statement.bind(args), ...);
    return statement;
  }
  template <class... Args>
  Status execute(std::string_view sql, const Args&... args) {
    Statement statement = prepare(sql, args...);
    return finish(statement);
  }
  // One number of one row; `otherwise` when there is no row.
  template <class... Args>
  Result<int64_t> number(int64_t otherwise, std::string_view sql, const Args&... args) {
    Statement statement = prepare(sql, args...);
    return first(statement, otherwise);
  }
  // Several statements without parameters.
  Status run(const char* script);
  int64_t last_row() const;
  int64_t changes() const;

  // Sticky: SQLite found the file's contents wrong.
  bool damaged() const { return damaged_; }
  const std::string& path() const { return path_; }
  // Checks every page on the disk, then copies everything into `path` (replaced), whole or not
  // at all.
  Status copy_to(const std::string& path);

 private:
  friend class Statement;
  static Status finish(Statement& statement);
  static Result<int64_t> first(Statement& statement, int64_t otherwise);
  Status configure();
  Status check_pages();
  Error error(int result);

  sqlite3* handle_ = nullptr;
  std::string path_;
  bool damaged_ = false;
};

// Rolls back unless committed. Nesting is not supported.
class Transaction {
 public:
  explicit Transaction(Database& database);
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction();
  const Status& begun() const { return begun_; }
  Status commit();

 private:
  Database& database_;
  Status begun_;
  bool open_ = false;
};

}  // namespace fedge::store
