// One end of a link: typed messages with descriptors over SOCK_SEQPACKET, non-blocking, with a
// bounded queue. A message that the table does not allow, or that does not decode, closes the
// link. The other end is known from the table, never from a message.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "firmware/base/loop.h"
#include "firmware/link/codec.h"
#include "firmware/link/messages.h"

namespace fedge::link {

struct Received {
  MessageKind kind;
  std::string_view payload;  // decode with decode<T>(); alive during the callback
  std::vector<Fd>& fds;      // take what the message brought
};

class Channel final : public Watcher {
 public:
  using OnMessage = std::function<void(Received)>;
  // After this the channel is closed and sends nothing; it may be destroyed inside.
  using OnClosed = std::function<void(const std::string& reason)>;

  Channel(Loop& loop, Process self, Process peer, Fd socket);
  ~Channel() override;
  void start(OnMessage on_message, OnClosed on_closed);

  Process peer() const { return peer_; }
  bool open() const { return static_cast<bool>(socket_); }
  // Messages that the other end has not taken yet; 1024 close the link.
  size_t queued() const { return queue_.size(); }

  // Descriptors are duplicated into the message; the caller keeps its own. False when closed or
  // when the queue (1024 messages) is full, which also closes the link.
  template <class M>
  bool send(const M& message, std::span<const int> fds = {}) {
    return send_encoded(M::kKind, encode(message), fds);
  }

 private:
  void on_ready(uint32_t events) override;
  bool send_encoded(MessageKind kind, std::string payload, std::span<const int> fds);
  // False when the link closed: the channel may be gone then.
  bool flush();
  void receive();
  void close(const std::string& reason);

  struct Outgoing {
    std::string datagram;
    std::vector<Fd> fds;
  };
  Loop& loop_;
  Process self_;
  Process peer_;
  Fd socket_;
  OnMessage on_message_;
  OnClosed on_closed_;
  std::deque<Outgoing> queue_;
};

// A connected pair of sockets for a new link.
Result<std::pair<Fd, Fd>> make_link();

}  // namespace fedge::link
