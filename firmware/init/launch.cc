#include "firmware/init/launch.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "firmware/base/fd.h"
#include "firmware/base/sandbox.h"
#include "firmware/link/process.h"

namespace fedge::init {

namespace {

constexpr rlim_t kDescriptors = 1 << 20;

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  for (int s = 1; s < NSIG; ++s) ::signal(s, SIG_DFL);
}

Status bind_folders(const Launch& launch) {
  if (launch.binds.empty()) return {};
  if (::unshare(CLONE_NEWNS) != 0) return fail_errno(launch.program, "no mount namespace");
  // Slave: what the machine unmounts (network namespaces among it) goes here as well.
  if (::mount("", "/", "none", MS_SLAVE | MS_REC, nullptr) != 0) {
    return fail_errno(launch.program, "cannot separate the mounts");
  }
  for (const auto& [from, to] : launch.binds) {
    if (::mount(from.c_str(), to.c_str(), "none", MS_BIND, nullptr) != 0) {
      return fail_errno(from, "cannot bind to " + to);
    }
  }
  return {};
}

Status set_limits(const Launch& launch) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  rlimit wanted{kDescriptors, std::max(kDescriptors, limit.rlim_max)};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) != 0) {
    wanted = {limit.rlim_max, limit.rlim_max};  // the machine's fs.nr_open is lower
    ::setrlimit(RLIMIT_NOFILE, &wanted);
  }
  const rlimit none{0, 0};
  if (::setrlimit(RLIMIT_CORE, &none) != 0) return fail_errno(launch.program, "no core limit");
  const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
  if (launch.locks_memory) ::setrlimit(RLIMIT_MEMLOCK, &all);
  return {};
}

// Descriptor 3 is the link; everything above closes with exec.
Status arrange_descriptors(const Launch& launch) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || ::dup2(null, 0) < 0 || ::dup2(STDERR_FILENO, 1) < 0) {
    return fail_errno(launch.program, "cannot arrange its descriptors");
  }
  if (launch.link == link::kInitLinkFd) {
    if (::fcntl(launch.link, F_SETFD, 0) != 0) return fail_errno(launch.program, "no link");
  } else if (::dup2(launch.link, link::kInitLinkFd) < 0) {
    return fail_errno(launch.program, "cannot pass its link");
  }
  ::close_range(link::kInitLinkFd + 1, ~0u, CLOSE_RANGE_CLOEXEC);
  return {};
}

Status enter(const Launch& launch, pid_t parent) {
  reset_signals();
  ::setsid();
  if (launch.network >= 0 && ::setns(launch.network, CLONE_NEWNET) != 0) {
    return fail_errno(launch.program, "cannot enter its network namespace");
  }
  if (auto done = bind_folders(launch); !done) return done;
  if (auto done = set_limits(launch); !done) return done;
  if (auto done = arrange_descriptors(launch); !done) return done;
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return fail_errno(launch.program, "cannot refuse new privileges");
  }
  if (::chdir("/") != 0) return fail_errno(launch.program, "cannot leave the folder");
  ::umask(0077);
  if (launch.uid != 0) {
    if (auto done = drop_privileges(launch.uid, launch.uid); !done) return done;
  }
  return die_with_parent(parent);
}

// What a program of ours may want to know, and sanitizers.
std::vector<std::string> clean_environment() {
  std::vector<std::string> out{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  for (const char* name : {"FEDGE_LOG", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"}) {
    if (const char* value = std::getenv(name)) out.push_back(std::string(name) + "=" + value);
  }
  return out;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

[[noreturn]] void run_child(const Launch& launch, pid_t parent, Fd report) {
  // Above what arrange_descriptors() gives away.
  const Fd high(::fcntl(report.get(), F_DUPFD_CLOEXEC, 64));
  Status status = high ? enter(launch, parent) : fail_errno(launch.program, "no descriptor");
  if (status) {
    std::vector<std::string> arguments{launch.program};
    arguments.insert(arguments.end(), launch.arguments.begin(), launch.arguments.end());
    auto environment = clean_environment();
    ::execve(launch.program.c_str(), pointers(arguments).data(), pointers(environment).data());
    status = fail_errno(launch.program, "cannot start");
  }
  const std::string text = status.error().text();
  (void)!::write(high.get(), text.data(), text.size());
  ::_exit(127);
}

}  // namespace

Result<pid_t> launch(const Launch& launch) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(launch.program, "cannot make a pipe");
  Fd from_child(ends[0]);
  Fd to_parent(ends[1]);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(launch.program, "cannot fork");
  if (pid == 0) run_child(launch, parent, std::move(to_parent));
  to_parent.reset();
  std::array<char, 512> text;
  ssize_t n;
  do n = ::read(from_child.get(), text.data(), text.size());
  while (n < 0 && errno == EINTR);
  if (n <= 0) return pid;
  int status = 0;
  ::waitpid(pid, &status, 0);
  return fail("", std::string(text.data(), static_cast<size_t>(n)));
}

std::string describe_end(int wait_status) {
  if (WIFEXITED(wait_status)) {
    return fmt::format("exited with status {}", WEXITSTATUS(wait_status));
  }
  if (!WIFSIGNALED(wait_status)) return "ended";
  const int signal = WTERMSIG(wait_status);
  return fmt::format("was killed by signal {} ({})", signal,
                     signal == SIGSYS ? "its sandbox refused a system call" : ::strsignal(signal));
}

}  // namespace fedge::init
