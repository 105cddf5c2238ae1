#include "mgmt/agent/server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

#include "firmware/base/json.h"
#include "firmware/base/log.h"

namespace fedge::agent {

namespace {

constexpr std::array<std::string_view, 4> kMethods{"GET", "PUT", "POST", "DELETE"};
constexpr uint64_t kLargestBodies = 2;
constexpr std::string_view kAllow = "GET, HEAD, PUT, POST, DELETE, OPTIONS";

// What needs no control.
std::optional<Reply> answer_alone(const std::string& method) {
  if (std::ranges::find(kMethods, method) != kMethods.end()) return {};
  Reply reply;
  reply.status = 204;
  if (method != "OPTIONS") {
    reply =
        error_reply(501, method, "this method is not known here", "use GET, PUT, POST or DELETE");
  }
  reply.allow = kAllow;
  return reply;
}

}  // namespace

Reply error_reply(uint16_t status, std::string_view where, std::string_view what,
                  std::string_view remedy) {
  json::Writer writer;
  writer.begin_object().key("error").begin_object();
  writer.member("where", where).member("what", what).member("remedy", remedy);
  writer.end_object().end_object();
  Reply reply;
  reply.status = status;
  reply.content_type = "application/json";
  reply.body = writer.take();
  return reply;
}

class Server::Listener final : public Watcher {
 public:
  Listener(Server& server, Fd socket) : server_(server), socket_(std::move(socket)) {
    (void)server_.loop_.watch(socket_.get(), EPOLLIN, *this);
  }
  ~Listener() override { server_.loop_.unwatch(socket_.get(), *this); }
  int fd() const { return socket_.get(); }

 private:
  void on_ready(uint32_t) override { server_.accept(*this); }
  Server& server_;
  Fd socket_;
};

Server::Server(Loop& loop, Backend& backend, Counters& counters)
    : loop_(loop), backend_(backend), sweeper_([this](Instant) { ended_.clear(); }) {
  count_into(counters);
}

Server::~Server() = default;

void Server::count_into(Counters& counters) {
  counters_ = &counters;
  requests_series_ = counters.series("fedge_agent_requests_total");
  handshakes_series_ = counters.series("fedge_agent_handshakes_total{result=\"good\"}");
  failures_series_ = counters.series("fedge_agent_handshakes_total{result=\"failed\"}");
  bad_series_ = counters.series("fedge_agent_bad_requests_total");
  open_series_ = counters.series("fedge_agent_connections");
}

void Server::use(std::shared_ptr<pki::TlsContext> tls, const ServerLimits& limits) {
  tls_ = std::move(tls);
  limits_ = limits;
}

void Server::listen(const std::string& endpoint, Fd socket) {
  if (listeners_.erase(endpoint) == 0) log::info("agent", "management listens on {}", endpoint);
  listeners_.emplace(endpoint, std::make_unique<Listener>(*this, std::move(socket)));
}

void Server::keep_only(const std::vector<std::string>& endpoints) {
  std::erase_if(listeners_, [&](const auto& entry) {
    const bool gone = std::ranges::find(endpoints, entry.first) == endpoints.end();
    if (gone) log::info("agent", "management no longer listens on {}", entry.first);
    return gone;
  });
}

// Room for one more: the idle connection that was there first makes way, or else the first that
// keeps us waiting. So clients that send nothing, or an octet now and then, lock nobody out.
void Server::make_room() {
  if (connections_.size() < limits_.connections) return;
  const auto goes_before = [](const Connection& a, const Connection& b) {
    return a.idle() != b.idle() ? a.idle() : a.id() < b.id();
  };
  Connection* first = nullptr;
  for (const auto& [id, connection] : connections_) {
    if (!connection->waits_for_client()) continue;
    if (first == nullptr || goes_before(*connection, *first)) first = connection.get();
  }
  if (first != nullptr) first->end();
}

void Server::accept(Listener& listener) {
  for (int round = 0; round < 16; ++round) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    Fd socket(::accept4(listener.fd(), reinterpret_cast<sockaddr*>(&from), &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) return;
    make_room();
    if (!tls_ || connections_.size() >= limits_.connections) continue;  // closes it
    const int on = 1;
    ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto tls = pki::TlsStream::make(tls_, pki::TlsRole::server, "", now_wall());
    if (!tls) {
      log::error("agent", "cannot start TLS: {}", tls.error().text());
      continue;
    }
    const uint64_t id = next_connection_++;
    connections_.emplace(id, std::make_unique<Connection>(
                                 loop_, *this, id, std::move(socket), Endpoint::from_sockaddr(from),
                                 std::move(*tls), limits_.http, limits_.patience));
    counters_->set(open_series_, connections_.size());
  }
}

uint64_t Server::expect_answer(const Connection& connection) {
  outstanding_.emplace(next_request_, connection.id());
  return next_request_++;
}

void Server::on_head(Connection& connection, const http::Request& head) {
  if (const auto reply = answer_alone(head.method)) return connection.reply(*reply);
  const uint64_t id = expect_answer(connection);
  if (!backend_.announce(id, head, connection.client())) say_nobody_is_there(id);
}

void Server::on_request(Connection& connection, http::Request request) {
  counters_->add(requests_series_);
  if (const auto reply = answer_alone(request.method)) return connection.reply(*reply);
  const uint64_t id = expect_answer(connection);
  if (!backend_.ask(id, std::move(request), connection.client())) say_nobody_is_there(id);
}

void Server::say_nobody_is_there(uint64_t id) {
  Reply reply = error_reply(503, "fedge-control", "it is not running at the moment",
                            "traffic goes on as published; try again in a few seconds");
  reply.retry_after_s = 2;
  deliver(id, reply);
}

void Server::deliver(uint64_t id, const Reply& reply) {
  const auto request = outstanding_.find(id);
  if (request == outstanding_.end()) return;
  const auto connection = connections_.find(request->second);
  outstanding_.erase(request);
  if (connection != connections_.end()) connection->second->reply(reply);
}

void Server::fail_outstanding() {
  Reply reply = error_reply(503, "fedge-control", "it stopped before it answered",
                            "look at GET /v1/status before you repeat a change");
  reply.retry_after_s = 2;
  while (!outstanding_.empty()) deliver(outstanding_.begin()->first, reply);
}

void Server::on_handshake(bool good, const std::string& failure) {
  counters_->add(good ? handshakes_series_ : failures_series_);
  if (!good) log::debug("agent", "a management handshake failed: {}", failure);
}

void Server::on_bad_request(uint16_t) { counters_->add(bad_series_); }

uint64_t Server::held() const {
  uint64_t octets = 0;
  for (const auto& [id, connection] : connections_) octets += connection->held();
  return octets;
}

// All bodies together take what two of the largest do;
// beyond that the largest goes, so that small ones pass whoever else is there.
void Server::on_body() {
  if (held() <= kLargestBodies * limits_.http.body_bytes) return;
  const auto largest =
      std::ranges::max_element(connections_, {}, [](const auto& c) { return c.second->held(); });
  Reply reply = error_reply(503, "request", "too many large bodies arrive at once",
                            "send it again when the others are done");
  reply.retry_after_s = 2;
  on_bad_request(reply.status);
  largest->second->give_up(reply);
}

void Server::on_end(Connection& connection) {
  const auto found = connections_.find(connection.id());
  if (found == connections_.end()) return;
  std::erase_if(outstanding_, [&](const auto& o) { return o.second == connection.id(); });
  ended_.push_back(std::move(found->second));
  connections_.erase(found);
  counters_->set(open_series_, connections_.size());
  loop_.timers().set(sweeper_, loop_.now());
}

void Server::stop() {
  listeners_.clear();
  std::vector<Connection*> all;
  for (const auto& [id, connection] : connections_) all.push_back(connection.get());
  for (Connection* connection : all) connection->close_soon();
}

}  // namespace fedge::agent
