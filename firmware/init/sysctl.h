// Settings of the kernel's network stack, in the calling thread's network namespace.
#pragma once

#include <span>
#include <string>

#include "firmware/base/result.h"

namespace fedge::init {

struct Setting {
  const char* name;  // below /proc/sys/net, with slashes: "ipv4/ip_forward"
  const char* value;
  bool required = true;  // a kernel without it is refused
};

Status write_sysctl(const std::string& name, const std::string& value);
// All of them; what is not required and not there is logged and passed over.
Status write_settings(std::span<const Setting> settings);

// Of NAME-wire: the kernel behind the ports says nothing at all.
std::span<const Setting> wire_settings();
// Of NAME-punt: a host on each realm, never a router, with the port ranges of the classifier.
std::span<const Setting> punt_settings();

}  // namespace fedge::init
