// The processes and the links between them: one table (DESIGN: processes and links are one
// table; identity comes from the link, never from the message).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "firmware/snapshot/layout.h"

namespace fedge::link {

enum class Process : uint8_t { init, control, fastpath, signal, agent, front };
inline constexpr int kProcessCount = 6;
constexpr bool is_valid(Process p) { return static_cast<int>(p) < kProcessCount; }

// Which namespace a process lives in (DESIGN 1): of the appliance NAME, or the machine's.
enum class Namespace : uint8_t { machine, wire, punt };

struct ProcessSpec {
  Process process;
  std::string_view name;  // "control"; the program is fedge-<name>
  uint32_t uid;           // after start; 0 stays root. gid is the same number.
  Namespace lives_in;
  bool drops_itself;  // starts as root to open ports and drops to `uid` by itself
  bool forwarder;     // runs snapshots and answers with what it runs
  std::span<const snapshot::Kind> sections;  // what of a snapshot it is given
};

const ProcessSpec& spec(Process process);
std::string_view name(Process process);

enum class MessageKind : uint16_t;

// One direction of one link and what may travel on it.
struct LinkSpec {
  Process from;
  Process to;
  std::span<const MessageKind> kinds;
};

// Every link has init at one end, or is one of: agent-control, signal-fastpath, signal-control,
// control-fastpath, front-fastpath.
bool linked(Process a, Process b);
bool may_send(Process from, Process to, MessageKind kind);

// The descriptor on which a started process finds its link to init.
inline constexpr int kInitLinkFd = 3;

}  // namespace fedge::link
