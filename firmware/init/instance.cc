#include "firmware/init/instance.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "firmware/base/json.h"
#include "firmware/base/log.h"

namespace fedge::init {

namespace {

constexpr const char* kRun = "/run/fedge";

// The file that is locked is still the one of that name: a run that ends removes its own.
bool is_current(const Fd& fd, const std::string& path) {
  struct stat held{};
  struct stat named{};
  return ::fstat(fd.get(), &held) == 0 && ::stat(path.c_str(), &named) == 0 &&
         held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

Result<Fd> take_lock(const std::string& folder, const std::string& held) {
  const std::string path = folder + "/lock";
  for (int attempt = 0;; ++attempt) {
    if (auto made = make_directories(folder, 0755); !made) return std::unexpected(made.error());
    Fd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd && (errno != ENOENT || attempt == 10)) return fail_errno(path, "cannot open");
    if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return fail_errno(path, "cannot lock");
      return fail(path, held, "stop the other fedge-init first");
    }
    if (fd && is_current(fd, path)) return fd;
  }
}

// The folder is control's whoever made it, but not what lies in it.
Status own_folder(const std::string& path, uid_t uid) {
  if (auto made = make_directories(path, 0700); !made) return made;
  struct stat st{};
  if (::lstat(path.c_str(), &st) != 0) return fail_errno(path, "cannot read");
  if (!S_ISDIR(st.st_mode)) return fail(path, "is no folder");
  if ((st.st_uid != uid && ::chown(path.c_str(), uid, uid) != 0) ||
      ::chmod(path.c_str(), 0700) != 0) {
    return fail_errno(path, "cannot give it to user " + std::to_string(uid));
  }
  return {};
}

}  // namespace

Result<Instance> Instance::open(const Config& config) {
  Instance instance;
  instance.name_ = config.instance;
  instance.state_ = config.state;
  instance.run_ = std::string(kRun) + "/" + config.instance;
  auto run_lock = take_lock(instance.run_,
                            "an instance \"" + config.instance + "\" runs on this machine already");
  if (!run_lock) return std::unexpected(run_lock.error());
  auto state_lock = take_lock(instance.state_, "another instance uses this folder");
  if (!state_lock) return std::unexpected(state_lock.error());
  for (const std::string& folder : {instance.bound_programs(), instance.bound_control()}) {
    if (auto made = make_directories(folder, 0755); !made) return std::unexpected(made.error());
  }
  instance.run_lock_ = std::move(*run_lock);
  instance.state_lock_ = std::move(*state_lock);
  const uid_t control = link::spec(link::Process::control).uid;
  if (auto done = own_folder(instance.control_folder(), control); !done) {
    return std::unexpected(done.error());
  }
  if (auto done = make_directories(instance.seal_folder(), 0700); !done) {
    return std::unexpected(done.error());
  }
  return instance;
}

void Instance::close() {
  ::unlink((run_ + "/status.json").c_str());
  ::rmdir(bound_programs().c_str());
  ::rmdir(bound_control().c_str());
  ::unlink((run_ + "/lock").c_str());
  ::rmdir(run_.c_str());
}

void Instance::write_status(const Supervisor& supervisor, uint64_t generation,
                            uint64_t revision) const {
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("instance", name_).member("pid", ::getpid());
  w.member("generation", generation).member("revision", revision);
  w.key("processes").begin_object();
  for (const link::Process process : Supervisor::children()) {
    const ProcessInfo& info = supervisor.info(process);
    w.key(link::name(process)).begin_object();
    w.member("running", info.running).member("ready", info.ready).member("pid", info.pid);
    w.member("restarts", info.restarts).member("last_end", info.detail).end_object();
  }
  w.end_object().end_object();
  const std::string text = w.take();
  const std::string path = run_ + "/status.json";
  const std::string fresh = path + ".new";
  const Fd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(fresh.c_str(), path.c_str()) != 0) {
    log::warning("init", "cannot write {}", path);
  }
}

}  // namespace fedge::init
