#include "firmware/init/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string_view>

#include "firmware/base/json.h"

namespace fedge::init {

namespace {

constexpr size_t kMostPorts = 64;
constexpr int64_t kMostSignalWorkers = 16;
constexpr int64_t kMostFastpathWorkers = 8;
constexpr std::string_view kNameAllowed = "1 to 32 of a-z, 0-9 and -, beginning with a letter";

bool is_name(std::string_view text) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  };
  return !text.empty() && text.size() <= 32 && text[0] >= 'a' && text[0] <= 'z' &&
         std::ranges::all_of(text, allowed);
}

// What the kernel takes as an interface name (dev_valid_name).
bool is_interface_name(std::string_view text) {
  const auto refused = [](char c) {
    return c == '/' || c == ':' || static_cast<unsigned char>(c) <= ' ';
  };
  return !text.empty() && text.size() <= 15 && text != "." && text != ".." && text != "lo" &&
         std::ranges::none_of(text, refused);
}

std::string absolute(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::absolute(path, ignored).lexically_normal().string();
}

std::string own_folder() {
  std::error_code ignored;
  return std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path().string();
}

// Reads members of one object and remembers which it knows.
class ObjectReader {
 public:
  ObjectReader(json::Value object, Errors& errors) : object_(object), errors_(errors) {
    if (!object.is(json::Kind::object)) {
      wrong(object, "an object");
    }
  }
  ~ObjectReader() {
    for (const auto& member : object_.members()) {
      if (known_.contains(member.name)) continue;
      errors_.push_back({member.value.path(), "is no member known here", ""});
    }
  }

  json::Value find(const std::string& name) {
    known_.insert(name);
    return object_.find(name);
  }
  json::Value need(const std::string& name) {
    const json::Value v = find(name);
    if (!v && object_.is(json::Kind::object)) {
      errors_.push_back({json::join_path(object_.path(), name), "is missing", ""});
    }
    return v;
  }
  std::string text(json::Value v, std::string_view allowed,
                   const std::function<bool(std::string_view)>& check) {
    if (!v) return {};
    auto t = v.text();
    if (t && check(*t)) return *t;
    wrong(v, allowed);
    return {};
  }
  void wrong(json::Value v, std::string_view allowed) {
    errors_.push_back({v.path(), v.found(), "allowed: " + std::string(allowed)});
  }

 private:
  json::Value object_;
  Errors& errors_;
  std::set<std::string> known_;
};

// domain:bus:device.function, as lspci -D writes it.
bool is_pci_address(std::string_view text) {
  constexpr std::string_view kForm = "hhhh:hh:hh.h";
  if (text.size() != kForm.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool is_digit = std::isxdigit(static_cast<unsigned char>(text[i])) != 0;
    const bool fits = kForm[i] == 'h' ? is_digit : text[i] == kForm[i];
    if (!fits) return false;
  }
  return true;
}

// "02:00:5e:10:00:01", of one station.
std::optional<std::array<uint8_t, 6>> parse_mac(std::string_view text) {
  std::array<uint8_t, 6> mac{};
  if (text.size() != 17) return std::nullopt;
  for (size_t i = 0; i < mac.size(); ++i) {
    const char* at = text.data() + i * 3;
    const auto [end, error] = std::from_chars(at, at + 2, mac[i], 16);
    if (error != std::errc{} || end != at + 2 || (i != 5 && at[2] != ':')) return std::nullopt;
  }
  if ((mac[0] & 1) != 0 || mac == std::array<uint8_t, 6>{}) return std::nullopt;
  return mac;
}

void read_mac(ObjectReader& reader, board::Port& port) {
  const json::Value mac = port.is_pci() ? reader.need("mac") : reader.find("mac");
  if (!mac) return;
  const auto text = mac.text();
  const auto parsed = text && port.is_pci() ? parse_mac(*text) : std::nullopt;
  if (parsed) {
    port.mac = *parsed;
  } else {
    reader.wrong(mac, "of a PCI port its MAC address, such as \"02:00:5e:10:00:01\"");
  }
}

bool is_path(std::string_view text) { return !text.empty() && text.size() < 4096; }

std::vector<board::Port> read_ports(json::Value list, Errors& errors) {
  std::vector<board::Port> ports;
  if (!list) return ports;
  if (!list.is(json::Kind::array) || list.size() == 0 || list.size() > kMostPorts) {
    errors.push_back({list.path(), list.found(), "allowed: a list of 1 to 64 ports"});
    return ports;
  }
  std::set<std::string> names;
  std::set<std::string> interfaces;
  for (const json::Value& item : list.items()) {
    ObjectReader reader(item, errors);
    board::Port port;
    const json::Value name = reader.need("name");
    const json::Value interface = reader.need("interface");
    port.name = reader.text(name, kNameAllowed, is_name);
    port.interface =
        reader.text(interface, "a network interface, but not lo, or a PCI address (0000:03:00.0)",
                    [](std::string_view t) { return is_interface_name(t) || is_pci_address(t); });
    read_mac(reader, port);
    if (!port.name.empty() && !names.insert(port.name).second) {
      errors.push_back({name.path(), "\"" + port.name + "\" is there twice", ""});
    }
    if (!port.interface.empty() && !interfaces.insert(port.interface).second) {
      errors.push_back({interface.path(), "\"" + port.interface + "\" is there twice", ""});
    }
    ports.push_back(std::move(port));
  }
  return ports;
}

Config read_root(json::Value root, Errors& errors) {
  ObjectReader reader(root, errors);
  Config config;
  config.instance = reader.text(reader.need("instance"), kNameAllowed, is_name);
  const json::Value board = reader.find("board");
  if (board) {
    config.board = reader.text(board, "\"host\"", [](std::string_view t) { return t == "host"; });
  }
  const json::Value state = reader.find("state");
  config.state =
      state ? reader.text(state, "a folder", is_path) : "/var/lib/fedge/" + config.instance;
  const json::Value programs = reader.find("programs");
  config.programs = programs ? reader.text(programs, "a folder", is_path) : own_folder();
  config.state = absolute(config.state);
  config.programs = absolute(config.programs);
  const json::Value management = reader.find("management");
  const std::string endpoint = management
                                   ? reader.text(management, "ADDRESS:PORT, such as 127.0.0.1:8443",
                                                 [](std::string_view t) {
                                                   const auto e = Endpoint::parse(t);
                                                   return e && e->port != 0;
                                                 })
                                   : "127.0.0.1:8443";
  if (const auto parsed = Endpoint::parse(endpoint)) config.management = *parsed;
  if (const json::Value watchdog = reader.find("watchdog")) {
    const auto on = watchdog.boolean();
    if (on)
      config.watchdog = *on;
    else
      reader.wrong(watchdog, "true or false");
  }
  if (const json::Value workers = reader.find("signal_workers")) {
    const auto number = workers.integer(1, kMostSignalWorkers);
    if (!number) reader.wrong(workers, "a number from 1 to " + std::to_string(kMostSignalWorkers));
    config.signal_workers = static_cast<uint32_t>(number.value_or(1));
  }
  if (const json::Value workers = reader.find("fastpath_workers")) {
    const auto number = workers.integer(1, kMostFastpathWorkers);
    const bool is_right = number && std::has_single_bit(static_cast<uint64_t>(*number));
    if (!is_right) reader.wrong(workers, "1, 2, 4 or 8");
    config.fastpath_workers = static_cast<uint8_t>(is_right ? *number : 1);
  }
  config.ports = read_ports(reader.need("ports"), errors);
  return config;
}

}  // namespace

std::expected<Config, Errors> parse_config(std::string_view text) {
  auto document = json::Document::parse(text, {.bytes = 1 << 20, .depth = 8});
  if (!document) return std::unexpected(Errors{document.error()});
  Errors errors;
  Config config = read_root(document->root(), errors);
  if (!errors.empty()) return std::unexpected(std::move(errors));
  return config;
}

std::expected<Config, Errors> read_config(const std::string& path) {
  auto text = read_file(path, 1 << 20);
  if (!text) return std::unexpected(Errors{text.error()});
  return parse_config(*text);
}

}  // namespace fedge::init
