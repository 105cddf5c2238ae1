// What fedge-init needs of the box it runs on. Only init and the console use it; a board is one
// implementation of this and a page that describes the box.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/fd.h"

namespace fedge::board {

struct Identity {
  std::string board;   // "host"
  std::string model;   // as the maker calls it; empty when unknown
  std::string serial;  // empty when unknown
};

// One port that the fast path takes. `name` is what topologies call the device; `interface` is
// the kernel's name of it, or a PCI address ("0000:03:00.0") that is bound to vfio-pci.
struct Port {
  std::string name;
  std::string interface;
  std::array<uint8_t, 6> mac{};  // of a PCI port, which has no interface to ask
  bool is_pci() const { return interface.find(':') != std::string::npos; }
};

class Hal {
 public:
  virtual ~Hal() = default;
  virtual Identity identity() const = 0;
  virtual std::vector<Port> ports() const = 0;
  // The 32-octet key that seals a process's private keys at rest, as a sealed memfd. Made at
  // first use; the same from then on.
  virtual Result<Fd> sealing_key(std::string_view process) = 0;
  // Resets the hardware watchdog. Nothing happens on a box that has none.
  virtual void pet_watchdog() = 0;
  // True when there is one: pet_watchdog() must then be called at least every 5 seconds.
  virtual bool has_watchdog() const = 0;
};

}  // namespace fedge::board
