#include "dataplane/signal/send_tokens.h"

namespace fedge::signal {

SendTokens::SendTokens(uint32_t most) : nodes_(size_t{most} + 1) {
  for (uint32_t i = most; i > 0; --i) {
    nodes_[i].next = free_;
    free_ = i;
  }
}

void SendTokens::add(Connection& connection, sip::SendToken token) {
  const uint32_t node = free_;
  free_ = nodes_[node].next;
  nodes_[node] = {.token = token, .next = 0};
  if (connection.tokens_last == 0) {
    connection.tokens_first = node;
  } else {
    nodes_[connection.tokens_last].next = node;
  }
  connection.tokens_last = node;
}

sip::SendToken SendTokens::take(Connection& connection) {
  const uint32_t node = connection.tokens_first;
  if (node == 0) return 0;
  connection.tokens_first = nodes_[node].next;
  if (connection.tokens_first == 0) connection.tokens_last = 0;
  nodes_[node].next = free_;
  free_ = node;
  return nodes_[node].token;
}

void SendTokens::clear(Connection& connection) {
  while (take(connection) != 0) {
  }
}

}  // namespace fedge::signal
