// Front's side towards the workers of the fast path.
#include <algorithm>

#include "dataplane/front/front.h"
#include "dataplane/media/sessions.h"
#include "firmware/base/log.h"

namespace fedge::front {

using media::FrontKind;

namespace {

constexpr Duration kCatchUp = 1ms;

}  // namespace

void Front::use_fastpath(Fd link) {
  on_fastpath_gone();
  fastpath_ = std::make_unique<link::Channel>(loop_, link::Process::front, link::Process::fastpath,
                                              std::move(link));
  fastpath_->start([this](const link::Received& received) { on_fastpath(received); },
                   [this](const std::string& reason) {
                     log::debug("front", "link to the fast path: {}", reason);
                     on_fastpath_gone();
                   });
}

// Clients stay; what they say waits in their sockets until it is back.
void Front::on_fastpath_gone() {
  rings_.close();
  introductions_.clear();
  table_.for_each([](Connection& connection) { connection.stop_awaiting(); });
  // What is not alive when it is back need not be named.
  for (const Closed& closed : closed_) table_.free(closed.connection);
  closed_.clear();
}

void Front::on_fastpath(const link::Received& received) {
  const auto message = link::decode<link::FastpathWorkers>(received.payload);
  if (!message || message->count == 0 || message->count > WorkerRings::kMost) {
    return log::error("front", "the fast path says nonsense about its workers");
  }
  on_fastpath_gone();
  if (auto done = rings_.make(message->count); !done) {
    return log::error("front", "{}", done.error().text());
  }
  introductions_.assign(message->count, {});
  for (uint8_t i = 0; i < WorkerRings::kMost; ++i) relays_.expect_names(i);
  // As many as before have the allocations that they had.
  if (std::exchange(workers_, rings_.count()) != rings_.count()) {
    table_.for_each([&](Connection& connection) {
      const media::FrontMessage& head = connection.head();
      connection.worker = media::owner_of_client(head.client, head.client_port, workers_);
    });
  }
  for (uint8_t i = 0; i < rings_.count(); ++i) give_ring(i);
  catch_up();
  log::info("front", "the fast path has {} worker{}", message->count,
            message->count == 1 ? "" : "s");
}

void Front::give_ring(uint8_t worker) {
  const auto fds = rings_.fds(worker);
  (void)fastpath_->send(link::FrontRing{worker}, fds);
}

void Front::on_record(uint8_t worker, const media::FrontRecord& record, Bytes octets) {
  switch (record.kind) {
    case FrontKind::reply: {
      const auto reply = record.as<media::FrontReply>();
      Connection* const connection = table_.find(reply.connection);
      if (connection == nullptr) return statistics_.add(statistics_.client_gone);
      // A client that moved to this connection (RFC 8016), or brought a token: the worker that has
      // its allocation answers, and hears of it from now on.
      connection->worker = worker;
      const bool taken = connection->reply(octets, reply.is_data != 0);
      return statistics_.add(taken ? statistics_.to_client : statistics_.slow_client);
    }
    case FrontKind::close:
      if (Connection* const c = table_.find(record.as<media::FrontClose>().connection)) {
        c->close_gently();
      }
      return;
    default:
      on_relay_record(worker, record, octets);
  }
}

void Front::on_relay_record(uint8_t worker, const media::FrontRecord& record, Bytes octets) {
  switch (record.kind) {
    case FrontKind::tcp_listen:
      return listen(worker, record.as<media::TcpListen>());
    case FrontKind::tcp_unlisten:
      return relays_.unlisten(worker, record.as<media::TcpUnlisten>());
    case FrontKind::tcp_connect:
      return relays_.connect(worker, record.as<media::TcpConnect>());
    case FrontKind::tcp_bind: {
      const auto what = record.as<media::TcpBind>();
      return relays_.bind(worker, what, octets, table_.find(what.connection));
    }
    case FrontKind::tcp_drop:
      return relays_.drop(record.as<media::TcpDrop>());
    case FrontKind::tcp_accept:
      return relays_.accept(record.as<media::TcpAccept>());
    case FrontKind::tcp_send:
      return relays_.send(worker, record.as<media::TcpSend>(), octets);
    case FrontKind::tcp_active:
      return relays_.set_active(worker, record.as<media::TcpActive>(), octets);
    case FrontKind::tcp_review:
      return relays_.review(worker);
    default:
      return;
  }
}

void Front::listen(uint8_t worker, const media::TcpListen& what) {
  relays_.listen(worker, what, what.client == 0 ? nullptr : table_.find(what.client));
}

bool Front::deliver(Connection& from, Bytes message) {
  const bool is_known = from.worker < introductions_.size() && introductions_[from.worker].over;
  if (is_known && rings_.push(from.worker, from.head(), message)) {
    from.told = true;
    statistics_.add(statistics_.to_worker);
    return true;
  }
  held_.push_back(from.id());
  statistics_.add(statistics_.held);
  return false;
}

// First of all on a new ring: whatever the worker remembers of others is over.
bool Front::tell_alive(uint8_t worker) {
  Introduction& introduction = introductions_[worker];
  while (introduction.place < table_.places()) {
    const Connection* const c = table_.at(introduction.place);
    if (c != nullptr && c->told && c->worker == worker) {
      if (!rings_.push(worker, media::FrontAlive{c->id()})) return false;
      ++introduction.named;
    }
    ++introduction.place;
  }
  introduction.over = rings_.push(worker, media::FrontAllAlive{introduction.named});
  return introduction.over;
}

void Front::tell_closed() {
  std::erase_if(closed_, [this](const Closed& closed) {
    if (rings_.count() != 0 &&
        !(introductions_[closed.worker].over &&
          rings_.push(closed.worker, media::FrontClosed{closed.connection}))) {
      return false;
    }
    table_.free(closed.connection);
    return true;
  });
}

bool Front::needs_to_catch_up() const {
  return rings_.count() != 0 &&
         (!held_.empty() || !closed_.empty() || relays_.has_untold() ||
          std::ranges::any_of(introductions_, [](const Introduction& i) { return !i.over; }));
}

void Front::catch_up() {
  for (uint8_t i = 0; i < rings_.count(); ++i) {
    if (!introductions_[i].over) tell_alive(i);
  }
  tell_closed();
  relays_.catch_up();
  // Who is held again comes to the end of the list: everybody gets a turn.
  const std::vector<media::ConnectionId> held = std::exchange(held_, {});
  for (const media::ConnectionId id : held) {
    if (Connection* const connection = table_.find(id)) connection->resume();
  }
  if (needs_to_catch_up()) loop_.timers().set(catch_up_, loop_.now() + kCatchUp);
}

}  // namespace fedge::front
