// Log lines to standard error: time, level, part, text. Never called on a packet's or a
// message's path. Each part has its own level, changed without a restart.
#pragma once

#include <fmt/core.h>

#include <string_view>
#include <utility>

namespace fedge::log {

enum class Level { debug, info, warning, error };

// The program's name, put in front of every line. Call once, before the first line.
void start(std::string_view program);
void set_level(Level level);
bool enabled(Level level);
void write(Level level, std::string_view part, std::string_view text);

template <class... Args>
void debug(std::string_view part, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug))
    write(Level::debug, part, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(std::string_view part, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info))
    write(Level::info, part, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(std::string_view part, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning))
    write(Level::warning, part, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(std::string_view part, fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, part, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace fedge::log
