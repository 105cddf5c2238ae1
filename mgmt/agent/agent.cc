#include "mgmt/agent/agent.h"

#include <array>

#include "firmware/base/log.h"
#include "firmware/pki/key_section.h"

namespace fedge::agent {

namespace {

using link::Process;
using snapshot::Kind;

// The token of "Authorization: Bearer TOKEN"; empty for anything else.
std::string bearer_token(const std::string& authorization) {
  constexpr std::string_view scheme = "bearer ";
  if (authorization.size() <= scheme.size()) return {};
  for (size_t i = 0; i < scheme.size(); ++i) {
    if ((authorization[i] | 0x20) != (scheme[i] | 0x20)) return {};
  }
  return authorization.substr(scheme.size());
}

// All but the body.
link::ApiRequest message_of(uint64_t id, const http::Request& request, const std::string& client) {
  link::ApiRequest message;
  message.id = id;
  message.method = request.method;
  message.path = request.path;
  message.query = request.query;
  message.token = bearer_token(request.authorization);
  message.if_match = request.if_match;
  message.content_type = request.content_type;
  message.client = client;
  return message;
}

}  // namespace

Agent::Agent(Loop& loop, Fd init)
    : loop_(loop),
      server_(std::make_unique<Server>(loop, *this, counters_)),
      init_(loop, Process::agent, Process::init, std::move(init)),
      stopper_([this](Instant) { loop_.stop(); }) {
  init_.start([this](link::Received received) { on_init(received); },
              [this](const std::string& reason) {
                log::error("agent", "the link to init is gone ({}): ending", reason);
                loop_.stop();
              });
}

Agent::~Agent() = default;

void Agent::announce_ready() { init_.send(link::Ready{}); }

void Agent::on_init(link::Received received) {
  using enum link::MessageKind;
  switch (received.kind) {
    case link_opened:
      return on_link_opened(received);
    case snapshot_offer:
      return on_offer(received);
    case stop:
      return this->stop();
    case counters:
      if (received.fds.size() != 1) return;
      if (auto page = Mapping::read_write(received.fds[0].get())) {
        counters_ = Counters(std::move(*page));
        server_->count_into(counters_);
      }
      return;
    case sealing_key:
      if (received.fds.size() != 1) return;
      if (auto key = pki::read_sealing_key(received.fds[0].get())) sealing_key_ = std::move(*key);
      return run_offer();
    case listening_socket: {
      const auto message = link::decode<link::ListeningSocket>(received.payload);
      if (message && received.fds.size() == 1) {
        server_->listen(message->endpoint, std::move(received.fds[0]));
      }
      return;
    }
    default:
      return;
  }
}

void Agent::on_link_opened(link::Received& received) {
  const auto message = link::decode<link::LinkOpened>(received.payload);
  if (!message || message->peer != Process::control || received.fds.size() != 1) return;
  if (control_) server_->fail_outstanding();
  control_ = std::make_unique<link::Channel>(loop_, Process::agent, Process::control,
                                             std::move(received.fds[0]));
  control_->start([this](link::Received r) { on_control(r); },
                  [this](const std::string&) { server_->fail_outstanding(); });
}

void Agent::on_offer(link::Received& received) {
  auto message = link::decode<link::SnapshotOffer>(received.payload);
  if (!message) return;
  offer_ = link::Offer{std::move(*message), std::move(received.fds)};
  run_offer();
}

void Agent::run_offer() {
  if (!offer_ || sealing_key_.empty()) return;
  const link::Offer offer = std::move(*offer_);
  offer_.reset();
  const Status done = use_snapshot(offer);
  link::SnapshotRunning answer;
  answer.generation = offer.message.generation;
  answer.revision = offer.message.revision;
  answer.accepted = done.has_value();
  if (!done) {
    answer.reason = done.error().text();
    log::error("agent", "refused generation {}: {}", answer.generation, answer.reason);
  }
  init_.send(answer);
}

Status Agent::use_snapshot(const link::Offer& offer) {
  snapshot::Section<snapshot::Management> management;
  if (auto opened = offer.open(management); !opened) return opened;
  auto keys = pki::open_keys(offer.fd_of(Kind::keys_agent), Kind::keys_agent, sealing_key_);
  if (!keys) return std::unexpected(keys.error());
  auto tls = pki::TlsContext::make_management(management, *keys);
  if (!tls) return std::unexpected(tls.error());

  ServerLimits limits;
  const auto& root = management.root();
  if (root.max_connections != 0) limits.connections = root.max_connections;
  if (root.max_body != 0) limits.http.body_bytes = root.max_body;
  server_->use(std::move(*tls), limits);
  std::vector<std::string> endpoints;
  for (const Endpoint& endpoint : management.items(root.endpoints)) {
    endpoints.push_back(endpoint.text());
  }
  server_->keep_only(endpoints);
  return {};
}

bool Agent::announce(uint64_t id, const http::Request& head, const std::string& client) {
  if (!control_ || !control_->open()) return false;
  link::ApiRequest message = message_of(id, head, client);
  message.announces = true;
  return control_->send(message);
}

bool Agent::ask(uint64_t id, http::Request request, const std::string& client) {
  if (!control_ || !control_->open()) return false;
  const link::ApiRequest message = message_of(id, request, client);
  if (request.body.empty()) return control_->send(message);
  auto body = make_sealed_memfd("body", as_bytes(request.body));
  if (!body) return false;
  const std::array fds{body->get()};
  return control_->send(message, fds);
}

void Agent::on_control(link::Received received) {
  auto message = link::decode<link::ApiReply>(received.payload);
  if (!message) return;
  Reply reply;
  reply.status = message->status;
  reply.content_type = std::move(message->content_type);
  reply.etag = std::move(message->etag);
  reply.location = std::move(message->location);
  reply.allow = std::move(message->allow);
  if (received.fds.size() == 1) {
    // Control is trusted with what it says, not with what it does to it meanwhile.
    auto body = is_sealed(received.fds[0].get()) ? Mapping::read_only(received.fds[0].get())
                                                 : Result<Mapping>(Mapping{});
    if (body) reply.body = std::string(as_text(body->bytes()));
  }
  server_->deliver(message->id, reply);
}

void Agent::stop() {
  server_->stop();
  loop_.timers().set(stopper_, loop_.now() + 200ms);
}

}  // namespace fedge::agent
