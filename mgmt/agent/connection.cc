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
      patience_(patience),
      interest_(EPOLLIN | EPOLLRDHUP) {
  (void)loop_.watch(socket_.get(), interest_, *this);
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

Duration Connection::limit_of(Phase phase) const {
  switch (phase) {
    case Phase::handshake:
      return patience_.handshake;
    case Phase::idle:
      return patience_.idle;
    case Phase::header:
      return patience_.header;
    case Phase::body:
      return patience_.body;
    case Phase::head:
    case Phase::answer:
      return patience_.answer;
    case Phase::write:
      return patience_.write;
    case Phase::linger:
      return patience_.linger;
  }
  return patience_.idle;
}

// A limit runs from the beginning of its phase: octets that trickle in do not prolong it.
void Connection::enter(Phase phase) {
  if (phase == phase_) return;
  phase_ = phase;
  loop_.timers().set(*this, loop_.now() + limit_of(phase));
}

void Connection::update_interest() {
  if (ended_) return;
  uint32_t wanted = EPOLLIN | EPOLLRDHUP;
  if (!waits_for_client()) wanted = EPOLLRDHUP;
  if (phase_ == Phase::write) wanted = EPOLLOUT;
  if (phase_ == Phase::linger) wanted = EPOLLIN;
  if (wanted == interest_) return;
  interest_ = wanted;
  loop_.change(socket_.get(), wanted, *this);
}

void Connection::on_timer(Instant) {
  if (phase_ == Phase::header || phase_ == Phase::body) {
    owner_.on_bad_request(408);
    send(error_reply(408, "request", "it did not arrive whole in time", "send it again"), false);
    return pump();
  }
  if (!waits_for_client()) {
    owner_.on_bad_request(504);
    send(error_reply(504, "fedge-control", "it did not answer in time",
                     "look at GET /v1/status before you repeat a change"),
         false);
    return pump();
  }
  end();
}

void Connection::on_ready(uint32_t events) {
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end();
  switch (phase_) {
    case Phase::head:
    case Phase::answer:
      return end();  // it hung up: nobody waits for the answer
    case Phase::write:
      return pump();
    case Phase::linger:
      return discard();
    default:
      return receive();
  }
}

void Connection::append(Bytes ciphertext) { output_.append(as_text(ciphertext)); }

void Connection::receive() {
  const ssize_t n = ::recv(socket_.get(), cipher_buffer.data(), cipher_buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) return end();
  decrypt({cipher_buffer.data(), static_cast<size_t>(n)});
  if (tls_->state() == pki::TlsState::failed || tls_->state() == pki::TlsState::closed) {
    tls_->close_notify(*this);
    (void)flush();  // an alert, at best
    return end();
  }
  pump();
}

// All of what one read brought goes to the parser, which keeps what belongs to later requests.
void Connection::decrypt(Bytes cipher) {
  for (;;) {
    const auto progress = tls_->receive(cipher, plain_buffer, *this);
    cipher = cipher.subspan(progress.consumed);
    if (phase_ == Phase::handshake && progress.state != pki::TlsState::handshaking) {
      owner_.on_handshake(progress.state == pki::TlsState::open, tls_->failure());
      enter(Phase::idle);
    }
    parser_.hold({plain_buffer.data(), progress.produced});
    if (cipher.empty() && progress.produced < plain_buffer.size()) return;
  }
}

void Connection::discard() {
  const ssize_t n = ::recv(socket_.get(), cipher_buffer.data(), cipher_buffer.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) end();
}

// Goes on as far as it can: writes what there is to write, then takes the next request.
void Connection::pump() {
  pumping_ = true;
  bool more = true;
  while (more && flush()) {
    const bool reads = phase_ == Phase::idle || phase_ == Phase::header || phase_ == Phase::body;
    more = reads && next_request();
  }
  pumping_ = false;
  update_interest();
}

// False when more must arrive first.
bool Connection::next_request() {
  const auto progress = parser_.feed({});
  if (progress == http::Progress::bad) {
    owner_.on_bad_request(parser_.status());
    send(error_reply(parser_.status(), "request", parser_.reason(),
                     "see GET /v1/openapi.json for what can be asked"),
         false);
    return true;
  }
  if (progress == http::Progress::complete) {
    http::Request request = parser_.take();
    may_come_ = false;
    keep_alive_ = keep_alive_ && request.keep_alive;
    head_ = request.method == "HEAD";
    if (head_) request.method = "GET";
    enter(Phase::answer);
    owner_.on_request(*this, std::move(request));
    return true;
  }
  if (parser_.headers_done() && !may_come_) return announce(progress);
  const Phase part = parser_.headers_done() ? Phase::body : Phase::header;
  enter(parser_.in_request() ? part : Phase::idle);
  if (phase_ == Phase::body) owner_.on_body();
  return phase_ == Phase::write;  // given up
}

// Whoever may not ask this costs no more than the header fields.
bool Connection::announce(http::Progress progress) {
  expects_continue_ = progress == http::Progress::need_continue;
  http::Request head = parser_.head();
  head_ = head.method == "HEAD";
  if (head_) head.method = "GET";
  enter(Phase::head);
  owner_.on_head(*this, head);
  return phase_ != Phase::head && !ended_;
}

void Connection::admit_body() {
  may_come_ = true;
  enter(Phase::body);
  if (expects_continue_) (void)tls_->send(as_bytes(http::continue_response()), *this);
  if (!pumping_) pump();
}

void Connection::reply(const Reply& reply) {
  if (phase_ == Phase::head && !ended_) {
    if (reply.status == 100) return admit_body();
    owner_.on_bad_request(reply.status);
    return give_up(reply);
  }
  if (phase_ != Phase::answer || ended_) return;
  send(reply, keep_alive_);
  if (!pumping_) pump();
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
  last_ = !keep_alive;
  if (!tls_->send(as_bytes(http::serialize(response)), *this)) last_ = true;
  if (last_) tls_->close_notify(*this);
  head_ = false;
  enter(Phase::write);
}

void Connection::give_up(const Reply& reply) {
  (void)parser_.take();
  send(reply, false);
  if (!pumping_) pump();
}

void Connection::close_soon() {
  keep_alive_ = false;
  if (idle() || phase_ == Phase::handshake) end();
}

// False when it must wait for the socket, or the connection is over.
bool Connection::flush() {
  while (sent_ < output_.size()) {
    const ssize_t n = ::send(socket_.get(), output_.data() + sent_, output_.size() - sent_,
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      if (phase_ == Phase::handshake) return end(), false;  // it does not take even that
      enter(Phase::write);
      return false;
    }
    if (n < 0) return end(), false;
    sent_ += static_cast<size_t>(n);
  }
  output_.clear();
  sent_ = 0;
  if (phase_ != Phase::write) return true;
  if (!last_ && keep_alive_) {
    enter(Phase::idle);
    return true;
  }
  // Closing with octets unread would reset the connection and take the answer with it.
  ::shutdown(socket_.get(), SHUT_WR);
  enter(Phase::linger);
  return true;
}

}  // namespace fedge::agent
