#include "firmware/pki/key_section.h"

#include "firmware/base/fd.h"
#include "firmware/snapshot/reader.h"

namespace fedge::pki {

std::string_view purpose_of(snapshot::Kind kind) {
  switch (kind) {
    case snapshot::Kind::keys_signal:
      return "keys-signal";
    case snapshot::Kind::keys_front:
      return "keys-front";
    case snapshot::Kind::keys_fastpath:
      return "keys-fastpath";
    default:
      return "keys-agent";
  }
}

Result<std::vector<PrivateKey>> open_keys(int fd, snapshot::Kind kind, const Secret& sealing_key) {
  if (fd < 0) return std::vector<PrivateKey>{};
  auto mapping = Mapping::read_only(fd);
  if (!mapping) return std::unexpected(mapping.error());
  if (auto ok = snapshot::check_envelope(mapping->bytes(), kind); !ok) {
    return std::unexpected(ok.error());
  }
  auto plain = unseal(sealing_key, purpose_of(kind), snapshot::key_payload(mapping->bytes()));
  if (!plain) return std::unexpected(plain.error());
  return decode_keys(plain->bytes());
}

}  // namespace fedge::pki
