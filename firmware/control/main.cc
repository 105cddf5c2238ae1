// fedge-control --state DIR --management ADDRESS:PORT [--fqdn NAME] [--recover-database]
// Started by init, with the link to it on descriptor 3.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <string_view>

#include "firmware/base/log.h"
#include "firmware/base/sandbox.h"
#include "firmware/control/control.h"

namespace {

using fedge::control::Options;

// fedge-signal stands beside this program.
std::string program_beside(const char* name) {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string_view self(path, size > 0 ? static_cast<size_t>(size) : 0);
  return std::string(self.substr(0, self.rfind('/') + 1)) + name;
}

bool parse_arguments(int count, char** arguments, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    if (name == "--recover-database") {
      options.recover_database = true;
      continue;
    }
    if (i + 1 == count) return false;
    const std::string_view value = arguments[++i];
    if (name == "--state") {
      options.state = value;
    } else if (name == "--fqdn") {
      options.fqdn = value;
    } else if (name == "--management") {
      const auto endpoint = fedge::Endpoint::parse(value);
      if (!endpoint) return false;
      options.management = *endpoint;
    } else {
      return false;
    }
  }
  return !options.state.empty() && options.management.port != 0;
}

}  // namespace

int main(int count, char** arguments) {
  fedge::log::start("control");
  ::umask(0077);
  Options options;
  if (!parse_arguments(count, arguments, options)) {
    std::fputs(
        "usage: fedge-control --state DIR --management ADDRESS:PORT [--fqdn NAME]\n"
        "                     [--recover-database]\n"
        "Started by fedge-init, with the link to it on descriptor 3.\n",
        stderr);
    return 2;
  }
  options.signal_program = program_beside("fedge-signal");
  fedge::Loop loop;
  fedge::SignalWatcher signals(loop, [&](int) { loop.stop(); });
  if (auto done = fedge::enter_sandbox(fedge::Profile::control); !done) {
    fedge::log::error("control", "{}", done.error().text());
    return 1;
  }
  auto control =
      fedge::control::Control::open(loop, fedge::Fd(fedge::link::kInitLinkFd), std::move(options));
  if (!control) {
    fedge::log::error("control", "{}", control.error().text());
    return 1;
  }
  (*control)->announce_ready();
  loop.run();
  return 0;
}
