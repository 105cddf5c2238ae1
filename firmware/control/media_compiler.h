// The media section: relay ports, rules about peers, quotas, token keys. Internal to the compiler.
#pragma once

#include <string>

#include "firmware/control/compiler.h"
#include "firmware/control/route_compiler.h"

namespace fedge::control {

Result<std::string> compile_media(const topology::Topology& topology, const NameIndex& index,
                                  const CertificateSource& certificates, WallTime now);

}  // namespace fedge::control
