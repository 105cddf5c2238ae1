#include "firmware/base/sandbox.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace fedge {

namespace {

using Names = std::span<const char* const>;

constexpr const char* kEveryone[] = {
    // descriptors
    "read", "write", "readv", "writev", "pread64", "pwrite64", "preadv", "pwritev", "preadv2",
    "pwritev2", "close", "close_range", "dup", "dup2", "dup3", "fcntl", "lseek", "fstat",
    "newfstatat", "stat", "lstat", "statx", "fstatfs", "statfs", "access", "faccessat",
    "faccessat2", "readlink", "readlinkat", "getdents64", "getcwd", "pipe", "pipe2", "ftruncate",
    "memfd_create", "sendfile", "fadvise64", "splice",
    // waiting
    "select", "pselect6", "poll", "ppoll", "epoll_create1", "epoll_create", "epoll_ctl",
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2", "timerfd_create", "timerfd_settime",
    "timerfd_gettime", "signalfd4", "nanosleep", "clock_nanosleep", "restart_syscall", "pause",
    // memory
    "munmap", "mremap", "madvise", "brk", "msync", "mincore", "mlock", "mlock2", "munlock",
    "membarrier",
    // signals, threads, time
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigpending", "rt_sigtimedwait",
    "rt_sigsuspend", "sigaltstack", "tgkill", "futex", "futex_waitv", "set_robust_list",
    "get_robust_list", "rseq", "set_tid_address", "arch_prctl", "exit", "exit_group", "sched_yield",
    "sched_getaffinity", "sched_setaffinity", "sched_getparam", "sched_getscheduler",
    "sched_get_priority_max", "sched_get_priority_min", "getcpu", "clock_gettime", "clock_getres",
    "gettimeofday", "time", "times", "alarm", "setitimer", "getitimer",
    // about itself
    "getpid", "gettid", "getppid", "getpgrp", "getpgid", "getsid", "getuid", "geteuid", "getgid",
    "getegid", "getresuid", "getresgid", "getgroups", "capget", "uname", "sysinfo", "getrusage",
    "getrlimit", "setrlimit", "prlimit64", "getrandom", "prctl", "umask", "getpriority",
    "setpriority",
    // a second filter only narrows the first
    "seccomp",
    // sockets that are there already; socket() itself is by family
    "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "shutdown", "accept",
    "accept4", "getsockname", "getpeername", "getsockopt", "setsockopt"};

constexpr const char* kControl[] = {
    "open", "openat", "openat2", "creat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat",
    "rename", "renameat", "renameat2", "link", "linkat", "chmod", "fchmod", "fchmodat", "truncate",
    "fallocate", "fsync", "fdatasync", "sync_file_range", "syncfs", "flock", "utimensat", "chdir",
    "fchdir", "getdents", "mmap", "mprotect", "ioctl", "bind", "listen", "connect",
    // explain runs the workers' own code: fedge-signal, as a child
    "fork", "vfork", "execve", "wait4", "waitid", "kill", "setsid", "setpgid", "pidfd_open",
    "pidfd_send_signal"};

constexpr const char* kFastpath[] = {
    "open",          "openat",        "unlink",     "unlinkat",           "flock",
    "fallocate",     "fsync",         "mlockall",   "munlockall",         "mbind",
    "get_mempolicy", "set_mempolicy", "move_pages", "sched_setscheduler", "sched_setparam",
    "bind",          "connect",       "bpf"};

constexpr const char* kSignal[] = {"bind", "listen", "connect"};

// Nobody has a reason to call these.
constexpr const char* kDeadly[] = {"execve",
                                   "execveat",
                                   "ptrace",
                                   "process_vm_readv",
                                   "process_vm_writev",
                                   "mount",
                                   "umount2",
                                   "move_mount",
                                   "open_tree",
                                   "fsopen",
                                   "fsconfig",
                                   "fsmount",
                                   "pivot_root",
                                   "chroot",
                                   "setns",
                                   "unshare",
                                   "init_module",
                                   "finit_module",
                                   "delete_module",
                                   "kexec_load",
                                   "kexec_file_load",
                                   "add_key",
                                   "request_key",
                                   "keyctl",
                                   "userfaultfd",
                                   "perf_event_open",
                                   "open_by_handle_at",
                                   "swapon",
                                   "swapoff",
                                   "reboot",
                                   "acct",
                                   "quotactl",
                                   "settimeofday",
                                   "clock_settime",
                                   "adjtimex",
                                   "clock_adjtime",
                                   "sethostname",
                                   "setdomainname",
                                   "iopl",
                                   "ioperm",
                                   "personality",
                                   "io_uring_setup",
                                   "setuid",
                                   "setgid",
                                   "setreuid",
                                   "setregid",
                                   "setresuid",
                                   "setresgid",
                                   "setgroups",
                                   "setfsuid",
                                   "setfsgid",
                                   "capset"};

constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// The kernel looks at 32 bits of an int argument; so must the filter.
constexpr uint64_t kWord = 0xffffffff;

struct ProfileSpec {
  Names calls;
  std::span<const int> families;  // of socket()
  bool starts_programs;
  bool any_file_and_memory;  // not only read-only files and plain data
  bool device_ioctls;
};

constexpr int kControlFamilies[] = {AF_UNIX};
constexpr int kFastpathFamilies[] = {AF_UNIX, AF_INET, AF_NETLINK};
constexpr int kSignalFamilies[] = {AF_UNIX, AF_INET, AF_INET6};

ProfileSpec spec_of(Profile profile) {
  switch (profile) {
    case Profile::control:
      return {kControl, kControlFamilies, true, true, false};
    case Profile::fastpath:
      return {kFastpath, kFastpathFamilies, false, false, true};
    case Profile::signal:
    case Profile::front:
      return {kSignal, kSignalFamilies, false, false, false};
    case Profile::agent:
      break;
  }
  return {{}, {}, false, false, false};
}

// Collects rules and remembers the first one that failed.
class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(EPERM)), seccomp_release) {}

  void add(uint32_t action, const char* name) {
    const int number = seccomp_syscall_resolve_name(name);
    // Not on this architecture, or newer than libseccomp: the default action covers it.
    if (number < 0) return;
    note(seccomp_rule_add(context_.get(), action, number, 0), name);
  }
  void add(uint32_t action, const char* name, scmp_arg_cmp condition) {
    const int number = seccomp_syscall_resolve_name(name);
    if (number < 0) return;
    note(seccomp_rule_add_array(context_.get(), action, number, 1, &condition), name);
  }
  void set(scmp_filter_attr attribute, uint32_t value) {
    note(seccomp_attr_set(context_.get(), attribute, value), "attribute");
  }
  Status load() {
    if (context_ && error_ == 0) note(seccomp_load(context_.get()), "load");
    if (context_ && error_ == 0) return {};
    errno = context_ ? -error_ : ENOMEM;
    return fail_errno("sandbox", "cannot install the system call filter (" + failed_ + ")",
                      "the kernel needs CONFIG_SECCOMP_FILTER");
  }

 private:
  void note(int result, const char* what) {
    if (result >= 0 || error_ != 0) return;
    error_ = result;
    failed_ = what;
  }
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int error_ = 0;
  std::string failed_;
};

void allow_files_and_memory(Filter& filter, const ProfileSpec& spec) {
  if (spec.any_file_and_memory) return;  // its list has them without conditions
  if (!spec.device_ioctls) {
    constexpr uint64_t kWrites = O_ACCMODE | O_CREAT | O_TRUNC;
    filter.add(SCMP_ACT_ALLOW, "open", SCMP_A1(SCMP_CMP_MASKED_EQ, kWrites, O_RDONLY));
    filter.add(SCMP_ACT_ALLOW, "openat", SCMP_A2(SCMP_CMP_MASKED_EQ, kWrites, O_RDONLY));
  }
  filter.add(SCMP_ACT_ALLOW, "mmap", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
  filter.add(SCMP_ACT_ALLOW, "mprotect", SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

// Not TIOCSTI and its like: standard error may be an operator's terminal.
void allow_ioctls(Filter& filter, const ProfileSpec& spec) {
  if (spec.any_file_and_memory) return;
  for (const uint64_t command :
       {FIONREAD, FIONBIO, FIOCLEX, TCGETS, TIOCGWINSZ, TIOCOUTQ, SIOCGIFINDEX, SIOCGIFNAME}) {
    filter.add(SCMP_ACT_ALLOW, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, kWord, command));
  }
  if (!spec.device_ioctls) return;
  for (const uint64_t command : {TUNSETQUEUE, TUNGETIFF}) {
    filter.add(SCMP_ACT_ALLOW, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, kWord, command));
  }
  // Whole groups by their type octet: network devices (0x89), VFIO (';').
  for (const uint64_t type : {0x8900, ';' << 8}) {
    filter.add(SCMP_ACT_ALLOW, "ioctl", SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffff00, type));
  }
}

void allow_threads_and_sockets(Filter& filter, const ProfileSpec& spec) {
  // clone3 takes its flags by reference, where a filter cannot look: libc falls back to clone.
  filter.add(SCMP_ACT_ERRNO(ENOSYS), "clone3");
  if (spec.starts_programs) {
    filter.add(SCMP_ACT_ALLOW, "clone", SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaces, 0));
  } else {
    filter.add(SCMP_ACT_ALLOW, "clone",
               SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaces | CLONE_THREAD, CLONE_THREAD));
  }
  filter.add(SCMP_ACT_ALLOW, "socketpair", SCMP_A0(SCMP_CMP_MASKED_EQ, kWord, AF_UNIX));
  for (const int family : spec.families) {
    filter.add(SCMP_ACT_ALLOW, "socket",
               SCMP_A0(SCMP_CMP_MASKED_EQ, kWord, static_cast<uint64_t>(family)));
  }
}

Status drop_capabilities() {
  for (int capability = 0; ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; ++capability) {
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      return fail_errno("privileges", "cannot drop capability " + std::to_string(capability));
    }
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  return {};
}

}  // namespace

Status die_with_parent(pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
    return fail_errno("privileges", "cannot tie this process to the life of its parent");
  }
  if (::getppid() != parent) return fail("privileges", "the parent process is gone");
  return {};
}

Status drop_privileges(uid_t uid, gid_t gid) {
  if (uid == 0 || gid == 0) return fail("privileges", "user 0 is no user to drop to");
  const pid_t parent = ::getppid();
  if (auto done = drop_capabilities(); !done) return done;
  // Also clears the permitted and effective sets: nothing asks to keep them.
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 ||
      ::setresuid(uid, uid, uid) != 0) {
    return fail_errno("privileges", "cannot change to user " + std::to_string(uid));
  }
  if (::setresuid(0, 0, 0) == 0) return fail("privileges", "root came back after it was dropped");
  return die_with_parent(parent);
}

Status enter_sandbox(Profile profile) {
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0 || ::prctl(PR_SET_DUMPABLE, 0) != 0) {
    return fail_errno("sandbox", "cannot switch off core dumps");
  }
  const ProfileSpec spec = spec_of(profile);
  Filter filter;
  filter.set(SCMP_FLTATR_CTL_NNP, 1);
  filter.set(SCMP_FLTATR_CTL_TSYNC, 1);
  filter.set(SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree: the list is long
  filter.set(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  for (const char* name : kEveryone) filter.add(SCMP_ACT_ALLOW, name);
  for (const char* name : spec.calls) filter.add(SCMP_ACT_ALLOW, name);
  for (const char* name : kDeadly) {
    if (spec.starts_programs && std::string_view(name) == "execve") continue;
    filter.add(SCMP_ACT_KILL_PROCESS, name);
  }
  allow_files_and_memory(filter, spec);
  allow_ioctls(filter, spec);
  allow_threads_and_sockets(filter, spec);
  return filter.load();
}

}  // namespace fedge
