#include "firmware/control/database_keeper.h"

#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "firmware/base/log.h"

namespace fedge::control {

namespace {

constexpr Duration kCopyPause = 1s;
constexpr const char* kRemedy =
    "POST /v1/database/recover, or start fedge-init with --recover-database";
// A copy may take a twentieth of control's time, not more.
constexpr int kCopyShare = 20;

}  // namespace

DatabaseKeeper::DatabaseKeeper(Loop& loop, std::string folder, store::Fault fault)
    : loop_(loop),
      folder_(std::move(folder)),
      fault_(std::move(fault)),
      copy_alarm_([this](Instant) { copy_now(); }) {}

Status DatabaseKeeper::open(bool published) {
  damaged_ = false;
  auto store = store::Store::open(path(), damaged_, fault_);
  if (store && published) {
    const auto running = store->running();
    damaged_ = running && !*running;
    if (damaged_) store = fail(path(), "it is empty, though this box runs a topology", kRemedy);
  }
  if (!store) {
    store_.reset();
    problem_ = store.error();
    log::error("control", "{}", problem_.text());
    if (damaged_) {
      log::error("control",
                 "the database is damaged; the box goes on forwarding what was last "
                 "published, and nothing is changed until somebody says so");
    }
    read_administrators_of_copy();
    return std::unexpected(problem_);
  }
  problem_ = {};
  store_ = std::make_unique<store::Store>(std::move(*store));
  copied_changes_ = 0;
  std::error_code error;
  if (!std::filesystem::exists(copy_path(), error)) copied_changes_ = UINT64_MAX;
  read_administrators();
  return {};
}

void DatabaseKeeper::read_administrators() {
  if (!store_) return;
  if (auto all = store_->administrators()) administrators_ = std::move(*all);
}

void DatabaseKeeper::read_administrators_of_copy() {
  std::error_code error;
  if (!administrators_.empty() || !std::filesystem::exists(copy_path(), error)) return;
  bool copy_damaged = false;
  auto copy = store::Store::open(copy_path(), copy_damaged);
  if (!copy) return;
  if (auto all = copy->administrators()) administrators_ = std::move(*all);
}

bool DatabaseKeeper::check() {
  if (!store_) return false;
  if (store_->damaged()) {
    damaged_ = true;
    problem_ = {path(), "the database is damaged", kRemedy};
    log::error("control", "{}: found while working with it; the box goes on forwarding",
               problem_.text());
    copy_alarm_.cancel();
    store_.reset();
    return true;
  }
  if (store_->changes() != copied_changes_ && !copy_alarm_.armed()) {
    loop_.timers().set(copy_alarm_, loop_.now() + copy_pause_);
  }
  return false;
}

void DatabaseKeeper::copy_now() {
  if (!store_) return;
  const Instant begun = now_monotonic();
  const uint64_t changes = store_->changes();
  if (auto done = store_->copy_to(copy_path()); !done) {
    log::warning("control", "no copy of the database: {}", done.error().text());
  }
  copied_changes_ = changes;
  copy_pause_ = std::max<Duration>(kCopyPause, (now_monotonic() - begun) * kCopyShare);
}

Result<std::string> DatabaseKeeper::move_aside(WallTime now) {
  store_.reset();
  const std::string aside = fmt::format("{}.damaged-{}", path(), now.time_since_epoch().count());
  if (std::rename(path().c_str(), aside.c_str()) != 0) {
    return fail_errno(path(), "cannot move it aside", "check the owner of the state folder");
  }
  std::error_code error;
  for (const char* behind : {"-wal", "-shm"}) {
    std::filesystem::rename(path() + behind, aside + behind, error);
  }
  bool copy_damaged = false;
  const bool has_copy = std::filesystem::exists(copy_path(), error) &&
                        store::Store::open(copy_path(), copy_damaged).has_value();
  if (has_copy) std::filesystem::copy_file(copy_path(), path(), error);
  if (has_copy && !error) return "moved to " + aside + "; the last good copy is in its place";
  return "moved to " + aside + "; there is no good copy, a new database is made";
}

}  // namespace fedge::control
