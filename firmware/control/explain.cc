#include "firmware/control/explain.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace fedge::control {

namespace {

constexpr const char* kWhere = "explain";

Result<std::pair<Fd, Fd>> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return fail_errno(kWhere, "cannot make a pipe");
  return std::pair{Fd(ends[0]), Fd(ends[1])};
}

Result<pid_t> spawn(const std::string& program, const std::vector<std::string>& arguments,
                    int output, int errors) {
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const std::string& a : arguments) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  char* environment[] = {nullptr};
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error =
      ::posix_spawn(&pid, program.c_str(), &actions, &attributes, argv.data(), environment);
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return pid;
  errno = error;
  return fail_errno(program, "cannot be started", "look whether the program is installed");
}

}  // namespace

// Watches the child's output; the end of it is the end of the child.
class Explainer::Child final : public Watcher {
 public:
  Child(Explainer& owner, pid_t pid, Fd output, Fd errors, Done done)
      : owner_(owner),
        pid_(pid),
        output_(std::move(output)),
        errors_(std::move(errors)),
        done_(std::move(done)),
        limit_([this](Instant) { give_up("it took longer than five seconds"); }) {
    for (const Fd* fd : {&output_, &errors_}) ::fcntl(fd->get(), F_SETFL, O_NONBLOCK);
    (void)owner_.loop_.watch(output_.get(), EPOLLIN, *this);
    owner_.loop_.timers().set(limit_, now_monotonic() + kTimeLimit);
  }
  ~Child() override {
    owner_.loop_.unwatch(output_.get(), *this);
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  Done take_done() { return std::move(done_); }

 private:
  void on_ready(uint32_t) override {
    char chunk[16384];
    for (;;) {
      const ssize_t n = ::read(output_.get(), chunk, sizeof chunk);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0 && errno == EAGAIN) return;
      if (n <= 0) return on_end();
      text_.append(chunk, static_cast<size_t>(n));
      if (text_.size() > kMostOutput) return give_up("its answer is too large");
    }
  }
  // It has closed its output: it ends now, or is made to.
  void on_end() {
    int status = 0;
    pid_t got = ::waitpid(pid_, &status, WNOHANG);
    if (got == 0) {
      // Between closing and exiting; a child that hangs there is killed by the time limit.
      owner_.loop_.unwatch(output_.get(), *this);
      owner_.loop_.timers().set(poll_, now_monotonic() + 5ms);
      return;
    }
    pid_ = 0;
    if (got > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
      return owner_.finish(*this, std::move(text_));
    }
    if (got > 0 && WIFEXITED(status)) {
      return owner_.finish(*this, fail("query string", last_words(), "ask with other parameters"));
    }
    owner_.finish(*this, fail(kWhere, "the program was ended from outside"));
  }
  // What it wrote to its standard error, on one line.
  std::string last_words() const {
    char text[1024];
    const ssize_t n = ::read(errors_.get(), text, sizeof text);
    if (n <= 0) return "the program ended without an answer";
    std::string words(text, static_cast<size_t>(n));
    while (!words.empty() && words.back() == '\n') words.pop_back();
    std::ranges::replace(words, '\n', ' ');
    return words;
  }
  void give_up(const char* why) { owner_.finish(*this, fail(kWhere, why)); }

  Explainer& owner_;
  pid_t pid_;
  Fd output_;
  Fd errors_;
  Done done_;
  std::string text_;
  Alarm limit_;
  Alarm poll_{[this](Instant) { on_end(); }};
};

Explainer::Explainer(Loop& loop, std::string program) : loop_(loop), program_(std::move(program)) {}
Explainer::~Explainer() = default;

Status Explainer::run(const std::vector<std::string>& arguments, Done done) {
  if (children_.size() == kMost) {
    return fail(kWhere, "too many explanations are being worked out", "ask again in a moment");
  }
  auto pipe = make_pipe();
  if (!pipe) return std::unexpected(pipe.error());
  auto errors = make_pipe();
  if (!errors) return std::unexpected(errors.error());
  auto pid = spawn(program_, arguments, pipe->second.get(), errors->second.get());
  if (!pid) return std::unexpected(pid.error());
  children_.push_back(std::make_unique<Child>(*this, *pid, std::move(pipe->first),
                                              std::move(errors->first), std::move(done)));
  return {};
}

void Explainer::finish(Child& child, Result<std::string> result) {
  const Done done = child.take_done();
  std::erase_if(children_, [&](const auto& c) { return c.get() == &child; });
  done(std::move(result));
}

}  // namespace fedge::control
