// The door of the process: the listening sockets, and how many may come in. Whom it lets in goes
// to a worker, and the workers tell it who has left. One thread, the process's own.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dataplane/signal/visitor.h"
#include "firmware/base/counters.h"
#include "firmware/net/listening_sockets.h"
#include "firmware/net/source_table.h"

namespace fedge::signal {

class Door {
 public:
  using LetIn = std::function<void(Visitor visitor)>;
  // Has somebody thrown out who says nothing; false when everybody has said something.
  using MakeRoom = std::function<bool()>;

  // `limits`: those of the first generation size the table of sources.
  Door(Loop& loop, Counters& counters, const snapshot::Signalling& limits, LetIn let_in,
       MakeRoom make_room, bool use_devices);

  // Opens what `next` listens on. On failure nothing has changed.
  Status prepare(const Generation& next);
  // After prepare(), when every worker runs `next`.
  void commit(std::shared_ptr<const Generation> next);
  void close() { listeners_.close_all(); }

  // Of somebody it let in: the connection is over.
  void on_left(const Admission& admission);

 private:
  void on_accept(Fd socket, const Endpoint& remote, uint16_t listener);
  uint16_t number_of(std::string_view realm);

  Counters& counters_;
  LetIn let_in_;
  MakeRoom make_room_;
  SourceTable sources_;
  ListeningSockets listeners_;
  std::shared_ptr<const Generation> generation_;
  std::vector<std::string> realms_;      // ever seen; their place is the door's number of them
  std::vector<uint16_t> realm_numbers_;  // by index into the generation in use
  uint32_t accepted_ = 0;                // open or in handshake
  // Series.
  uint32_t accepted_total_, refused_connections_, refused_source_;
};

}  // namespace fedge::signal
