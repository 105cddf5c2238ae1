// An accepted connection on its way to a worker: from the door to the one that does its handshake,
// and from there, once its peer is known, to the one that peer belongs to. What was read already
// and what waits to be sent goes with it.
#pragma once

#include <memory>
#include <vector>

#include "dataplane/signal/connection.h"
#include "dataplane/signal/generation.h"

namespace fedge::signal {

struct Visitor {
  Fd socket;
  snapshot::Transport transport = snapshot::Transport::tls;
  std::shared_ptr<const Generation> generation;  // of which the two are indices
  uint16_t realm = snapshot::kNone16;
  uint16_t listener = snapshot::kNone16;
  Endpoint local;
  Endpoint remote;
  Admission admission;

  // Of one whose handshake is over:
  bool is_open = false;
  std::unique_ptr<pki::TlsStream> tls;  // none over plain TCP
  std::vector<std::byte> plain;         // decrypted, not looked at
  std::vector<std::byte> cipher;        // received, not decrypted
  std::vector<std::byte> unsent;        // ciphertext that the socket did not take
};

}  // namespace fedge::signal
