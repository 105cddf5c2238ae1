#include "board/linux/host.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace fedge::board {

namespace {

constexpr size_t kSealingKeySize = 32;

// One line of a file of the kernel's; empty when there is none.
std::string read_line(const std::string& path) {
  auto text = read_file(path, 4096);
  if (!text) return {};
  return text->substr(0, text->find('\n'));
}

Status make_key(const std::string& path) {
  std::array<std::byte, kSealingKeySize> key;
  if (::getrandom(key.data(), key.size(), 0) != static_cast<ssize_t>(key.size())) {
    return fail_errno(path, "the kernel gives no random numbers");
  }
  auto done = write_file_durably(path, key, 0600);
  ::explicit_bzero(key.data(), key.size());
  return done;
}

class Host final : public Hal {
 public:
  explicit Host(HostOptions options) : options_(std::move(options)) {
    if (options_.use_watchdog) {
      watchdog_.reset(::open(options_.watchdog.c_str(), O_WRONLY | O_CLOEXEC));
    }
  }
  // The magic character: a clean end is no reason to reset the machine.
  ~Host() override {
    if (watchdog_) (void)!::write(watchdog_.get(), "V", 1);
  }

  Identity identity() const override {
    return {"host", read_line(options_.dmi_folder + "/product_name"),
            read_line(options_.dmi_folder + "/product_serial")};
  }
  std::vector<Port> ports() const override { return options_.ports; }
  Result<Fd> sealing_key(std::string_view process) override;
  void pet_watchdog() override {
    if (watchdog_) (void)!::write(watchdog_.get(), "\n", 1);
  }
  bool has_watchdog() const override { return static_cast<bool>(watchdog_); }

 private:
  HostOptions options_;
  Fd watchdog_;
};

Result<Fd> Host::sealing_key(std::string_view process) {
  const std::string path = options_.seal_folder + "/" + std::string(process) + ".key";
  if (auto made = make_directories(options_.seal_folder, 0700); !made) {
    return std::unexpected(made.error());
  }
  // Only absence makes a new key: any other trouble must not cost the old one.
  if (::access(path.c_str(), F_OK) != 0 && errno == ENOENT) {
    if (auto made = make_key(path); !made) return std::unexpected(made.error());
  }
  auto key = read_file(path, kSealingKeySize + 1);
  if (!key) return std::unexpected(key.error());
  if (key->size() != kSealingKeySize) {
    return fail(path, "holds " + std::to_string(key->size()) + " octets instead of 32",
                "restore it from a backup; without it stored private keys must be imported again");
  }
  auto memory = make_sealed_memfd("sealing-key", as_bytes(*key));
  ::explicit_bzero(key->data(), key->size());
  return memory;
}

}  // namespace

std::unique_ptr<Hal> make_host(HostOptions options) {
  return std::make_unique<Host>(std::move(options));
}

}  // namespace fedge::board
