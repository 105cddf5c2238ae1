// From plain octets of a connection to whole messages. All connections read into one shared
// buffer; what a read leaves incomplete is kept per connection, in buffers of two sizes, so that
// an idle connection holds none and a slow large message is copied once.
#pragma once

#include <vector>

#include "dataplane/signal/connection.h"
#include "firmware/wire/sip/message.h"

namespace fedge::signal {

class MessageEvents {
 public:
  virtual ~MessageEvents() = default;
  virtual void on_message(Connection& connection, const sip::Message& message) = 0;
  // A message that cannot be taken; the stream may go on unless the reader says `broken`.
  virtual void on_malformed(Connection& connection, const sip::Message& message,
                            sip::Defect defect) = 0;
  virtual void on_ping(Connection& connection) = 0;
  // Who hears of requests while they are parsed.
  virtual sip::ParseEvents* parse_events() { return nullptr; }
};

class MessageReader {
 public:
  // `memory` bounds the octets of large incomplete messages. Takes none before allow().
  explicit MessageReader(size_t memory);
  // Between two messages: how long one may be. There are two small buffers for a connection.
  void allow(uint32_t most_message, uint32_t most_connections);

  enum class Verdict : uint8_t {
    ok,
    broken,     // no telling where the next message starts: close
    no_memory,  // the buffers for incomplete messages are used up: close
  };

  // Where the next plain octets of this connection go; never empty.
  MutableBytes room(Connection& connection);
  // `n` octets were put there. Hands out every whole message.
  Verdict take(Connection& connection, size_t n, Instant now, MessageEvents& events);
  // Forgets what is incomplete; before a connection goes.
  void release(Connection& connection);

  uint32_t most_message() const { return most_message_; }
  uint32_t partials() const { return small_.in_use() + large_.in_use(); }

 private:
  // Consumes whole frames from the front of `text`.
  Verdict frame(Connection& connection, std::string_view& text, MessageEvents& events);
  bool keep(Connection& connection, std::string_view rest);

  size_t memory_;
  uint32_t most_message_ = 0;
  BufferPool small_;
  BufferPool large_;
  std::vector<std::byte> shared_;
  sip::Message message_;
};

}  // namespace fedge::signal
