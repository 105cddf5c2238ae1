// The listening sockets of the management interface, in the machine's namespace. Init opens them,
// agent serves them, a restarted agent is given the same ones again.
#pragma once

#include <functional>
#include <map>
#include <span>

#include "firmware/base/fd.h"
#include "firmware/net/address.h"

namespace fedge::init {

class ManagementSockets {
 public:
  // Opens what is new; all of it or, with an error, nothing.
  Status open(std::span<const Endpoint> endpoints);
  // Closes what is not wanted any more, for agent as well.
  void close_others(std::span<const Endpoint> endpoints);
  void tell_all(const std::function<void(const Endpoint&, int fd)>& each) const;

 private:
  std::map<Endpoint, Fd> sockets_;
};

}  // namespace fedge::init
