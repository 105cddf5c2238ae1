#include "firmware/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <string>

namespace fedge::log {

namespace {

Level threshold = Level::info;

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

std::shared_ptr<spdlog::logger>& logger() {
  static auto instance =
      std::make_shared<spdlog::logger>("fedge", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  return instance;
}

}  // namespace

void start(std::string_view program) {
  logger()->set_pattern(fmt::format("%Y-%m-%dT%H:%M:%S.%e %-7l {} %v", program));
  logger()->set_level(spdlog::level::trace);
}

void set_level(Level level) { threshold = level; }

bool enabled(Level level) { return level >= threshold; }

void write(Level level, std::string_view part, std::string_view text) {
  logger()->log(to_spdlog(level), "{}: {}", part, text);
}

}  // namespace fedge::log
