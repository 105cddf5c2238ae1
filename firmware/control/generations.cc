#include "firmware/control/generations.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>

#include "firmware/snapshot/reader.h"

namespace fedge::control {

namespace {

constexpr std::string_view kFirstLine = "fedge-generation 1";
constexpr size_t kMostSectionBytes = 1u << 30;

// Every line of a text, without its end.
std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

bool parse_number(std::string_view text, uint64_t& out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size();
}

std::string_view take_word(std::string_view& line) {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

struct ManifestEntry {
  uint64_t kind = 0;
  std::array<uint64_t, 2> checksum{};
};

struct Manifest {
  uint64_t generation = 0;
  uint64_t revision = 0;
  std::vector<ManifestEntry> entries;
};

bool parse_entry(std::string_view line, ManifestEntry& entry) {
  uint64_t size = 0;
  const std::string_view kind = take_word(line);
  const std::string_view checksum = take_word(line);
  return checksum.size() == 32 && parse_number(kind, entry.kind) && entry.kind <= 0xffff &&
         parse_number(checksum.substr(0, 16), entry.checksum[0], 16) &&
         parse_number(checksum.substr(16), entry.checksum[1], 16) && parse_number(line, size);
}

bool parse_manifest(std::string_view text, Manifest& manifest) {
  const auto lines = lines_of(text);
  if (lines.size() < 3 || lines.front() != kFirstLine || lines.back() != "end") return false;
  std::string_view second = lines[1];
  if (take_word(second) != "generation" || !parse_number(take_word(second), manifest.generation) ||
      take_word(second) != "revision" || !parse_number(second, manifest.revision)) {
    return false;
  }
  for (size_t i = 2; i + 1 < lines.size(); ++i) {
    if (!parse_entry(lines[i], manifest.entries.emplace_back())) return false;
  }
  return true;
}

std::string section_name(snapshot::Kind kind) {
  return fmt::format("{}.section", static_cast<unsigned>(kind));
}

std::string manifest_of(const Generation& generation) {
  std::string text = fmt::format("{}\ngeneration {} revision {}\n", kFirstLine, generation.number,
                                 generation.revision);
  for (const SectionPointer& section : generation.sections) {
    text += fmt::format("{} {:016x}{:016x} {}\n", static_cast<unsigned>(section->kind),
                        section->checksum[0], section->checksum[1], section->mapping.size());
  }
  return text + "end\n";
}

}  // namespace

// Whole only once the folder is flushed: what names it is written later.
Status write_new_file(const std::string& path, Bytes contents, Flush flush) {
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd) return fail_errno(path, "cannot create", "check free space and permissions");
  while (!contents.empty()) {
    const ssize_t n = ::write(fd.get(), contents.data(), contents.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail_errno(path, "cannot write", "check free space and permissions");
    contents = contents.subspan(static_cast<size_t>(n));
  }
  if (flush == Flush::yes && ::fsync(fd.get()) != 0) {
    return fail_errno(path, "cannot flush to disk", "check the disk");
  }
  return {};
}

Result<SectionPointer> hold_section(snapshot::Kind kind, Bytes section) {
  if (auto good = snapshot::check_envelope(section, kind); !good) {
    return std::unexpected(good.error());
  }
  auto held = std::make_shared<HeldSection>();
  held->kind = kind;
  snapshot::SectionHeader header;
  std::memcpy(&header, section.data(), sizeof header);
  held->checksum = {header.checksum[0], header.checksum[1]};
  auto fd = make_sealed_memfd(fmt::format("section-{}", static_cast<unsigned>(kind)), section);
  if (!fd) return std::unexpected(fd.error());
  auto mapping = Mapping::read_only(fd->get());
  if (!mapping) return std::unexpected(mapping.error());
  held->fd = std::move(*fd);
  held->mapping = std::move(*mapping);
  return SectionPointer(std::move(held));
}

SectionPointer Generation::find(snapshot::Kind kind) const {
  const auto found = std::ranges::find(sections, kind, [](const auto& s) { return s->kind; });
  return found == sections.end() ? nullptr : *found;
}

Generations::Generations(std::string folder, store::Fault fault)
    : folder_(std::move(folder)), fault_(std::move(fault)) {}

Result<Generations> Generations::open(const std::string& folder, store::Fault fault) {
  Generations generations(folder + "/generations", std::move(fault));
  if (auto made = make_directories(generations.folder_); !made) {
    return std::unexpected(made.error());
  }
  return generations;
}

std::string Generations::folder_of(uint64_t number) const {
  return fmt::format("{}/{}", folder_, number);
}

std::vector<uint64_t> Generations::numbers() const {
  std::vector<uint64_t> out;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder_, error)) {
    uint64_t number = 0;
    if (parse_number(entry.path().filename().native(), number)) out.push_back(number);
  }
  std::ranges::sort(out);
  return out;
}

Result<uint64_t> Generations::current() const {
  const std::string path = folder_ + "/current";
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return uint64_t{0};
  auto text = read_file(path, 64);
  if (!text) return std::unexpected(text.error());
  const auto lines = lines_of(*text);
  uint64_t number = 0;
  if (lines.size() != 1 || !parse_number(lines[0], number)) {
    return fail(path, "it does not hold a generation's number", "publish again");
  }
  return number;
}

uint64_t Generations::newest() const {
  const auto all = numbers();
  const uint64_t newest = all.empty() ? 0 : all.back();
  return std::max(newest, current().value_or(0));
}

Result<Generation> Generations::load(uint64_t number) const {
  const std::string folder = folder_of(number);
  auto text = read_file(folder + "/manifest", 64 * 1024);
  if (!text) return std::unexpected(text.error());
  Manifest manifest;
  if (!parse_manifest(*text, manifest) || manifest.generation != number) {
    return fail(folder + "/manifest", "it is damaged", "publish again");
  }
  Generation generation{number, manifest.revision, {}};
  for (const ManifestEntry& entry : manifest.entries) {
    const auto kind = static_cast<snapshot::Kind>(entry.kind);
    const std::string path = folder + "/" + section_name(kind);
    auto bytes = read_file(path, kMostSectionBytes);
    if (!bytes) return std::unexpected(bytes.error());
    auto held = hold_section(kind, as_bytes(*bytes));
    if (!held) return fail(path, held.error().what, "publish again");
    if ((*held)->checksum != entry.checksum) {
      return fail(path, "it is not the section of the manifest", "publish again");
    }
    generation.sections.push_back(std::move(*held));
  }
  return generation;
}

Status write_generation(const std::string& folder, const Generation& generation, Flush flush,
                        const store::Fault& fault) {
  for (const SectionPointer& section : generation.sections) {
    const std::string path = folder + "/" + section_name(section->kind);
    if (auto done = write_new_file(path, section->mapping.bytes(), flush); !done) return done;
    store::pass(fault, "section written");
  }
  const std::string manifest = manifest_of(generation);
  if (auto done = write_new_file(folder + "/manifest", as_bytes(manifest), flush); !done) {
    return done;
  }
  return flush == Flush::yes ? sync_directory(folder) : Status();
}

Status Generations::store(const Generation& generation) {
  const std::string folder = folder_of(generation.number);
  if (auto made = make_directories(folder); !made) return made;
  if (auto done = write_generation(folder, generation, Flush::yes, fault_); !done) return done;
  store::pass(fault_, "manifest written");
  if (auto done = sync_directory(folder_); !done) return done;
  store::pass(fault_, "generation stored");
  return {};
}

Status Generations::make_current(uint64_t number) {
  auto done = write_file_durably(folder_ + "/current", as_bytes(fmt::format("{}\n", number)));
  if (done) store::pass(fault_, "generation made current");
  return done;
}

void Generations::keep_only(const std::set<uint64_t>& wanted) {
  for (const uint64_t number : numbers()) {
    if (wanted.contains(number)) continue;
    std::error_code error;
    std::filesystem::remove_all(folder_of(number), error);
  }
}

}  // namespace fedge::control
