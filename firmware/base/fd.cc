#include "firmware/base/fd.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace fedge {

namespace {

constexpr size_t kPage = 4096;
constexpr int kCollapse = 25;  // MADV_COLLAPSE, which the C library does not name yet
constexpr int kSizeSeals = F_SEAL_GROW | F_SEAL_SHRINK;
constexpr int kContentSeals = F_SEAL_WRITE | kSizeSeals;

Status write_all(int fd, Bytes contents, const std::string& where) {
  while (!contents.empty()) {
    const ssize_t n = ::write(fd, contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(where, "cannot write", "check free space and permissions");
    contents = contents.subspan(static_cast<size_t>(n));
  }
  return {};
}

// The processor keeps few translations of small pages at hand: reading here and there in a hundred
// megabytes takes twice as long as in huge ones. Both sides must lie at a multiple of one.
constexpr size_t kHugePage = 2u << 20;

void* map_aligned(int fd, size_t size, int protection) {
  if (size < kHugePage) return ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
  void* const room = ::mmap(nullptr, size + kHugePage, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (room == MAP_FAILED) return room;
  auto* const begin = static_cast<std::byte*>(room);
  const size_t before = -reinterpret_cast<uintptr_t>(room) % kHugePage;
  const size_t behind = before + (size + kPage - 1) / kPage * kPage;
  if (before != 0) ::munmap(begin, before);
  if (behind != size + kHugePage) ::munmap(begin + behind, size + kHugePage - behind);
  return ::mmap(begin + before, size, protection, MAP_SHARED | MAP_FIXED, fd, 0);
}

// Puts as much of `contents` as fills huge pages into a new memfd; returns how much. None where the
// kernel has no such pages to give (or is older than 6.1): nothing is lost but speed.
size_t write_huge(int fd, Bytes contents) {
  const size_t size = contents.size() / kHugePage * kHugePage;
  if (size == 0 || ::ftruncate(fd, static_cast<off_t>(size)) != 0) return 0;
  void* const mapped = map_aligned(fd, size, PROT_READ | PROT_WRITE);
  size_t done = 0;
  if (mapped != MAP_FAILED) {
    auto* const to = static_cast<std::byte*>(mapped);
    for (size_t at = 0; at < size; at += kHugePage) to[at] = contents[at];
    if (::madvise(mapped, size, kCollapse) == 0) {
      std::memcpy(to, contents.data(), size);
      done = size;
    }
    ::munmap(mapped, size);
  }
  if (done == 0) (void)::ftruncate(fd, 0);
  return done;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

void Fd::reset(int fd) {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

Fd Fd::duplicate() const { return Fd(::fcntl(fd_, F_DUPFD_CLOEXEC, 3)); }

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    if (data_ != nullptr) ::munmap(data_, size_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

Result<Mapping> Mapping::map(int fd, int protection) {
  struct stat st{};
  if (::fstat(fd, &st) != 0) return fail_errno("mapping", "cannot read the file's size");
  Mapping m;
  if (st.st_size <= 0) return m;
  void* p = map_aligned(fd, static_cast<size_t>(st.st_size), protection);
  if (p == MAP_FAILED) return fail_errno("mapping", "cannot map the file");
  m.data_ = static_cast<std::byte*>(p);
  m.size_ = static_cast<size_t>(st.st_size);
  return m;
}

Result<Mapping> Mapping::read_only(int fd) { return map(fd, PROT_READ); }
Result<Mapping> Mapping::read_write(int fd) { return map(fd, PROT_READ | PROT_WRITE); }

Result<Fd> make_sealed_memfd(const std::string& name, Bytes contents) {
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno(name, "cannot create a memfd");
  const size_t huge = write_huge(fd.get(), contents);
  if (::lseek(fd.get(), static_cast<off_t>(huge), SEEK_SET) < 0)
    return fail_errno(name, "cannot seek in a memfd");
  if (auto done = write_all(fd.get(), contents.subspan(huge), name); !done) {
    return std::unexpected(done.error());
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, kContentSeals | F_SEAL_SEAL) != 0) {
    return fail_errno(name, "cannot seal a memfd");
  }
  return fd;
}

bool is_sealed(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & kContentSeals) == kContentSeals;
}

bool is_size_sealed(int fd) {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & kSizeSeals) == kSizeSeals;
}

Result<Fd> make_shared_memfd(const std::string& name, size_t size) {
  Fd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno(name, "cannot create a memfd");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0) {
    return fail_errno(name, "cannot size a memfd");
  }
  if (::fcntl(fd.get(), F_ADD_SEALS, kSizeSeals | F_SEAL_SEAL) != 0) {
    return fail_errno(name, "cannot fix the size of a memfd");
  }
  return fd;
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail_errno(path, "cannot open");
  std::string out;
  char chunk[16384];
  for (;;) {
    const ssize_t n = ::read(fd.get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(path, "cannot read");
    if (n == 0) return out;
    if (out.size() + static_cast<size_t>(n) > limit) return fail(path, "the file is too large");
    out.append(chunk, static_cast<size_t>(n));
  }
}

Status write_file_durably(const std::string& path, Bytes contents, unsigned mode) {
  const std::string temporary = path + ".new";
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!fd) return fail_errno(temporary, "cannot create", "check free space and permissions");
  if (auto done = write_all(fd.get(), contents, temporary); !done) return done;
  if (::fsync(fd.get()) != 0) return fail_errno(temporary, "cannot flush to disk");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail_errno(path, "cannot rename");
  return sync_directory(folder_of(path));
}

Status make_directories(const std::string& path, unsigned mode) {
  for (size_t at = 1; at <= path.size(); ++at) {
    if (at != path.size() && path[at] != '/') continue;
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST) {
      return fail_errno(part, "cannot create the folder", "check free space and permissions");
    }
  }
  return {};
}

Status sync_directory(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail_errno(path, "cannot open the folder");
  if (::fsync(fd.get()) != 0) return fail_errno(path, "cannot flush the folder to disk");
  return {};
}

}  // namespace fedge
