#include "dataplane/front/listeners.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "firmware/base/log.h"
#include "firmware/net/socket.h"

namespace fedge::front {

namespace {

// Of one listener in one round, so that live connections are served in between.
constexpr int kAcceptsPerRound = 32;
constexpr Duration kBackOff = 100ms;

bool out_of_resources() {
  return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

}  // namespace

Listeners::Listeners(Loop& loop, OnAccept on_accept, bool use_devices)
    : loop_(loop),
      on_accept_(std::move(on_accept)),
      use_devices_(use_devices),
      resume_([this](Instant) { set_watching(true); }) {}

Listeners::~Listeners() { close_all(); }

bool Listeners::has(const Listener& listener) const {
  return std::ranges::any_of(open_, [&](const auto& socket) {
    return socket->realm == listener.realm && socket->endpoint == listener.endpoint;
  });
}

Status Listeners::prepare(const Generation& next) {
  prepared_.clear();
  for (const Listener& listener : next.listeners) {
    if (has(listener)) continue;
    auto fd = open_listening_socket(
        listener.endpoint, {.device = use_devices_ ? listener.realm : "", .dscp = listener.dscp});
    if (!fd) {
      prepared_.clear();
      Error error = fd.error();
      error.where = "listener " + listener.name + " (" + error.where + ")";
      return std::unexpected(error);
    }
    auto socket = std::make_unique<Socket>(*this, std::move(*fd));
    socket->realm = listener.realm;
    socket->endpoint = listener.endpoint;
    prepared_.push_back(std::move(socket));
  }
  return {};
}

void Listeners::commit(const Generation& next) {
  for (auto& socket : prepared_) {
    if (auto ok = loop_.watch(socket->fd.get(), wanted_events(), *socket); !ok) {
      log::error("front", "listener {}: {}", socket->endpoint.text(), ok.error().text());
    }
    log::info("front", "listening on {} in realm {}", socket->endpoint.text(), socket->realm);
    open_.push_back(std::move(socket));
  }
  prepared_.clear();
  std::erase_if(open_, [&](const auto& socket) {
    socket->listener = next.find(socket->realm, socket->endpoint);
    if (socket->listener != nullptr) {
      // Of those that stay, too: the realm's mark may have changed.
      mark_socket(socket->fd.get(), socket->endpoint.address, socket->listener->dscp);
      return false;
    }
    log::info("front", "no longer listening on {} in realm {}", socket->endpoint.text(),
              socket->realm);
    loop_.unwatch(socket->fd.get(), *socket);
    return true;
  });
}

void Listeners::close_all() {
  for (auto& socket : open_) loop_.unwatch(socket->fd.get(), *socket);
  open_.clear();
  prepared_.clear();
}

void Listeners::back_off() {
  loop_.timers().set(resume_, loop_.now() + kBackOff);
  set_watching(false);
}

void Listeners::set_watching(bool watching) {
  if (watching == watching_) return;
  watching_ = watching;
  for (auto& socket : open_) loop_.change(socket->fd.get(), wanted_events(), *socket);
}

void Listeners::accept(Socket& socket) {
  for (int i = 0; i < kAcceptsPerRound && watching_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd fd(::accept4(socket.fd.get(), reinterpret_cast<sockaddr*>(&address), &size,
                    SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (out_of_resources()) back_off();
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    on_accept_(std::move(fd), Endpoint::from_sockaddr(address), *socket.listener);
  }
}

}  // namespace fedge::front
