// Owned file descriptors, sealed memfds and mappings.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "firmware/base/bytes.h"
#include "firmware/base/result.h"

namespace fedge {

// Closes what it owns. get() is -1 when empty.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1);
  // A second descriptor (close-on-exec) for the same open file; empty when the table is full.
  Fd duplicate() const;

 private:
  int fd_ = -1;
};

// A shared mapping of a whole file. Empty (size 0) after a move.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  static Result<Mapping> read_only(int fd);
  static Result<Mapping> read_write(int fd);

  Bytes bytes() const { return {data_, size_}; }
  std::byte* data() const { return data_; }  // writable only from read_write()
  size_t size() const { return size_; }
  explicit operator bool() const { return data_ != nullptr; }

 private:
  static Result<Mapping> map(int fd, int protection);
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// A memfd with these contents that nobody can change or resize any more.
Result<Fd> make_sealed_memfd(const std::string& name, Bytes contents);
// True when fd is a memfd sealed against writing, growing and shrinking: safe to map and trust
// not to change under the reader.
bool is_sealed(int fd);
// True when its size is fixed for good: mapped memory behind which nobody can take it away.
bool is_size_sealed(int fd);
// A zeroed memfd of fixed size that its holders may write.
Result<Fd> make_shared_memfd(const std::string& name, size_t size);

// Whole files. write_file_durably() is atomic: the old or the new contents after any crash
// (temporary name, fsync, rename, fsync of the folder).
Result<std::string> read_file(const std::string& path, size_t limit = 64u << 20);
Status write_file_durably(const std::string& path, Bytes contents, unsigned mode = 0600);
Status make_directories(const std::string& path, unsigned mode = 0700);
Status sync_directory(const std::string& path);

}  // namespace fedge
