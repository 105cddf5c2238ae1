// The key section of a snapshot: one process's private keys, sealed for it by control.
#pragma once

#include <string_view>
#include <vector>

#include "firmware/pki/seal.h"
#include "firmware/snapshot/layout.h"

namespace fedge::pki {

// The purpose under which the keys of such a section are sealed.
std::string_view purpose_of(snapshot::Kind kind);

// Maps, checks and unseals the section. None without a descriptor (-1): the process has no keys.
Result<std::vector<PrivateKey>> open_keys(int fd, snapshot::Kind kind, const Secret& sealing_key);

}  // namespace fedge::pki
