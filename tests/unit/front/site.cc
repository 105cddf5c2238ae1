#include "tests/unit/front/site.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <utility>

#include "firmware/net/socket.h"
#include "firmware/pki/certificate.h"
#include "firmware/snapshot/writer.h"
#include "tests/unit/pki/published.h"

namespace fedge::front {

using namespace snapshot;

namespace {

constexpr Duration kLimit = 10s;

std::string make_realms(const Layout& layout) {
  Writer w(Kind::realms);
  const auto ports = w.slice<Port>({{w.text("wan"), w.text("port0")}});
  const auto addresses = w.slice<RealmAddress>({{*Prefix::parse("127.0.0.1/8"), {}}});
  return w.finish(
      Realms{ports, w.slice<Realm>({{w.text(layout.realm), 0, 0, 1500, 24, 46, addresses, {}}})});
}

std::string make_listeners(const Layout& layout) {
  Writer w(Kind::listeners);
  std::vector<snapshot::Listener> records;
  for (const Layout::Listener& l : layout.listeners) {
    records.push_back({w.text("l" + std::to_string(l.port)),
                       {*IpAddress::parse("127.0.0.1"), l.port},
                       0,
                       l.transport == Transport::tls ? uint16_t{0} : kNone16,
                       l.transport,
                       l.service});
  }
  return w.finish(snapshot::Listeners{w.slice(records)});
}

std::string make_appliance() {
  Writer w(Kind::appliance);
  return w.finish(Appliance{w.text("edge1"), w.text("av.example.com"), w.text("hq")});
}

}  // namespace

Layout::Layout() : limits(pki::usual_limits()) {}

uint16_t free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage address{};
  const socklen_t size = Endpoint{*IpAddress::parse("127.0.0.1"), 0}.to_sockaddr(address);
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  return local_endpoint(fd.get()).port;
}

std::shared_ptr<pki::TlsContext> make_context(const Layout& layout) {
  const auto fd = make_sealed_memfd(
      "tls", as_bytes(pki::make_tls({layout.chain, layout.trust, ClientCertificate::none})));
  const auto section = snapshot::Section<Tls>::open(fd->get());
  std::vector<pki::PrivateKey> keys;
  keys.push_back({7, std::move(*pki::parse_key(layout.key))});
  auto made = pki::TlsContext::make(*section, 0, keys);
  EXPECT_TRUE(made) << made.error().text();
  return made ? *made : nullptr;
}

Client::Client(Loop& loop, uint16_t port, const char* from) : loop_(loop) {
  auto fd =
      open_connecting_socket(*IpAddress::parse(from), {*IpAddress::parse("127.0.0.1"), port}, {});
  EXPECT_TRUE(fd);
  if (fd) socket_ = std::move(*fd);
}

void Client::send(std::string_view octets) {
  const Instant deadline = now_monotonic() + kLimit;
  while (!octets.empty() && now_monotonic() < deadline) {
    const ssize_t n = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (n > 0) octets.remove_prefix(static_cast<size_t>(n));
    loop_.run_once(n > 0 ? 0ms : 1ms);
  }
}

bool Client::receive_some() {
  char chunk[16384];
  const ssize_t n = ::recv(socket_.get(), chunk, sizeof chunk, MSG_DONTWAIT);
  if (n > 0) octets_.append(chunk, static_cast<size_t>(n));
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != ENOTCONN)) over_ = true;
  return n > 0;
}

std::string Client::receive(size_t count) {
  const Instant deadline = now_monotonic() + kLimit;
  while (octets_.size() < count && !over_) {
    if (receive_some()) continue;
    if (now_monotonic() > deadline) {
      ADD_FAILURE() << "only " << octets_.size() << " of " << count << " octets came";
      break;
    }
    loop_.run_once(1ms);
  }
  std::string out = octets_.substr(0, count);
  octets_.erase(0, out.size());
  return out;
}

std::string Client::receive_now() {
  while (receive_some()) {
  }
  return std::exchange(octets_, {});
}

bool Client::ended() {
  const Instant deadline = now_monotonic() + kLimit;
  while (!over_ && now_monotonic() < deadline) {
    if (!receive_some()) loop_.run_once(1ms);
  }
  return over_;
}

Endpoint Client::local() const { return local_endpoint(socket_.get()); }

Site::Site(FrontOptions options) {
  auto ends = link::make_link();
  init = std::make_unique<link::Channel>(loop, link::Process::init, link::Process::front,
                                         std::move(ends->first));
  process_ = std::make_unique<Process>(loop, std::move(ends->second), options);
  init->start(
      [this](const link::Received& r) {
        if (r.kind == link::MessageKind::ready) ready = true;
        if (r.kind == link::MessageKind::snapshot_running) {
          answer = link::decode<link::SnapshotRunning>(r.payload);
        }
      },
      [](const std::string&) {});
  process_->start();
  auto page = make_shared_memfd("page", sizeof(CounterPage));
  const int fd = page->get();
  init->send(link::CounterPages{link::Process::front}, {&fd, 1});
  view_ = std::make_unique<CountersView>(std::move(*Mapping::read_only(fd)));
  auto key = make_sealed_memfd("key", pki::test_sealing_key().bytes());
  const int key_fd = key->get();
  init->send(link::SealingKey{link::Process::front}, {&key_fd, 1});
  run_until([this] { return ready; });
}

void Site::run_until(const std::function<bool()>& condition) {
  const Instant deadline = now_monotonic() + kLimit;
  while (!condition()) {
    if (now_monotonic() > deadline) return ADD_FAILURE() << "it did not come";
    loop.run_once(1ms);
  }
}

bool Site::publish(const Layout& layout) {
  Writer media(Kind::media);
  snapshot::Media limits{};
  limits.turn_realm = media.text("example.com");
  limits.lifetime_max_s = 3600;
  const link::Offer offer = pki::make_offer(
      layout.generation,
      {{Kind::appliance, make_appliance()},
       {Kind::realms, make_realms(layout)},
       {Kind::listeners, make_listeners(layout)},
       {Kind::tls, pki::make_tls({layout.chain, layout.trust, ClientCertificate::none})},
       {Kind::signalling, Writer(Kind::signalling).finish(layout.limits)},
       {Kind::media, media.finish(limits)},
       {Kind::keys_front, pki::make_keys(Kind::keys_front, layout.key)}});
  std::vector<int> fds;
  for (const Fd& fd : offer.fds) fds.push_back(fd.get());
  answer.reset();
  init->send(offer.message, fds);
  run_until([this] { return answer.has_value(); });
  return answer && answer->accepted && answer->generation == layout.generation;
}

void Site::start_fastpath(uint16_t workers) {
  stop_fastpath();
  auto ends = link::make_link();
  fastpath_ = std::make_unique<link::Channel>(loop, link::Process::fastpath, link::Process::front,
                                              std::move(ends->first));
  fastpath_->start(
      [this](const link::Received& r) {
        ASSERT_EQ(r.kind, link::MessageKind::front_ring);
        const auto message = link::decode<link::FrontRing>(r.payload);
        ASSERT_EQ(r.fds.size(), 3u);
        auto ring =
            media::FrontRing::attach(std::move(r.fds[0]), std::move(r.fds[1]), std::move(r.fds[2]));
        ASSERT_TRUE(ring) << ring.error().text();
        if (message->worker < rings.size()) {
          rings[message->worker] = std::move(*ring);
        } else {
          rings.push_back(std::move(*ring));
        }
      },
      [](const std::string&) {});
  const int theirs = ends->second.get();
  init->send(link::LinkOpened{link::Process::fastpath}, {&theirs, 1});
  fastpath_->send(link::FastpathWorkers{workers});
  run_until([&] { return rings.size() == workers; });
}

void Site::stop_fastpath() {
  fastpath_.reset();
  rings.clear();
}

bool Site::has_next(uint8_t worker) { return !rings[worker].in().may_sleep(); }

Kept Site::next(uint8_t worker) {
  Kept kept;
  run_until([&] { return rings[worker].in().pop(kept.record, room_); });
  kept.octets = as_text(Bytes(room_).first(kept.record.size));
  return kept;
}

Kept Site::next(media::FrontKind kind, uint8_t worker) {
  for (;;) {
    Kept kept = next(worker);
    if (kept.record.kind == kind || ::testing::Test::HasFailure()) return kept;
  }
}

uint64_t Site::count(const std::string& series) {
  for (uint32_t i = 0; i < view_->count(); ++i) {
    if (view_->name(i) == series) return view_->value(i);
  }
  return 0;
}

}  // namespace fedge::front
