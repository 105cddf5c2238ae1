// Text appended to a buffer that somebody else owns.
#pragma once

#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace fedge {

// Once something did not fit, nothing more is written.
class Output {
 public:
  explicit Output(std::span<char> buffer) : buffer_(buffer) {}

  Output& operator<<(std::string_view text) {
    if (text.size() > buffer_.size() - used_) overflowed_ = true;
    if (overflowed_ || text.empty()) return *this;
    std::memcpy(buffer_.data() + used_, text.data(), text.size());
    used_ += text.size();
    return *this;
  }
  Output& operator<<(char c) { return *this << std::string_view(&c, 1); }
  Output& operator<<(uint64_t number) {
    char digits[20];
    const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
    return *this << std::string_view(digits, static_cast<size_t>(end - digits));
  }
  Output& operator<<(uint32_t number) { return *this << uint64_t{number}; }
  Output& operator<<(uint16_t number) { return *this << uint64_t{number}; }
  Output& operator<<(int number) = delete;

  bool fits() const { return !overflowed_; }
  std::string_view text() const { return {buffer_.data(), used_}; }
  std::optional<size_t> size() const {
    return fits() ? std::optional<size_t>(used_) : std::nullopt;
  }

 private:
  std::span<char> buffer_;
  size_t used_ = 0;
  bool overflowed_ = false;
};

}  // namespace fedge
