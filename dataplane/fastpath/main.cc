// fedge-fastpath: opens the ports of the box as root, gives root up, and forwards. Started by
// fedge-init; everything but the ports arrives over descriptor 3.
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/fastpath/eal.h"
#include "dataplane/fastpath/fastpath.h"
#include "firmware/base/log.h"
#include "firmware/base/sandbox.h"

namespace fedge::fastpath {

namespace {

struct Options {
  std::string instance;
  uint8_t workers = 1;
  std::vector<PortSpec> ports;
};

// INTERFACE, or PCI,MAC.
PortSpec read_port(std::string_view name, std::string_view device) {
  PortSpec spec{std::string(name), std::string(device.substr(0, device.find(',')))};
  if (spec.interface.size() < device.size()) spec.mac = device.substr(spec.interface.size() + 1);
  return spec;
}

bool parse_workers(std::string_view text, uint8_t& workers) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), workers);
  return error == std::errc{} && end == text.data() + text.size() && workers >= 1 &&
         workers <= kMostWorkers;
}

Result<Options> parse_options(std::span<char*> arguments) {
  const std::string usage =
      "fedge-fastpath --instance NAME [--workers 1..8] --port NAME=INTERFACE|PCI,MAC ...";
  Options out;
  for (size_t i = 0; i + 1 < arguments.size(); i += 2) {
    const std::string_view key = arguments[i];
    const std::string_view value = arguments[i + 1];
    const size_t equals = value.find('=');
    if (key == "--instance") {
      out.instance = value;
    } else if (key == "--port" && equals != std::string_view::npos && equals != 0) {
      out.ports.push_back(read_port(value.substr(0, equals), value.substr(equals + 1)));
    } else if (key == "--workers" && parse_workers(value, out.workers)) {
      continue;
    } else {
      return fail("command line", "not understood: " + std::string(key), usage);
    }
  }
  if (arguments.size() % 2 != 0 || out.instance.empty() || out.ports.empty()) {
    return fail("command line", "an instance and at least one port are needed", usage);
  }
  return out;
}

Result<std::vector<Port>> open_ports(const Options& options, FramePools& pools) {
  std::vector<std::string> pci;
  for (const PortSpec& spec : options.ports) {
    if (spec.is_pci()) pci.push_back(spec.interface);
  }
  const size_t count = options.ports.size();
  if (auto started = start_eal(options.instance, pci, pool_megabytes(count, options.workers));
      !started) {
    return std::unexpected(started.error());
  }
  auto made = make_frame_pools(count, options.workers);
  if (!made) return std::unexpected(made.error());
  pools = *made;
  std::vector<Port> ports;
  for (const PortSpec& spec : options.ports) {
    auto port = open_port(spec, pools.frames, options.workers);
    if (!port) return std::unexpected(port.error());
    ports.push_back(std::move(*port));
  }
  return ports;
}

Status give_up_root() {
  const uid_t uid = link::spec(link::Process::fastpath).uid;
  if (auto dropped = drop_privileges(uid, uid); !dropped) return dropped;
  return enter_sandbox(Profile::fastpath);
}

int run(std::span<char*> arguments) {
  const auto fatal = [](const Error& error) {
    log::error("fastpath", "{}", error.text());
    return 1;
  };
  auto options = parse_options(arguments);
  if (!options) return fatal(options.error());
  if (::fcntl(link::kInitLinkFd, F_SETFD, FD_CLOEXEC) != 0) {
    return fatal({"descriptor 3", "there is no link to init", "fedge-init starts this program"});
  }
  FramePools pools;
  auto ports = open_ports(*options, pools);
  if (!ports) return fatal(ports.error());
  auto crossing = Crossing::make(options->workers);
  if (!crossing) return fatal(crossing.error());

  Loop loop;
  SignalWatcher signals(loop, [&](int) { loop.stop(); });
  Fastpath fastpath(loop, std::move(*ports), pools, std::move(*crossing), Fd(link::kInitLinkFd),
                    [&] { loop.stop(); });
  if (auto started = fastpath.start(); !started) return fatal(started.error());
  if (auto dropped = give_up_root(); !dropped) return fatal(dropped.error());
  fastpath.serve();
  loop.run();
  return 0;
}

}  // namespace

}  // namespace fedge::fastpath

int main(int count, char** arguments) {
  fedge::log::start("fedge-fastpath");
  return fedge::fastpath::run({arguments + 1, static_cast<size_t>(count - 1)});
}
