#include "firmware/netlink/namespace.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <thread>

namespace fedge::netlink {

namespace {

constexpr const char* kFolder = "/run/netns";
constexpr const char* kOwn = "/proc/thread-self/ns/net";

std::string path_of(const std::string& name) { return std::string(kFolder) + "/" + name; }

Fd open_namespace(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct statfs about{};
  if (!fd || ::fstatfs(fd.get(), &about) != 0 || about.f_type != NSFS_MAGIC) return {};
  return fd;
}

// As iproute2 does: mounts below the folder reach every mount namespace.
Status prepare_folder() {
  if (::mkdir(kFolder, 0755) != 0 && errno != EEXIST) {
    return fail_errno(kFolder, "cannot create the folder");
  }
  if (::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) == 0) return {};
  if (::mount(kFolder, kFolder, "none", MS_BIND | MS_REC, nullptr) != 0 ||
      ::mount("", kFolder, "none", MS_SHARED | MS_REC, nullptr) != 0) {
    return fail_errno(kFolder, "cannot share the mounts");
  }
  return {};
}

// A fresh namespace is a thread's own: a helper makes it and gives it its name.
Status create(const std::string& path) {
  if (auto done = prepare_folder(); !done) return done;
  ::unlink(path.c_str());  // a name left without its namespace by a restart of the machine
  const Fd file(::open(path.c_str(), O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444));
  if (!file) return fail_errno(path, "cannot create the file");
  Status status;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0) {
      status = fail_errno(path, "cannot make a network namespace", "fedge-init runs as root");
    } else if (::mount(kOwn, path.c_str(), "none", MS_BIND, nullptr) != 0) {
      status = fail_errno(path, "cannot give the network namespace its name");
    }
  }).join();
  if (!status) ::unlink(path.c_str());
  return status;
}

}  // namespace

Result<NetworkNamespace> NetworkNamespace::current() {
  Fd fd = open_namespace(kOwn);
  if (!fd) return fail_errno(kOwn, "cannot open this thread's network namespace");
  return NetworkNamespace(std::move(fd));
}

Result<NetworkNamespace> NetworkNamespace::open(const std::string& name) {
  const std::string path = path_of(name);
  Fd fd = open_namespace(path);
  if (!fd) {
    if (auto made = create(path); !made) return std::unexpected(made.error());
    fd = open_namespace(path);
  }
  if (!fd) return fail_errno(path, "cannot open the network namespace");
  return NetworkNamespace(std::move(fd));
}

bool NetworkNamespace::exists(const std::string& name) {
  return static_cast<bool>(open_namespace(path_of(name)));
}

Status NetworkNamespace::remove(const std::string& name) {
  const std::string path = path_of(name);
  if (::umount2(path.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
    return fail_errno(path, "cannot unmount the network namespace");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail_errno(path, "cannot remove");
  return {};
}

Inside::Inside(const NetworkNamespace& there) : home_(::open(kOwn, O_RDONLY | O_CLOEXEC)) {
  if (!home_) {
    status_ = fail_errno(kOwn, "cannot open this thread's network namespace");
  } else if (::setns(there.fd(), CLONE_NEWNET) != 0) {
    status_ = fail_errno("network namespace", "cannot enter", "fedge-init runs as root");
    home_.reset();
  }
}

Inside::~Inside() {
  if (home_ && ::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

}  // namespace fedge::netlink
