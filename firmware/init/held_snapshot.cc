#include "firmware/init/held_snapshot.h"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <memory>
#include <optional>

#include "firmware/base/log.h"
#include "firmware/snapshot/reader.h"

namespace fedge::init {

using snapshot::Kind;

namespace {

constexpr size_t kMostSection = 1u << 30;
constexpr size_t kMostText = 64 * 1024;

Result<std::array<uint64_t, 2>> check_section(Bytes bytes, Kind kind) {
  if (auto good = snapshot::check_envelope(bytes, kind); !good) {
    return std::unexpected(good.error());
  }
  const auto* header = reinterpret_cast<const snapshot::SectionHeader*>(bytes.data());
  return std::array{header->checksum[0], header->checksum[1]};
}

std::string name_of(Kind kind) { return "section " + std::to_string(static_cast<unsigned>(kind)); }

// Control owns its folder: init follows no link there, waits on no pipe, and reads no more than
// it expects.
Result<std::string> read_owned(const std::string& path, size_t limit) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat st{};
  if (!fd || ::fstat(fd.get(), &st) != 0) return fail_errno(path, "cannot open");
  if (!S_ISREG(st.st_mode)) return fail(path, "is no plain file");
  if (st.st_size < 0 || static_cast<size_t>(st.st_size) > limit) return fail(path, "is too large");
  std::string out(static_cast<size_t>(st.st_size), '\0');
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t n = ::read(fd.get(), out.data() + done, out.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return fail_errno(path, "cannot read");
    done += static_cast<size_t>(n);
  }
  return out;
}

// The words of a manifest, line by line.
class ManifestLines {
 public:
  explicit ManifestLines(std::string_view text) : text_(text) {}
  // The words of the next line; empty at the end or when the line is not ended.
  std::vector<std::string_view> next() {
    const size_t end = text_.find('\n');
    if (end == std::string_view::npos) return {};
    std::string_view line = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    std::vector<std::string_view> words;
    for (;;) {
      const size_t space = line.find(' ');
      words.push_back(line.substr(0, space));
      if (space == std::string_view::npos) return words;
      line.remove_prefix(space + 1);
    }
  }
  bool at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
};

template <class T>
std::optional<T> number(std::string_view text, int base = 10) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  return value;
}

struct ManifestEntry {
  Kind kind{};
  std::array<uint64_t, 2> checksum{};
  uint64_t size = 0;
};

struct Manifest {
  uint64_t generation = 0;
  uint64_t revision = 0;
  std::vector<ManifestEntry> entries;
};

std::optional<ManifestEntry> parse_entry(const std::vector<std::string_view>& words) {
  if (words.size() != 3 || words[1].size() != 32) return {};
  const auto kind = number<uint16_t>(words[0]);
  const auto high = number<uint64_t>(words[1].substr(0, 16), 16);
  const auto low = number<uint64_t>(words[1].substr(16), 16);
  const auto size = number<uint64_t>(words[2]);
  if (!kind || !high || !low || !size) return {};
  return ManifestEntry{static_cast<Kind>(*kind), {*high, *low}, *size};
}

std::optional<Manifest> parse_manifest(std::string_view text) {
  using Words = std::vector<std::string_view>;
  ManifestLines lines(text);
  if (lines.next() != Words{"fedge-generation", "1"}) return {};
  const Words head = lines.next();
  if (head.size() != 4 || head[0] != "generation" || head[2] != "revision") return {};
  const auto generation = number<uint64_t>(head[1]);
  const auto revision = number<uint64_t>(head[3]);
  if (!generation || !revision || *generation == 0) return {};
  Manifest manifest{*generation, *revision, {}};
  for (Words words = lines.next(); words != Words{"end"}; words = lines.next()) {
    const auto entry = parse_entry(words);
    if (!entry || manifest.entries.size() == link::kMostFds) return {};
    manifest.entries.push_back(*entry);
  }
  if (!lines.at_end()) return {};
  return manifest;
}

Result<HeldSection> load_section(const std::string& folder, const ManifestEntry& entry) {
  const std::string path = fmt::format("{}/{}.section", folder, static_cast<unsigned>(entry.kind));
  auto bytes = read_owned(path, kMostSection);
  if (!bytes) return std::unexpected(bytes.error());
  if (bytes->size() != entry.size) return fail(path, "is not of the size in the manifest");
  auto checksum = check_section(as_bytes(*bytes), entry.kind);
  if (!checksum) return fail(path, checksum.error().text());
  if (*checksum != entry.checksum) return fail(path, "is not the one in the manifest");
  auto fd = make_sealed_memfd(name_of(entry.kind), as_bytes(*bytes));
  if (!fd) return std::unexpected(fd.error());
  return HeldSection{entry.kind, entry.checksum, std::move(*fd)};
}

Result<HeldSnapshot> load_generation(const std::string& generations, uint64_t generation) {
  const std::string folder = generations + "/" + std::to_string(generation);
  auto text = read_owned(folder + "/manifest", kMostText);
  if (!text) return std::unexpected(text.error());
  const auto manifest = parse_manifest(*text);
  if (!manifest || manifest->generation != generation) {
    return fail(folder + "/manifest", "is damaged");
  }
  HeldSnapshot snapshot{generation, manifest->revision, {}};
  for (const ManifestEntry& entry : manifest->entries) {
    auto section = load_section(folder, entry);
    if (!section) return std::unexpected(section.error());
    snapshot.sections.push_back(std::move(*section));
  }
  return snapshot;
}

// Newest first.
std::vector<uint64_t> list_generations(const std::string& folder) {
  std::vector<uint64_t> out;
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(folder.c_str()), ::closedir);
  if (!dir) return out;
  while (const dirent* entry = ::readdir(dir.get())) {
    const auto generation = number<uint64_t>(entry->d_name);
    if (generation && *generation != 0) out.push_back(*generation);
  }
  std::ranges::sort(out, std::greater<>());
  return out;
}

}  // namespace

int HeldSnapshot::find(Kind kind) const {
  const auto it = std::ranges::find(sections, kind, &HeldSection::kind);
  return it == sections.end() ? -1 : it->fd.get();
}

bool HeldSnapshot::same_as(const HeldSnapshot& other) const {
  return generation == other.generation && revision == other.revision &&
         std::ranges::equal(sections, other.sections, [](const auto& a, const auto& b) {
           return a.kind == b.kind && a.checksum == b.checksum;
         });
}

Result<HeldSnapshot> take_offer(const link::SnapshotOffer& offer, std::vector<Fd>& fds) {
  const std::string where = "generation " + std::to_string(offer.generation);
  if (offer.generation == 0) return fail(where, "is no generation");
  if (fds.size() != offer.sections.size()) {
    return fail(where, fmt::format("{} sections came with {} descriptors", offer.sections.size(),
                                   fds.size()));
  }
  HeldSnapshot snapshot{offer.generation, offer.revision, {}};
  for (size_t i = 0; i < fds.size(); ++i) {
    const link::SectionRef& ref = offer.sections[i];
    const std::string part = where + ", " + name_of(ref.kind);
    if (snapshot.find(ref.kind) >= 0) return fail(part, "is there twice");
    if (!is_sealed(fds[i].get())) return fail(part, "its memory is not sealed");
    auto mapping = Mapping::read_only(fds[i].get());
    if (!mapping) return std::unexpected(mapping.error());
    auto checksum = check_section(mapping->bytes(), ref.kind);
    if (!checksum) return fail(part, checksum.error().text());
    if (*checksum != std::array{ref.checksum[0], ref.checksum[1]}) {
      return fail(part, "its checksum is not the one announced");
    }
    snapshot.sections.push_back({ref.kind, *checksum, std::move(fds[i])});
  }
  return snapshot;
}

Offer make_offer(const HeldSnapshot& snapshot, std::span<const Kind> kinds) {
  Offer offer;
  offer.message.generation = snapshot.generation;
  offer.message.revision = snapshot.revision;
  for (const HeldSection& section : snapshot.sections) {
    if (std::ranges::find(kinds, section.kind) == kinds.end()) continue;
    offer.message.sections.push_back({section.kind, {section.checksum[0], section.checksum[1]}});
    offer.fds.push_back(section.fd.get());
  }
  return offer;
}

Result<HeldSnapshot> load_last_good(const std::string& control_folder) {
  const std::string folder = control_folder + "/generations";
  std::vector<uint64_t> candidates = list_generations(folder);
  if (auto text = read_owned(folder + "/current", kMostText)) {
    const auto current = number<uint64_t>(std::string_view(*text).substr(0, text->find('\n')));
    if (!current) log::error("snapshot", "{}/current is damaged", folder);
    // Newer ones were stored, never published: of those the older is the safer.
    const auto it = std::ranges::find(candidates, current.value_or(0));
    if (it != candidates.end()) std::rotate(candidates.begin(), it, candidates.end());
  } else if (candidates.empty()) {
    return HeldSnapshot{};
  }
  for (const uint64_t generation : candidates) {
    auto snapshot = load_generation(folder, generation);
    if (snapshot) return snapshot;
    log::error("snapshot", "generation {} cannot be used: {}", generation, snapshot.error().text());
  }
  return fail(folder, "no stored generation is whole",
              "control compiles a new one from its database; or restore a backup");
}

}  // namespace fedge::init
