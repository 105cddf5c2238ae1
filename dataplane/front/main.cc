// fedge-front: started by init with the link to it on descriptor 3.
#include <fcntl.h>
#include <malloc.h>
#include <sys/random.h>

#include "dataplane/front/process.h"
#include "firmware/base/log.h"
#include "firmware/base/sandbox.h"

namespace {

using namespace fedge;

// A TLS connection has two buffers of 16 kB of which an idle one touches little. Each mapped by
// itself, untouched pages cost nothing and a closed connection gives all of it back.
void tune_memory() {
  ::mallopt(M_MMAP_THRESHOLD, 16 * 1024);
  ::mallopt(M_MMAP_MAX, 1 << 20);
  ::mallopt(M_ARENA_MAX, 1);
  // The heap grows by pages: padding it by the usual 128 kB would serve those buffers from there.
  ::mallopt(M_TOP_PAD, 4096);
}

}  // namespace

int main() {
  log::start("front");
  tune_memory();
  if (::fcntl(link::kInitLinkFd, F_GETFD) < 0) {
    log::error("front", "no link to init on descriptor {} (fedge-init starts this program)",
               link::kInitLinkFd);
    return 2;
  }
  front::FrontOptions options;
  if (::getrandom(&options.epoch, sizeof options.epoch, 0) != sizeof options.epoch) {
    log::error("front", "the kernel gives no random octets");
    return 1;
  }
  Loop loop;
  front::Process process(loop, Fd(link::kInitLinkFd), options);
  SignalWatcher signals(loop, [&](int) { process.stop(); });
  if (auto ok = enter_sandbox(Profile::front); !ok) {
    log::error("front", "{}", ok.error().text());
    return 1;
  }
  process.start();
  loop.run();
  return process.exit_code();
}
