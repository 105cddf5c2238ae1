// TLS connections of the load generator: OpenSSL over non-blocking sockets and one epoll.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "tests/bench/load_measure.h"

namespace load {

[[noreturn]] inline void give_up(const std::string& what) {
  fprintf(stderr, "sip_load: %s\n", what.c_str());
  ERR_print_errors_fp(stderr);
  exit(1);
}

struct Files {
  std::string certificate, key, trust;
};

// TLS 1.2, ECDHE with AES-GCM, certificates of both sides checked.
inline SSL_CTX* make_context(const Files& files, bool server) {
  SSL_CTX* context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
  if (SSL_CTX_use_certificate_chain_file(context, files.certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, files.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
      SSL_CTX_load_verify_locations(context, files.trust.c_str(), nullptr) != 1)
    give_up("cannot read the certificate, its key or the trust");
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM");
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>("load"), 4);
  return context;
}

// "192.0.2.1:5061"; a missing port is 0.
inline sockaddr_in address_of(const std::string& text) {
  const size_t colon = text.find(':');
  sockaddr_in address{};
  address.sin_family = AF_INET;
  if (colon != text.npos) address.sin_port = htons(uint16_t(atoi(text.c_str() + colon + 1)));
  if (inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
    give_up("not an address: " + text);
  return address;
}

class Connection;

// Whoever reads what arrives.
class Owner {
 public:
  virtual ~Owner() = default;
  virtual void on_open(Connection&) {}
  // One whole message, head and body.
  virtual void on_message(Connection&, std::string_view message) = 0;
  virtual void on_closed(Connection&, bool was_open) = 0;
};

class Pollable {
 public:
  virtual ~Pollable() = default;
  virtual void on_ready(uint32_t events) = 0;
};

class Connection final : public Pollable {
 public:
  Connection(int poll, int fd, SSL_CTX* context, bool server, Owner& owner)
      : poll_(poll), fd_(fd), tls_(SSL_new(context)), owner_(owner) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    SSL_set_fd(tls_, fd);
    server ? SSL_set_accept_state(tls_) : SSL_set_connect_state(tls_);
    wanted_ = server ? EPOLLIN : EPOLLIN | EPOLLOUT;
    epoll_event event{wanted_, {.ptr = static_cast<Pollable*>(this)}};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
  }
  ~Connection() override {
    SSL_free(tls_);
    close(fd_);
  }
  Connection(const Connection&) = delete;

  bool is_open() const { return open_; }
  bool is_closed() const { return closed_; }
  size_t backlog() const { return out_.size() - sent_; }
  void send(std::string_view text) { out_ += text; }
  // sent_at() is when the socket took the last octet of what stood here at the last mark().
  void mark() { marked_ = out_.size(); }
  uint64_t sent_at() const { return sent_at_; }

  // Writes what send() collected, a TLS record at most 16 kB at a time.
  void flush() {
    while (open_ && sent_ < out_.size()) {
      const int n = SSL_write(tls_, out_.data() + sent_, int(std::min<size_t>(backlog(), 16384)));
      if (n <= 0) return on_stall(n);
      sent_ += size_t(n);
      if (sent_ < marked_ || marked_ == 0) continue;
      marked_ = 0;
      sent_at_ = now_ns();
    }
    out_.clear();
    sent_ = 0;
    want(EPOLLIN);
  }

  void on_ready(uint32_t events) override {
    if (!open_ && !shake_hands()) return;
    if (events & EPOLLOUT) flush();
    while (open_) {
      if (in_.size() < filled_ + 16384) in_.resize(filled_ + 16384);
      const int n = SSL_read(tls_, in_.data() + filled_, 16384);
      if (n <= 0) {
        on_stall(n);
        break;
      }
      filled_ += size_t(n);
      cut_messages();
    }
    if (open_) flush();
    if (filled_ == 0 && in_.size() > 65536) std::string().swap(in_);
  }

 private:
  bool shake_hands() {
    const int n = SSL_do_handshake(tls_);
    if (n != 1) {
      on_stall(n);
      return false;
    }
    open_ = true;
    want(EPOLLIN);
    owner_.on_open(*this);
    return true;
  }

  void on_stall(int result) {
    const int error = SSL_get_error(tls_, result);
    if (error == SSL_ERROR_WANT_READ) return want(EPOLLIN);
    if (error == SSL_ERROR_WANT_WRITE) return want(EPOLLIN | EPOLLOUT);
    if (!open_) {
      fprintf(stderr, "sip_load: handshake failed\n");
      ERR_print_errors_fp(stderr);
    }
    ERR_clear_error();
    epoll_ctl(poll_, EPOLL_CTL_DEL, fd_, nullptr);
    closed_ = true;
    const bool was_open = std::exchange(open_, false);
    owner_.on_closed(*this, was_open);
  }

  void want(uint32_t events) {
    if (events == wanted_ || closed_) return;
    wanted_ = events;
    epoll_event event{events, {.ptr = static_cast<Pollable*>(this)}};
    epoll_ctl(poll_, EPOLL_CTL_MOD, fd_, &event);
  }

  static size_t length_of_body(std::string_view head) {
    for (const std::string_view name : {"\r\nContent-Length:", "\r\nl:"}) {
      const size_t at = head.find(name);
      if (at != head.npos) return size_t(atol(head.data() + at + name.size()));
    }
    return 0;
  }

  void cut_messages() {
    std::string_view rest(in_.data(), filled_);
    while (!rest.empty()) {
      if (rest.front() == '\r' || rest.front() == '\n') {
        rest.remove_prefix(1);
        continue;
      }
      const size_t end = rest.find("\r\n\r\n");
      if (end == rest.npos) break;
      const size_t size = end + 4 + length_of_body(rest.substr(0, end + 2));
      if (size > rest.size()) break;
      owner_.on_message(*this, rest.substr(0, size));
      rest.remove_prefix(size);
    }
    std::memmove(in_.data(), rest.data(), rest.size());
    filled_ = rest.size();
  }

  int poll_;
  int fd_;
  SSL* tls_;
  Owner& owner_;
  uint32_t wanted_ = 0;
  bool open_ = false;
  bool closed_ = false;
  std::string in_;
  size_t filled_ = 0;
  std::string out_;
  size_t sent_ = 0;
  size_t marked_ = 0;
  uint64_t sent_at_ = 0;
};

}  // namespace load
