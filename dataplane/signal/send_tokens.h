// Tokens of the messages that wait for a connection to be made: a list per connection out of one
// fixed pool.
#pragma once

#include <vector>

#include "dataplane/signal/connection.h"

namespace fedge::signal {

class SendTokens {
 public:
  explicit SendTokens(uint32_t most);

  bool full() const { return free_ == 0; }
  // The caller has seen that there is room.
  void add(Connection& connection, sip::SendToken token);
  // The oldest token of the connection, 0 when there is none left.
  sip::SendToken take(Connection& connection);
  void clear(Connection& connection);

 private:
  struct Node {
    sip::SendToken token = 0;
    uint32_t next = 0;
  };
  std::vector<Node> nodes_;  // index 0 is unused
  uint32_t free_ = 0;
};

}  // namespace fedge::signal
