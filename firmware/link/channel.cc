#include "firmware/link/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace fedge::link {

namespace {

constexpr size_t kQueueLimit = 1024;
constexpr size_t kHeaderSize = sizeof(uint16_t);

struct FdBuffer {
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMostFds * sizeof(int))> bytes{};
};

ssize_t send_datagram(int socket, std::string_view datagram, std::span<const int> fds) {
  iovec part{const_cast<char*>(datagram.data()), datagram.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  FdBuffer control;
  if (!fds.empty()) {
    header.msg_control = control.bytes.data();
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(c), fds.data(), fds.size_bytes());
  }
  ssize_t n;
  do n = ::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
  while (n < 0 && errno == EINTR);
  return n;
}

std::vector<Fd> take_fds(msghdr& header) {
  std::vector<Fd> fds;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return fds;
}

}  // namespace

Channel::Channel(Loop& loop, Process self, Process peer, Fd socket)
    : loop_(loop), self_(self), peer_(peer), socket_(std::move(socket)) {}

Channel::~Channel() {
  if (socket_) loop_.unwatch(socket_.get(), *this);
}

void Channel::start(OnMessage on_message, OnClosed on_closed) {
  on_message_ = std::move(on_message);
  on_closed_ = std::move(on_closed);
  if (socket_) (void)loop_.watch(socket_.get(), EPOLLIN, *this);
}

bool Channel::send_encoded(MessageKind kind, std::string payload, std::span<const int> fds) {
  if (!socket_) return false;
  if (!may_send(self_, peer_, kind) || payload.size() > kMostBytes || fds.size() > kMostFds) {
    close("a message that the table does not allow was about to be sent");
    return false;
  }
  std::string datagram(kHeaderSize, '\0');
  std::memcpy(datagram.data(), &kind, kHeaderSize);
  datagram += payload;
  if (queue_.empty()) {
    if (send_datagram(socket_.get(), datagram, fds) >= 0) return true;
    if (errno != EAGAIN && errno != EWOULDBLOCK && errno != ENOBUFS) {
      close(std::strerror(errno));
      return false;
    }
    loop_.change(socket_.get(), EPOLLIN | EPOLLOUT, *this);
  }
  if (queue_.size() == kQueueLimit) {
    close("the other end does not read");
    return false;
  }
  Outgoing out{std::move(datagram), {}};
  for (const int fd : fds) {
    Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
    out.fds.push_back(std::move(copy));
  }
  queue_.push_back(std::move(out));
  return true;
}

bool Channel::flush() {
  while (!queue_.empty()) {
    std::vector<int> fds;
    for (const Fd& fd : queue_.front().fds) fds.push_back(fd.get());
    if (send_datagram(socket_.get(), queue_.front().datagram, fds) < 0) {
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return true;
      close(std::strerror(errno));
      return false;
    }
    queue_.pop_front();
  }
  loop_.change(socket_.get(), EPOLLIN, *this);
  return true;
}

void Channel::receive() {
  // One datagram a call: the callback may destroy the channel, and epoll reports what is left.
  std::string buffer(kHeaderSize + kMostBytes, '\0');
  iovec part{buffer.data(), buffer.size()};
  msghdr header{};
  FdBuffer control;
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.bytes.data();
  header.msg_controllen = control.bytes.size();
  const ssize_t n = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) return close(std::strerror(errno));
  if (n == 0) return close("closed by the other end");
  auto fds = take_fds(header);
  MessageKind kind{};
  if (static_cast<size_t>(n) < kHeaderSize || (header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
    return close("a message of the wrong size");
  }
  std::memcpy(&kind, buffer.data(), kHeaderSize);
  if (!may_send(peer_, self_, kind)) {
    return close("message " + std::to_string(static_cast<unsigned>(kind)) +
                 ", which this link does not allow");
  }
  const std::string_view payload(buffer.data() + kHeaderSize, static_cast<size_t>(n) - kHeaderSize);
  const OnMessage callback = on_message_;  // stays alive should it destroy the channel
  callback({kind, payload, fds});
}

void Channel::close(const std::string& reason) {
  if (!socket_) return;
  loop_.unwatch(socket_.get(), *this);
  socket_.reset();
  queue_.clear();
  if (on_closed_) {
    const auto callback = std::move(on_closed_);
    callback(reason);
  }
}

void Channel::on_ready(uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !flush()) return;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive();
}

Result<std::pair<Fd, Fd>> make_link() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return fail_errno("link", "cannot make a socket pair");
  }
  const int size = 512 * 1024;
  for (const int end : ends) ::setsockopt(end, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  return std::pair{Fd(ends[0]), Fd(ends[1])};
}

}  // namespace fedge::link
