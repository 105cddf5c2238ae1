#include "firmware/resolve/service.h"

#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace fedge::resolve {

namespace {

// More than any server sends us over UDP after kUdpPayload; the rest would be cut.
constexpr size_t kDatagramRoom = 4096;
constexpr unsigned kMostDatagrams = 16;  // of one exchange in one round
constexpr size_t kLengthSize = 2;

bool would_wait() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

// The port is the kernel's choice: at random, and never one of ip_local_reserved_ports. A
// connected socket takes nothing from elsewhere and hears of ICMP errors.
Result<Fd> connect_socket(const Endpoint& server, int type, const std::string& device) {
  const std::string where = server.text();
  Fd fd(::socket(server.address.is_v6() ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC,
                 0));
  if (!fd) return fail_errno(where, "cannot open a socket");
  if (!device.empty() && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, device.data(),
                                      static_cast<socklen_t>(device.size())) != 0)
    return fail_errno(where, "cannot bind to interface " + device);
  sockaddr_storage address{};
  const socklen_t size = server.to_sockaddr(address);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 &&
      errno != EINPROGRESS)
    return fail_errno(where, "cannot connect");
  return fd;
}

}  // namespace

class NameService::Exchange : public Watcher {
 public:
  Exchange(NameService& service, const Action& action, Fd fd)
      : service_(service), number_(action.exchange), server_(action.server), fd_(std::move(fd)) {}
  ~Exchange() override { service_.loop_.unwatch(fd_.get(), *this); }

 protected:
  // Either may end this exchange: the last thing that its caller does.
  void receive(const Endpoint& from, Bytes message) {
    NameService& service = service_;
    service.resolver_.on_message(number_, from, message, service.loop_.now());
    service.carry_out();
  }
  void end() {
    NameService& service = service_;
    service.resolver_.on_unreachable(number_, service.loop_.now());
    service.round();
  }

  NameService& service_;
  const uint64_t number_;
  const Endpoint server_;
  Fd fd_;
};

class NameService::Datagram final : public Exchange {
 public:
  using Exchange::Exchange;

  Status send(const Action& action) {
    if (::send(fd_.get(), action.message.data(), action.message.size(), MSG_NOSIGNAL) < 0)
      return fail_errno(server_.text(), "cannot send");
    return service_.loop_.watch(fd_.get(), EPOLLIN, *this);
  }

 private:
  void on_ready(uint32_t) override {
    NameService& service = service_;
    const uint64_t number = number_;
    for (unsigned i = 0; i < kMostDatagrams; ++i) {
      std::array<std::byte, kDatagramRoom> room;
      sockaddr_storage from{};
      socklen_t from_size = sizeof from;
      const ssize_t size = ::recvfrom(fd_.get(), room.data(), room.size(), 0,
                                      reinterpret_cast<sockaddr*>(&from), &from_size);
      if (size < 0) {
        if (!would_wait()) return end();
        break;
      }
      receive(Endpoint::from_sockaddr(from), Bytes(room).first(static_cast<size_t>(size)));
      if (!service.exchanges_.contains(number)) break;
    }
    service.round();
  }
};

class NameService::Stream final : public Exchange {
 public:
  using Exchange::Exchange;

  Status send(const Action& action) {
    out_.resize(kLengthSize);
    store_be16(out_.data(), static_cast<uint16_t>(action.message.size()));
    out_.insert(out_.end(), action.message.begin(), action.message.end());
    return service_.loop_.watch(fd_.get(), EPOLLOUT, *this);
  }

 private:
  void on_ready(uint32_t events) override {
    if (sent_ < out_.size()) {
      if ((events & (EPOLLERR | EPOLLHUP)) != 0) return end();
      return write();
    }
    read();
  }

  void write() {
    const ssize_t size = ::send(fd_.get(), &out_[sent_], out_.size() - sent_, MSG_NOSIGNAL);
    if (size < 0) {
      if (!would_wait()) end();
      return;
    }
    sent_ += static_cast<size_t>(size);
    if (sent_ == out_.size()) service_.loop_.change(fd_.get(), EPOLLIN, *this);
  }

  void read() {
    NameService& service = service_;
    std::array<std::byte, kDatagramRoom> room;
    const ssize_t size = ::recv(fd_.get(), room.data(), room.size(), 0);
    if (size < 0 && would_wait()) return;
    if (size <= 0) return end();
    in_.insert(in_.end(), room.begin(), room.begin() + size);
    if (in_.size() < kLengthSize) return;
    const size_t whole = kLengthSize + load_be16(in_.data());
    if (in_.size() < whole) return;
    // One answer to one query; the core closes the exchange when it believes it.
    const uint64_t number = number_;
    const std::vector<std::byte> message = std::move(in_);
    receive(server_, Bytes(message).subspan(kLengthSize, whole - kLengthSize));
    if (service.exchanges_.contains(number)) return end();
    service.round();
  }

  std::vector<std::byte> out_;
  std::vector<std::byte> in_;
  size_t sent_ = 0;
};

NameService::NameService(Loop& loop, Settings settings, RandomSource& random, std::string device,
                         OnSettled on_settled)
    : loop_(loop),
      resolver_(std::move(settings), random),
      random_(random),
      device_(std::move(device)),
      on_settled_(std::move(on_settled)),
      alarm_([this](Instant now) {
        resolver_.advance(now);
        round();
      }) {}

NameService::~NameService() = default;

Finding NameService::find(const dns::Question& question) {
  // What carry_out() may change is not what was found in the cache: a send that fails at once
  // leaves an entry as it is, or makes one where there was none.
  const Finding finding = resolver_.find(question, loop_.now());
  carry_out();
  schedule();
  return finding;
}

Partner NameService::find_partner(const DiscoveryRules& rules, std::string_view domain) {
  Partner partner = resolve::find_partner(resolver_, random_, rules, domain, loop_.now());
  carry_out();
  schedule();
  return partner;
}

Partner NameService::find_host(const DiscoveryRules& rules, std::string_view host) {
  Partner partner = resolve::find_host(resolver_, random_, rules, host, loop_.now());
  carry_out();
  schedule();
  return partner;
}

void NameService::set_servers(std::vector<Endpoint> servers) {
  resolver_.set_servers(std::move(servers), loop_.now());
  carry_out();
  schedule();
}

// Ends: a lookup makes a bounded number of attempts.
void NameService::carry_out() {
  for (auto actions = resolver_.take_actions(); !actions.empty();
       actions = resolver_.take_actions()) {
    for (const Action& action : actions) {
      if (action.kind == Action::Kind::close) {
        exchanges_.erase(action.exchange);
      } else if (!open(action)) {
        exchanges_.erase(action.exchange);
        resolver_.on_unreachable(action.exchange, loop_.now());
      }
    }
  }
}

Status NameService::open(const Action& action) {
  const bool is_stream = action.kind == Action::Kind::send_stream;
  auto fd = connect_socket(action.server, is_stream ? SOCK_STREAM : SOCK_DGRAM, device_);
  if (!fd) return std::unexpected(fd.error());
  if (is_stream) {
    auto stream = std::make_unique<Stream>(*this, action, std::move(*fd));
    const Status sent = stream->send(action);
    exchanges_[action.exchange] = std::move(stream);
    return sent;
  }
  auto datagram = std::make_unique<Datagram>(*this, action, std::move(*fd));
  const Status sent = datagram->send(action);
  exchanges_[action.exchange] = std::move(datagram);
  return sent;
}

void NameService::round() {
  carry_out();
  for (auto settled = resolver_.take_settled(); !settled.empty();
       settled = resolver_.take_settled()) {
    for (const dns::Question& question : settled) on_settled_(question);
  }
  schedule();
}

void NameService::schedule() {
  const Instant due = resolver_.has_settled() ? loop_.now() : resolver_.next_due();
  if (due == never) {
    alarm_.cancel();
  } else if (!alarm_.armed() || alarm_.due() != due) {
    loop_.timers().set(alarm_, due);
  }
}

}  // namespace fedge::resolve
