#include "dataplane/signal/listener_set.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

// Of one listener in one round, so that live connections are served in between.
constexpr int kAcceptsPerRound = 32;
constexpr Duration kBackOff = 100ms;

// Media has the others, and UDP.
bool is_served(const snapshot::Listener& listener) {
  return listener.service == snapshot::Service::access ||
         listener.service == snapshot::Service::mras;
}

bool out_of_resources() {
  return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

}  // namespace

ListenerSet::ListenerSet(Loop& loop, OnAccept on_accept, bool use_devices)
    : loop_(loop),
      on_accept_(std::move(on_accept)),
      use_devices_(use_devices),
      resume_([this](Instant) { set_watching(true); }) {}

ListenerSet::~ListenerSet() { close_all(); }

ListenerSet::Socket* ListenerSet::find(std::string_view realm, const Endpoint& endpoint) {
  const auto it = std::ranges::find_if(open_, [&](const auto& socket) {
    return socket->realm == realm && socket->endpoint == endpoint;
  });
  return it == open_.end() ? nullptr : it->get();
}

Status ListenerSet::prepare(const Generation& next) {
  prepared_.clear();
  if (next.listener_list().size() >= snapshot::kNone16) {
    return fail("listeners", "there are more than 65534");
  }
  for (const snapshot::Listener& listener : next.listener_list()) {
    if (!is_served(listener)) continue;
    const std::string realm(next.realm_name(listener.realm));
    if (find(realm, listener.endpoint) != nullptr) continue;
    const uint8_t dscp = next.realm_list()[listener.realm].dscp_signalling;
    auto fd = open_listening_socket(listener.endpoint,
                                    {.device = use_devices_ ? realm : "", .dscp = dscp});
    if (!fd) {
      prepared_.clear();
      Error error = fd.error();
      error.where =
          "listener " + std::string(next.listeners.text(listener.name)) + " (" + error.where + ")";
      return std::unexpected(error);
    }
    auto socket = std::make_unique<Socket>(*this, std::move(*fd));
    socket->realm = realm;
    socket->endpoint = listener.endpoint;
    prepared_.push_back(std::move(socket));
  }
  return {};
}

void ListenerSet::commit(const Generation& next) {
  for (auto& socket : prepared_) {
    watch(*socket);
    log::info("signal", "listening on {} in realm {}", socket->endpoint.text(), socket->realm);
    open_.push_back(std::move(socket));
  }
  prepared_.clear();
  for (auto& socket : open_) socket->index = snapshot::kNone16;
  const auto listeners = next.listener_list();
  for (size_t i = 0; i < listeners.size(); ++i) {
    if (!is_served(listeners[i])) continue;
    Socket* socket = find(next.realm_name(listeners[i].realm), listeners[i].endpoint);
    if (socket == nullptr) continue;
    socket->index = static_cast<uint16_t>(i);
    // Of those that stay, too: the realm's mark may have changed.
    mark_socket(socket->fd.get(), socket->endpoint.address,
                next.realm_list()[listeners[i].realm].dscp_signalling);
  }
  std::erase_if(open_, [this](const auto& socket) {
    if (socket->index != snapshot::kNone16) return false;
    log::info("signal", "no longer listening on {} in realm {}", socket->endpoint.text(),
              socket->realm);
    loop_.unwatch(socket->fd.get(), *socket);
    return true;
  });
}

void ListenerSet::close_all() {
  for (auto& socket : open_) loop_.unwatch(socket->fd.get(), *socket);
  open_.clear();
  prepared_.clear();
}

void ListenerSet::watch(Socket& socket) {
  if (auto ok = loop_.watch(socket.fd.get(), wanted_events(), socket); !ok) {
    log::error("signal", "listener {}: {}", socket.endpoint.text(), ok.error().text());
  }
}

void ListenerSet::back_off(Duration pause) {
  loop_.timers().set(resume_, loop_.now() + pause);
  set_watching(false);
}

void ListenerSet::set_watching(bool watching) {
  if (watching == watching_) return;
  watching_ = watching;
  for (auto& socket : open_) loop_.change(socket->fd.get(), wanted_events(), *socket);
}

void ListenerSet::accept(Socket& socket) {
  for (int i = 0; i < kAcceptsPerRound && watching_; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    Fd fd(::accept4(socket.fd.get(), reinterpret_cast<sockaddr*>(&address), &size,
                    SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (out_of_resources()) back_off(kBackOff);
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    on_accept_(std::move(fd), Endpoint::from_sockaddr(address), socket.index);
  }
}

}  // namespace fedge::signal
