#include "firmware/snapshot/reader.h"

#include <cstring>

#include "firmware/snapshot/checker.h"
#include "firmware/snapshot/checksum.h"

namespace fedge::snapshot {
namespace {

constexpr std::string_view kRemedy = "publish again, or roll back to a revision that works";

std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::appliance:
      return "appliance section";
    case Kind::realms:
      return "realms section";
    case Kind::listeners:
      return "listeners section";
    case Kind::tls:
      return "tls section";
    case Kind::routing:
      return "routing section";
    case Kind::signalling:
      return "signalling section";
    case Kind::management:
      return "management section";
    case Kind::resolver:
      return "resolver section";
    case Kind::media:
      return "media section";
    case Kind::keys_fastpath:
      return "fast path's key section";
    case Kind::keys_signal:
      return "signal's key section";
    case Kind::keys_agent:
      return "agent's key section";
    case Kind::keys_front:
      return "front's key section";
  }
  return "section of unknown kind";
}

std::unexpected<Error> refuse(Kind kind, std::string what) {
  return fail(std::string(name_of(kind)), std::move(what), std::string(kRemedy));
}

}  // namespace

Status check_envelope(Bytes section, Kind kind) {
  SectionHeader header;
  if (section.size() < sizeof header) return refuse(kind, "is shorter than its header");
  std::memcpy(&header, section.data(), sizeof header);
  if (header.magic != SectionHeader::kMagic) return refuse(kind, "does not begin like a section");
  if (header.format != SectionHeader::kFormat) {
    return refuse(kind, "has format " + std::to_string(header.format) + ", this program reads " +
                            std::to_string(SectionHeader::kFormat));
  }
  if (header.kind != static_cast<uint16_t>(kind)) {
    return refuse(kind, "is of another kind, " + std::to_string(header.kind));
  }
  if (header.size != section.size()) {
    return refuse(kind, "has " + std::to_string(section.size()) + " octets, its header says " +
                            std::to_string(header.size));
  }
  const auto checksum = checksum_of(section);
  if (checksum[0] != header.checksum[0] || checksum[1] != header.checksum[1]) {
    return refuse(kind, "is damaged: its checksum is wrong");
  }
  if (header.reserved != 0) return refuse(kind, "has a header from the future");
  return {};
}

Bytes key_payload(Bytes section) { return section.subspan(sizeof(SectionHeader)); }

template <class Root>
const Root& Section<Root>::root() const {
  SectionHeader header;
  std::memcpy(&header, bytes_.data(), sizeof header);
  return *reinterpret_cast<const Root*>(bytes_.data() + header.root);
}

template <class Root>
Result<Section<Root>> Section<Root>::open(Bytes bytes) {
  if (auto sound = check_envelope(bytes, Root::kKind); !sound) {
    return std::unexpected(sound.error());
  }
  if (reinterpret_cast<uintptr_t>(bytes.data()) % alignof(std::max_align_t) != 0) {
    return refuse(Root::kKind, "does not begin at an aligned address");
  }
  SectionHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  if (header.root < sizeof header || header.root % alignof(Root) != 0 ||
      header.root > bytes.size() || sizeof(Root) > bytes.size() - header.root) {
    return refuse(Root::kKind, "has its root record outside");
  }
  Section section;
  section.bytes_ = bytes;
  Checker checker(bytes);
  section.root().each(checker);
  std::string reason = checker.reason();
  if (reason.empty()) reason = check_references(section);
  if (!reason.empty()) return refuse(Root::kKind, std::move(reason));
  return section;
}

template <class Root>
Result<Section<Root>> Section<Root>::open(int fd) {
  if (!is_sealed(fd)) return refuse(Root::kKind, "is not sealed against changes");
  auto mapping = Mapping::read_only(fd);
  if (!mapping) return std::unexpected(mapping.error());
  auto section = open(mapping->bytes());
  if (section) section->mapping_ = std::move(*mapping);
  return section;
}

template class Section<Appliance>;
template class Section<Realms>;
template class Section<Listeners>;
template class Section<Tls>;
template class Section<Routing>;
template class Section<Signalling>;
template class Section<Management>;
template class Section<Resolver>;
template class Section<Media>;

}  // namespace fedge::snapshot
