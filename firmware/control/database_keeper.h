// The database file through its life: opened, copied while it is good, found damaged, moved aside
// when an administrator says so. Nothing is moved or removed without being told.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "firmware/base/loop.h"
#include "firmware/store/store.h"

namespace fedge::control {

class DatabaseKeeper {
 public:
  // `folder` is the state folder.
  DatabaseKeeper(Loop& loop, std::string folder, store::Fault fault);

  // Opens the file. On failure store() is null and problem() says why; administrators() then
  // come from the last good copy, so that somebody can still be let in. `published`: something
  // runs on this box, so that an empty database (a file lost or cut to nothing, which SQLite takes
  // for a new one) is a damaged one.
  Status open(bool published);
  // Null while there is no usable database.
  store::Store* store() { return store_.get(); }
  bool damaged() const { return damaged_; }
  const Error& problem() const { return problem_; }

  // To be called after work on the store: notices damage (true: found just now; the store is
  // closed) and has a copy made soon after a change.
  bool check();
  // Makes the copy now (first start, recovery).
  void copy_now();

  // Moves the damaged file aside and puts the last good copy in its place; without a copy the
  // next open() makes a new database. Says in words what was done.
  Result<std::string> move_aside(WallTime now);

  const std::vector<store::Administrator>& administrators() const { return administrators_; }
  void read_administrators();
  std::string path() const { return folder_ + "/fedge.db"; }

 private:
  std::string copy_path() const { return folder_ + "/fedge.db.last-good"; }
  void read_administrators_of_copy();

  Loop& loop_;
  std::string folder_;
  store::Fault fault_;
  std::unique_ptr<store::Store> store_;
  bool damaged_ = false;
  Error problem_;
  std::vector<store::Administrator> administrators_;
  uint64_t copied_changes_ = 0;
  Alarm copy_alarm_;
  Duration copy_pause_ = 1s;
};

}  // namespace fedge::control
