// What a process gives up once it has started: root, capabilities, dumps, and every system call
// that its work does not need.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "firmware/base/result.h"

namespace fedge {

// One allow-list of system calls per process. All of them: files, memory, threads, descriptors
// that are already open. None: ptrace, mount, namespaces, modules, keys, new privileges.
enum class Profile : uint8_t {
  control,   // also: writes files, starts programs (which stay in this sandbox); Unix sockets only
  fastpath,  // also: device ioctls, locked memory; sockets of its own ports and netlink
  signal,    // also: IPv4 and IPv6 sockets; files read-only, no executable memory
  front,     // the same
  agent,     // only sockets that it was given; files read-only, no executable memory
};

// From root to `uid` and `gid`, without supplementary groups or capabilities, never back. The
// death of the parent kills again afterwards (a change of user clears that). For all threads.
Status drop_privileges(uid_t uid, gid_t gid);

// SIGKILL when the thread that started this process ends, or at once when it is not `parent`
// any more.
Status die_with_parent(pid_t parent);

// Enters the sandbox for all threads, for good: undumpable, no core file, no new privileges, and
// the profile's system calls. What nobody here has a reason to call (execve, ptrace, mount, …)
// kills the process and the kernel logs it; the rest fails with EPERM. Call it when everything
// that needs more is open.
Status enter_sandbox(Profile profile);

}  // namespace fedge
