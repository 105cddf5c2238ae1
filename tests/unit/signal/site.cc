#include "tests/unit/signal/site.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "firmware/net/socket.h"

namespace fedge::signal {

namespace {

Fd bound_socket(const Endpoint& endpoint) {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int one = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  sockaddr_storage address{};
  const socklen_t size = endpoint.to_sockaddr(address);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0)
      << endpoint.text();
  return fd;
}

}  // namespace

uint16_t free_port() {
  const Fd fd = bound_socket({*IpAddress::parse("127.0.0.1"), 0});
  return local_endpoint(fd.get()).port;
}

bool Peer::receive(std::string& into) {
  std::array<char, 65536> chunk;
  for (;;) {
    const ssize_t n = ::recv(fd_.get(), chunk.data(), chunk.size(), MSG_DONTWAIT);
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    into.append(chunk.data(), static_cast<size_t>(n));
  }
}

size_t Peer::send_some(std::string_view bytes) {
  const ssize_t n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return n < 0 ? 0 : static_cast<size_t>(n);
}

void Peer::send(std::string_view bytes) { EXPECT_EQ(send_some(bytes), bytes.size()); }

Server::Server(const std::string& address, uint16_t port)
    : fd_(bound_socket({*IpAddress::parse(address), port})) {
  // Connections inherit it: what the worker sends and nobody reads soon waits at the worker.
  const int small = 4096;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  EXPECT_EQ(::listen(fd_.get(), 64), 0);
  endpoint_ = local_endpoint(fd_.get()).text();
}

Peer Server::accept() {
  return Peer(Fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)));
}

Status Site::publish(const Layout& layout) {
  const link::Offer compiled = compile(layout);
  auto next =
      open_generation(compiled, sealing_key(), crew_ == nullptr ? nullptr : crew_->generation());
  if (!next) return std::unexpected(next.error());
  if (crew_ == nullptr) {
    crew_ = std::make_unique<Crew>(loop, counters, layout.limits,
                                   CrewOptions{.workers = workers_,
                                               .threads = false,
                                               .directory = false,
                                               .each = {.use_devices = false, .secret = 42}});
  }
  bool running = false;
  if (auto ok = crew_->use(std::move(*next), [&] { running = true; }); !ok) return ok;
  until([&] { return running; }, "all workers to run it");
  return {};
}

uint64_t Site::counter(std::string_view name) {
  if (crew_ != nullptr) crew_->beat(loop.now());
  return counters.value(counters.series("fedge_signal_" + std::string(name)));
}

Peer Site::connect(uint16_t port, const std::string& source) {
  Fd fd = bound_socket({*IpAddress::parse(source), 0});
  sockaddr_storage address{};
  const socklen_t size = Endpoint{*IpAddress::parse("127.0.0.1"), port}.to_sockaddr(address);
  // Loopback completes this at once, whether or not anybody accepts.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0 &&
      errno != EINPROGRESS) {
    return {};
  }
  return Peer(std::move(fd));
}

void Site::until(const std::function<bool()>& condition, const char* what) {
  const Instant end = now_monotonic() + 10s;
  while (!condition()) {
    ASSERT_LT(now_monotonic(), end) << "not seen in time: " << what;
    loop.run_once(1ms);
  }
}

std::string Site::expect(Peer& peer, std::string_view text) {
  std::string received;
  until(
      [&] {
        peer.receive(received);
        return received.find(text) != std::string::npos;
      },
      std::string(text).c_str());
  return received;
}

void Site::expect_closed(Peer& peer) {
  std::string ignored;
  until([&] { return !peer.receive(ignored); }, "the end of the connection");
}

Peer Site::expect_connection(Server& server) {
  Peer peer;
  until(
      [&] {
        peer = server.accept();
        return static_cast<bool>(peer);
      },
      "a connection of the worker's");
  return peer;
}

std::string message(int number, std::string_view body) {
  const std::string n = std::to_string(number);
  return "MESSAGE sip:alice@example.com SIP/2.0\r\n"
         "Via: SIP/2.0/TCP 127.0.0.3:5060;branch=z9hG4bK" +
         n +
         "\r\n"
         "Max-Forwards: 70\r\n"
         "From: <sip:bob@partner.example>;tag=t" +
         n +
         "\r\n"
         "To: <sip:alice@example.com>\r\n"
         "Call-ID: call" +
         n +
         "\r\n"
         "CSeq: 1 MESSAGE\r\n"
         "Content-Type: text/plain\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

std::string answer(const std::string& request, std::string_view status) {
  std::string out = "SIP/2.0 " + std::string(status) + "\r\n";
  size_t at = request.find("\r\n") + 2;
  while (request.compare(at, 2, "\r\n") != 0) {
    const size_t end = request.find("\r\n", at) + 2;
    const std::string line = request.substr(at, end - at);
    for (const char* name : {"Via:", "From:", "To:", "Call-ID:", "CSeq:"}) {
      if (line.starts_with(name)) out += line;
    }
    at = end;
  }
  return out + "Content-Length: 0\r\n\r\n";
}

}  // namespace fedge::signal
