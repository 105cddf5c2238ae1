// TCP sockets of the programs behind the taps: non-blocking, bound to a realm's tap.
#pragma once

#include <sys/types.h>

#include <string>

#include "firmware/base/fd.h"
#include "firmware/base/time.h"
#include "firmware/net/address.h"

namespace fedge {

struct SocketOptions {
  std::string device;  // the realm's tap; empty binds to none
  uint8_t dscp = 0;
  bool shares_port = false;  // with other sockets of this user, a listening one among them
};

// Listening on `endpoint`, whether or not the address is on an interface yet. An IPv6 socket does
// not take IPv4.
Result<Fd> open_listening_socket(const Endpoint& endpoint, const SocketOptions& options);

// On its way from `source` (any port) to `remote`. The connection is there, or refused, when the
// socket becomes writable: see socket_error().
Result<Fd> open_connecting_socket(const IpAddress& source, const Endpoint& remote,
                                  const SocketOptions& options);
// From a port of ours.
Result<Fd> open_connecting_socket(const Endpoint& source, const Endpoint& remote,
                                  const SocketOptions& options);

// What a socket of that address sends from now on; of a listening one also what its connections
// will, those that stand keep their mark.
void mark_socket(int fd, const IpAddress& address, uint8_t dscp);

// Reads what is there, like recv(). `waited` becomes how long the last octet read has been at the
// box (0 when the kernel does not say).
ssize_t receive(int fd, MutableBytes room, Duration& waited);

// Takes SO_ERROR: 0 when the connection stands.
int socket_error(int fd);
Endpoint local_endpoint(int fd);

}  // namespace fedge
