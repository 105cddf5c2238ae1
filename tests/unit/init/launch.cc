#include "firmware/init/launch.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>

#include "firmware/link/channel.h"
#include "firmware/netlink/namespace.h"

namespace fedge::init {
namespace {

// Runs a shell script as the started process; what it writes to descriptor 3 comes back.
struct LaunchTest : testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ends.emplace(std::move(*link::make_link()));
    ::setenv("FEDGE_SECRET_OF_THE_CALLER", "1", 1);
  }
  std::string run(const std::string& script, Launch launch = {}) {
    launch.program = "/bin/sh";
    launch.arguments = {"-c", script};
    launch.link = ends->second.get();
    const auto pid = fedge::init::launch(launch);
    EXPECT_TRUE(pid) << pid.error().text();
    if (!pid) return {};
    int status = 0;
    ::waitpid(*pid, &status, 0);
    how = describe_end(status);
    std::array<char, 4096> text;
    const ssize_t n = ::read(ends->first.get(), text.data(), text.size());
    return n > 0 ? std::string(text.data(), static_cast<size_t>(n)) : std::string();
  }
  std::optional<std::pair<Fd, Fd>> ends;
  std::string how;
};

TEST_F(LaunchTest, GivesTheLinkAndNothingElse) {
  // As a shell may leave one open for us: nobody closes it at exec.
  const Fd left_open(::fcntl(ends->second.get(), F_DUPFD, 9));
  ASSERT_TRUE(left_open);
  // A shell has descriptors of its own while it redirects: ls takes its place, and 4 is the folder
  // that it lists.
  EXPECT_EQ(run("exec >&3; exec ls /proc/self/fd"), "0\n1\n2\n3\n4\n");
  EXPECT_EQ(how, "exited with status 0");
}

TEST_F(LaunchTest, CleansTheEnvironment) {
  const std::string environment = run("env >&3");
  EXPECT_EQ(environment.find("FEDGE_SECRET"), std::string::npos);
  EXPECT_NE(environment.find("PATH=/usr/sbin"), std::string::npos);
}

TEST_F(LaunchTest, ChangesTheUserForGood) {
  const std::string status =
      run("grep -E '^(Uid|Gid|Groups|Cap...|NoNewPrivs):' /proc/self/status >&3", {.uid = 64399});
  EXPECT_NE(status.find("Uid:\t64399\t64399\t64399\t64399"), std::string::npos) << status;
  EXPECT_NE(status.find("Gid:\t64399\t64399\t64399\t64399"), std::string::npos) << status;
  EXPECT_NE(status.find("Groups:\t \n"), std::string::npos) << status;
  EXPECT_NE(status.find("CapEff:\t0000000000000000"), std::string::npos) << status;
  EXPECT_NE(status.find("CapBnd:\t0000000000000000"), std::string::npos) << status;
  EXPECT_NE(status.find("NoNewPrivs:\t1"), std::string::npos) << status;
}

TEST_F(LaunchTest, StartsInTheNamespace) {
  const std::string name = "fedge-launch-" + std::to_string(::getpid());
  auto space = netlink::NetworkNamespace::open(name);
  ASSERT_TRUE(space);
  const std::string here = std::filesystem::read_symlink("/proc/self/ns/net").string();
  const std::string there = run("readlink /proc/self/ns/net >&3", {.network = space->fd()});
  EXPECT_TRUE(there.starts_with("net:["));
  EXPECT_NE(there, here + "\n");
  EXPECT_TRUE(netlink::NetworkNamespace::remove(name));
}

TEST_F(LaunchTest, BindsFoldersThatItsUserCouldNotReach) {
  char closed_name[] = "/tmp/fedge-launch-XXXXXX";
  char open_name[] = "/tmp/fedge-launch-XXXXXX";
  const std::string closed = ::mkdtemp(closed_name);
  const std::string open = ::mkdtemp(open_name);
  std::filesystem::permissions(open, std::filesystem::perms(0755));
  std::filesystem::create_directory(closed + "/inner");
  std::filesystem::permissions(closed + "/inner", std::filesystem::perms(0755));
  std::ofstream(closed + "/inner/word") << "found";
  std::filesystem::permissions(closed + "/inner/word", std::filesystem::perms(0644));
  EXPECT_EQ(run("cat " + open + "/word >&3", {.uid = 64399, .binds = {{closed + "/inner", open}}}),
            "found");
  EXPECT_FALSE(std::filesystem::exists(open + "/word")) << "only in the process's own mounts";
  std::filesystem::remove_all(closed);
  std::filesystem::remove_all(open);
}

TEST_F(LaunchTest, SaysWhatFailedInTheStartedProcess) {
  Launch launch{.program = "/nonexistent/fedge-agent", .link = ends->second.get()};
  const auto pid = fedge::init::launch(launch);
  ASSERT_FALSE(pid);
  EXPECT_EQ(pid.error().text(),
            "/nonexistent/fedge-agent: cannot start: No such file or directory");
}

TEST_F(LaunchTest, DiesWithTheThreadThatStartedIt) {
  pollfd said{ends->first.get(), POLLIN, 0};
  const pid_t parent = ::fork();
  if (parent == 0) {
    const Launch launch{.program = "/bin/sh",
                        .arguments = {"-c", "echo alive >&3; kill -STOP $$"},
                        .link = ends->second.get(),
                        .uid = 64399};
    if (!fedge::init::launch(launch) || ::poll(&said, 1, 5000) != 1) ::_exit(1);
    ::raise(SIGKILL);
  }
  ends->second.reset();
  int status = 0;
  ::waitpid(parent, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  std::array<char, 32> text{};
  ASSERT_GT(::read(ends->first.get(), text.data(), text.size()), 0);
  // The link ends when its last holder does.
  ASSERT_EQ(::poll(&said, 1, 5000), 1);
  EXPECT_EQ(::read(ends->first.get(), text.data(), text.size()), 0);
}

TEST(DescribeEnd, SpeaksInWords) {
  EXPECT_EQ(describe_end(1 << 8), "exited with status 1");
  EXPECT_EQ(describe_end(SIGKILL), "was killed by signal 9 (Killed)");
  EXPECT_NE(describe_end(SIGSYS).find("sandbox"), std::string::npos);
}

}  // namespace
}  // namespace fedge::init
