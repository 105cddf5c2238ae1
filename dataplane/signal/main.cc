// fedge-signal [--workers N]: started by init with the link to it on descriptor 3; or asked a
// question:
// fedge-signal --explain DIR --from F --to T [--method M] [--realm R] [--peer NAME]
#include <fcntl.h>
#include <malloc.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "dataplane/signal/explain.h"
#include "dataplane/signal/process.h"
#include "firmware/base/log.h"
#include "firmware/base/sandbox.h"

namespace {

using namespace fedge;

int explain(int argc, char** argv) {
  const auto question = signal::parse_question({argv + 2, static_cast<size_t>(argc - 2)});
  const auto answer = question ? signal::explain(*question) : std::unexpected(question.error());
  if (!answer) {
    std::fprintf(stderr, "%s\n", answer.error().text().c_str());
    return 1;
  }
  std::printf("%s\n", answer->c_str());
  return 0;
}

// A TLS connection has two buffers of 16 kB of which an idle one touches little. Each mapped by
// itself, untouched pages cost nothing and a closed connection gives all of it back.
void tune_memory(uint32_t workers) {
  ::mallopt(M_MMAP_THRESHOLD, 16 * 1024);
  ::mallopt(M_MMAP_MAX, 1 << 20);
  ::mallopt(M_ARENA_MAX, static_cast<int>(workers));
  // The heap grows by pages: padding it by the usual 128 kB would serve those buffers from there.
  ::mallopt(M_TOP_PAD, 4096);
}

// Private keys are in memory: no core file, no debugger.
void hide_memory() {
  ::prctl(PR_SET_DUMPABLE, 0);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
}

int serve(uint32_t workers) {
  log::start("signal");
  hide_memory();
  tune_memory(workers);
  if (::fcntl(link::kInitLinkFd, F_GETFD) < 0) {
    log::error("signal", "no link to init on descriptor {} (fedge-init starts this program)",
               link::kInitLinkFd);
    return 2;
  }
  signal::CrewOptions options;
  options.workers = workers;
  if (::getrandom(&options.each.secret, sizeof options.each.secret, 0) !=
      sizeof options.each.secret) {
    log::error("signal", "the kernel gives no random octets");
    return 1;
  }
  Loop loop;
  signal::Process process(loop, Fd(link::kInitLinkFd), options);
  SignalWatcher signals(loop, [&](int) { process.stop(); });
  if (auto ok = enter_sandbox(Profile::signal); !ok) {
    log::error("signal", "{}", ok.error().text());
    return 1;
  }
  process.start();
  loop.run();
  return process.exit_code();
}

bool parse_workers(std::string_view option, std::string_view text, uint32_t& workers) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), workers);
  return option == "--workers" && error == std::errc{} && end == text.data() + text.size() &&
         workers >= 1 && workers <= signal::kMostWorkers;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc >= 2 && std::string_view(argv[1]) == "--explain") return explain(argc, argv);
  uint32_t workers = 1;
  if (argc != 1 && !(argc == 3 && parse_workers(argv[1], argv[2], workers))) {
    std::fprintf(stderr,
                 "usage: fedge-signal [--workers 1..%u] (by fedge-init), or fedge-signal "
                 "--explain DIR --from F --to T [--method M] [--realm R] [--peer NAME]\n",
                 signal::kMostWorkers);
    return 2;
  }
  return serve(workers);
}
