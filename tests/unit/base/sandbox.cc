// Every case runs in a child: what it gives up, it gives up for good.
#include "firmware/base/sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "firmware/base/fd.h"

namespace fedge {
namespace {

struct End {
  bool exited;
  int value;  // the exit status, or the signal
};

End run_child(const std::function<int()>& body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body());
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (WIFEXITED(status)) return {true, WEXITSTATUS(status)};
  return {false, WTERMSIG(status)};
}

void expect_success(const std::function<bool()>& body) {
  const End end = run_child([&] { return body() ? 0 : 1; });
  EXPECT_TRUE(end.exited);
  EXPECT_EQ(end.value, 0);
}

void expect_killed(Profile profile, const std::function<void()>& call) {
  const End end = run_child([&] {
    if (!enter_sandbox(profile)) return 2;
    call();
    return 3;
  });
  EXPECT_FALSE(end.exited);
  EXPECT_EQ(end.value, SIGSYS);
}

constexpr Profile kAll[] = {Profile::control, Profile::fastpath, Profile::signal, Profile::front,
                            Profile::agent};

bool starts_threads_and_waits() {
  std::atomic<int> seen = 0;
  std::thread worker([&] { seen = 7; });
  worker.join();
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0 || ::write(ends[1], "x", 1) != 1) return false;
  char octet = 0;
  return seen == 7 && ::read(ends[0], &octet, 1) == 1 && octet == 'x';
}

TEST(Sandbox, LeavesOrdinaryWorkAlone) {
  for (const Profile profile : kAll) {
    expect_success([&] {
      return enter_sandbox(profile) && starts_threads_and_waits() &&
             make_sealed_memfd("t", as_bytes("abc")) && read_file("/etc/hostname");
    });
  }
}

TEST(Sandbox, KillsForDangerousCalls) {
  char* const argv[] = {const_cast<char*>("true"), nullptr};
  for (const Profile profile : kAll) {
    expect_killed(profile, [] { ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); });
    expect_killed(profile, [] { ::mount("none", "/mnt", "tmpfs", 0, nullptr); });
    expect_killed(profile, [] { ::unshare(CLONE_NEWUSER); });
    if (profile == Profile::control) continue;
    expect_killed(profile, [&] { ::execv("/bin/true", argv); });
  }
}

TEST(Sandbox, ControlStartsProgramsThatStayInside) {
  expect_success([] {
    if (!enter_sandbox(Profile::control)) return false;
    char* const harmless[] = {const_cast<char*>("true"), nullptr};
    char* const outward[] = {const_cast<char*>("unshare"), const_cast<char*>("-n"),
                             const_cast<char*>("true"), nullptr};
    const End good = run_child([&] { return ::execv("/bin/true", harmless); });
    const End bad = run_child([&] { return ::execv("/usr/bin/unshare", outward); });
    return good.exited && good.value == 0 && !bad.exited && bad.value == SIGSYS;
  });
}

TEST(Sandbox, OpensSocketsOfItsOwnFamiliesOnly) {
  const auto may = [](Profile profile, int family, int type) {
    const End end = run_child([&] {
      if (!enter_sandbox(profile)) return 2;
      const int fd = ::socket(family, type, 0);
      return fd >= 0 ? 0 : errno == EPERM ? 1 : 3;
    });
    return end.exited && end.value == 0;
  };
  EXPECT_TRUE(may(Profile::signal, AF_INET, SOCK_STREAM));
  EXPECT_TRUE(may(Profile::signal, AF_INET6, SOCK_STREAM));
  EXPECT_FALSE(may(Profile::signal, AF_PACKET, SOCK_RAW));
  EXPECT_FALSE(may(Profile::signal, AF_NETLINK, SOCK_RAW));
  EXPECT_TRUE(may(Profile::fastpath, AF_NETLINK, SOCK_RAW));
  EXPECT_FALSE(may(Profile::fastpath, AF_PACKET, SOCK_RAW));
  EXPECT_FALSE(may(Profile::agent, AF_INET, SOCK_STREAM));
  EXPECT_FALSE(may(Profile::control, AF_INET, SOCK_STREAM));
}

TEST(Sandbox, SignalAndAgentWriteNoFilesAndMakeNoCode) {
  for (const Profile profile : {Profile::signal, Profile::agent}) {
    expect_success([&] {
      if (!enter_sandbox(profile)) return false;
      const bool writes = ::open("/tmp/fedge-sandbox-test", O_WRONLY | O_CREAT, 0600) >= 0;
      void* const p =
          ::mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      return !writes && p == MAP_FAILED;
    });
  }
}

TEST(Sandbox, BindsThreadsThatRunAlready) {
  expect_success([] {
    std::atomic<int> stage = 0;
    std::atomic<int> failure = 0;
    std::thread worker([&] {
      stage.wait(0);
      if (::socket(AF_INET, SOCK_STREAM, 0) < 0) failure = errno;
    });
    const bool entered = enter_sandbox(Profile::agent).has_value();
    stage = 1;
    stage.notify_all();
    worker.join();
    return entered && failure == EPERM;
  });
}

TEST(Sandbox, LeavesNoDumps) {
  expect_success([] {
    rlimit core{1, 1};
    return enter_sandbox(Profile::signal) && ::prctl(PR_GET_DUMPABLE) == 0 &&
           ::getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0 &&
           ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
  });
}

TEST(Privileges, AreDroppedForGood) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  expect_success([] {
    if (!drop_privileges(64399, 64399)) return false;
    int death = 0;
    ::prctl(PR_GET_PDEATHSIG, &death);
    gid_t groups[4];
    return ::getuid() == 64399 && ::getegid() == 64399 && ::getgroups(4, groups) == 0 &&
           ::setuid(0) != 0 && ::prctl(PR_CAPBSET_READ, 0, 0, 0, 0) == 0 && death == SIGKILL;
  });
  EXPECT_FALSE(drop_privileges(0, 0));
}

TEST(Privileges, ADeadParentIsNoticed) {
  expect_success([] { return !die_with_parent(1 << 22); });
}

}  // namespace
}  // namespace fedge
