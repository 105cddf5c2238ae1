#include "firmware/snapshot/writer.h"

#include <cstdlib>
#include <cstring>
#include <limits>

#include "firmware/snapshot/checksum.h"

namespace fedge::snapshot {

Writer::Writer(Kind kind) {
  SectionHeader header{};
  header.magic = SectionHeader::kMagic;
  header.format = SectionHeader::kFormat;
  header.kind = static_cast<uint16_t>(kind);
  out_.assign(reinterpret_cast<const char*>(&header), sizeof header);
}

Text Writer::text(std::string_view value) {
  if (value.empty()) return {};
  if (2 * (text_count_ + 1) > texts_.size()) grow_texts();
  const uint64_t hash = hash_of(value);
  const size_t mask = texts_.size() - 1;
  size_t i = hash & mask;
  for (; texts_[i].second.size != 0; i = (i + 1) & mask) {
    const auto& [other, known] = texts_[i];
    if (other == hash && std::string_view(out_).substr(known.at, known.size) == value) return known;
  }
  const Text text{append(value.data(), value.size(), 1), static_cast<uint32_t>(value.size())};
  texts_[i] = {hash, text};
  ++text_count_;
  return text;
}

void Writer::grow_texts() {
  const auto old = std::move(texts_);
  texts_.assign(old.empty() ? 64 : 2 * old.size(), {});
  const size_t mask = texts_.size() - 1;
  for (const auto& entry : old) {
    if (entry.second.size == 0) continue;
    size_t i = entry.first & mask;
    while (texts_[i].second.size != 0) i = (i + 1) & mask;
    texts_[i] = entry;
  }
}

uint32_t Writer::append(const void* data, size_t size, size_t alignment) {
  const size_t at = (out_.size() + alignment - 1) / alignment * alignment;
  if (at + size > std::numeric_limits<uint32_t>::max()) std::abort();
  out_.resize(at, '\0');
  out_.append(static_cast<const char*>(data), size);
  return static_cast<uint32_t>(at);
}

std::string Writer::seal(uint32_t root) {
  SectionHeader header;
  std::memcpy(&header, out_.data(), sizeof header);
  header.size = out_.size();
  header.root = root;
  std::memcpy(out_.data(), &header, sizeof header);
  const auto checksum = checksum_of(as_bytes(out_));
  std::memcpy(header.checksum, checksum.data(), sizeof header.checksum);
  std::memcpy(out_.data(), &header, sizeof header);
  texts_.clear();
  text_count_ = 0;
  return std::move(out_);
}

std::string wrap_keys(Kind kind, Bytes sealed_payload) {
  SectionHeader header{};
  header.magic = SectionHeader::kMagic;
  header.format = SectionHeader::kFormat;
  header.kind = static_cast<uint16_t>(kind);
  header.size = sizeof header + sealed_payload.size();
  std::string out(reinterpret_cast<const char*>(&header), sizeof header);
  out.append(as_text(sealed_payload));
  const auto checksum = checksum_of(as_bytes(out));
  std::memcpy(out.data() + offsetof(SectionHeader, checksum), checksum.data(),
              sizeof header.checksum);
  return out;
}

}  // namespace fedge::snapshot
