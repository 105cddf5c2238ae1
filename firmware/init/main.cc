// fedge-init: makes an appliance's network on this machine, starts its processes and keeps what
// they need to come back.
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "firmware/base/log.h"
#include "firmware/init/appliance.h"

namespace {

using namespace fedge;

constexpr std::string_view kUsage =
    "usage: fedge-init --config FILE          run the appliance that FILE describes\n"
    "       fedge-init --check --config FILE  only say what is wrong with FILE\n"
    "       fedge-init --recover-database --config FILE\n"
    "                                         and put the last good copy in the place of a "
    "damaged\n"
    "                                         database; without a copy start with a new one\n";

struct Options {
  std::string config;
  bool check = false;
  bool recover_database = false;
};

[[noreturn]] void end_with_usage(int status) {
  fmt::print(status == 0 ? stdout : stderr, "{}", kUsage);
  std::exit(status);
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--config" && i + 1 < argc) {
      options.config = argv[++i];
    } else if (argument == "--check") {
      options.check = true;
    } else if (argument == "--recover-database") {
      options.recover_database = true;
    } else {
      end_with_usage(argument == "--help" ? 0 : 2);
    }
  }
  if (options.config.empty()) end_with_usage(2);
  return options;
}

// The programs that the machine must have for this configuration.
init::Errors check_programs(const init::Config& config) {
  init::Errors errors;
  for (const link::Process process : init::Supervisor::children()) {
    const std::string path = config.programs + "/fedge-" + std::string(link::name(process));
    if (::access(path.c_str(), X_OK) != 0) {
      errors.push_back({"/programs", path + " is no program", "build it, or name its folder"});
    }
  }
  return errors;
}

int report(const std::string& file, const init::Errors& errors) {
  for (const Error& error : errors) fmt::print(stderr, "{}: {}\n", file, error.text());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);
  log::start("fedge-init");
  auto config = init::read_config(options.config);
  if (!config) return report(options.config, config.error());
  if (const auto errors = check_programs(*config); !errors.empty()) {
    return report(options.config, errors);
  }
  if (options.check) {
    fmt::print("{}: good\n", options.config);
    return 0;
  }
  if (::geteuid() != 0) {
    log::error("init", "must run as root: it makes network namespaces and taps");
    return 1;
  }
  config->recover_database = options.recover_database;
  ::umask(0022);
  Loop loop;
  auto appliance = init::Appliance::open(loop, std::move(*config));
  if (!appliance) {
    log::error("init", "{}", appliance.error().text());
    return 1;
  }
  (*appliance)->run();
  return 0;
}
