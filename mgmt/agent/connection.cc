#include "mgmt/agent/connection.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "firmware/http/response.h"

namespace fedge::agent {

namespace {

// Used within one call only, by the one thread there is.
std::array<std::byte, 32 * 1024> cipher_buffer;
std::array<std::byte, 32 * 1024> plain_buffer;

}  // namespace

Connection::Connection(Loop& loop, Owner& owner, uint64_t id, Fd socket, Endpoint remote,
                       std::unique_ptr<pki::TlsStream> tls, const http::Limits& limits,
                       const Patience& patience)
    : loop_(loop),
      owner_(owner),
      id_(id),
      socket_(std::move(socket)),
      remote_(remote),
      tls_(std::move(tls)),
      parser_(limits),
      patience_(patience) {
  (void)loop_.watch(socket_.get(), EPOLLIN | EPOLLRDHUP, *this);
  loop_.timers().set(*this, loop_.now() + patience_.handshake);
}

Connection::~Connection() {
  if (!ended_) loop_.unwatch(socket_.get(), *this);
}

void Connection::end() {
  if (ended_) return;
  ended_ = true;
  cancel();
  loop_.unwatch(socket_.get(), *this);
  owner_.on_end(*this);
}

void Connection::on_timer(Instant) {
  if (!open_ || busy_ || closing_ || !parser_.in_request()) {
    if (busy_) owner_.on_bad_request(504);
    return end();
  }
  owner_.on_bad_request(408);
  send(error_reply(408, "request", "it did not arrive whole in time", "send it again, faster"),
       false);
}

void Connection::on_ready(uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !flush()) return;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end();
  // While a request is with the owner nothing is read: the client's hang-up is all that counts.
  if (busy_ || closing_) {
    if ((events & EPOLLRDHUP) != 0) end();
    return;
  }
  if ((events & (EPOLLIN | EPOLLRDHUP)) != 0) receive();
}

void Connection::append(Bytes ciphertext) { output_.append(as_text(ciphertext)); }

// False when the connection is over (and perhaps gone).
bool Connection::receive() {
  const ssize_t n = ::recv(socket_.get(), cipher_buffer.data(), cipher_buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
  if (n <= 0) return end(), false;
  Bytes cipher(cipher_buffer.data(), static_cast<size_t>(n));
  for (;;) {
    const auto progress = tls_->receive(cipher, plain_buffer, *this);
    cipher = cipher.subspan(progress.consumed);
    if (!open_ && progress.state == pki::TlsState::open) {
      open_ = true;
      owner_.on_handshake(true, {});
      wait_for_next();
    }
    if (progress.produced != 0 && !take_plain({plain_buffer.data(), progress.produced})) {
      return false;
    }
    if (progress.state == pki::TlsState::failed || progress.state == pki::TlsState::closed) {
      if (!open_) owner_.on_handshake(false, tls_->failure());
      if (busy_) return end(), false;
      closing_ = true;
      break;
    }
    if (cipher.empty() && progress.produced < plain_buffer.size()) break;
  }
  return flush();
}

// Octets of requests. What arrives behind a request that is being answered waits in the parser:
// at most what one receive() brought, since nothing is read meanwhile.
bool Connection::take_plain(Bytes plain) {
  if (closing_) return true;
  const bool began = !parser_.in_request();
  const bool had_header = parser_.headers_done();
  if (busy_) {
    if (parser_.buffered() > cipher_buffer.size() * 2) return end(), false;
    parser_.hold(plain);
    return true;
  }
  const auto progress = parser_.feed(plain);
  if (progress == http::Progress::need_more || progress == http::Progress::need_continue) {
    if (began) loop_.timers().set(*this, loop_.now() + patience_.header);
    if (!had_header && parser_.headers_done()) {
      loop_.timers().set(*this, loop_.now() + patience_.body);
    }
  }
  return advance(progress);
}

bool Connection::advance(http::Progress progress) {
  switch (progress) {
    case http::Progress::need_more:
      return true;
    case http::Progress::need_continue:
      (void)tls_->send(as_bytes(http::continue_response()), *this);
      return true;
    case http::Progress::bad:
      owner_.on_bad_request(parser_.status());
      send(error_reply(parser_.status(), "request", parser_.reason(),
                       "see GET /v1/openapi.json for what can be asked"),
           false);
      return true;
    case http::Progress::complete:
      break;
  }
  http::Request request = parser_.take();
  busy_ = true;
  keep_alive_ = request.keep_alive;
  head_ = request.method == "HEAD";
  if (head_) request.method = "GET";
  loop_.timers().set(*this, loop_.now() + patience_.answer);
  owner_.on_request(*this, std::move(request));
  return true;
}

void Connection::reply(const Reply& reply) {
  if (!busy_ || ended_) return;
  busy_ = false;
  send(reply, keep_alive_);
  if (closing_) return (void)flush();
  wait_for_next();
  // A pipelined request may have waited; its reply comes back here.
  if (parser_.in_request() && !advance(parser_.feed({}))) return;
  flush();
}

void Connection::send(const Reply& reply, bool keep_alive) {
  http::Response response;
  response.status = reply.status;
  response.content_type = reply.content_type;
  response.etag = reply.etag;
  response.location = reply.location;
  response.allow = reply.allow;
  response.retry_after_s = reply.retry_after_s;
  response.keep_alive = keep_alive;
  response.head = head_;
  response.body = reply.body;
  if (!tls_->send(as_bytes(http::serialize(response)), *this)) keep_alive = false;
  if (!keep_alive) {
    tls_->close_notify(*this);
    closing_ = true;
    loop_.timers().set(*this, loop_.now() + patience_.write);
  }
}

void Connection::close_soon() {
  keep_alive_ = false;
  if (!busy_ && output_.empty()) end();
}

void Connection::wait_for_next() { loop_.timers().set(*this, loop_.now() + patience_.idle); }

bool Connection::flush() {
  while (sent_ < output_.size()) {
    const ssize_t n = ::send(socket_.get(), output_.data() + sent_, output_.size() - sent_,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      loop_.change(socket_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP, *this);
      if (!busy_) loop_.timers().set(*this, loop_.now() + patience_.write);
      return true;
    }
    if (n < 0) return end(), false;
    sent_ += static_cast<size_t>(n);
  }
  output_.clear();
  sent_ = 0;
  if (closing_) return end(), false;
  // While busy only the hang-up is of interest, or epoll would report unread octets for ever.
  loop_.change(socket_.get(), busy_ ? EPOLLRDHUP : EPOLLIN | EPOLLRDHUP, *this);
  return true;
}

}  // namespace fedge::agent
