#include "firmware/net/listening_sockets.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "firmware/base/log.h"
#include "firmware/net/socket.h"

namespace fedge {

namespace {

// Of one listener in one round, so that live connections are served in between.
constexpr int kAcceptsPerRound = 32;
constexpr Duration kBackOff = 100ms;

bool out_of_resources() {
  return errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
}

bool same_place(const ListeningPlace& a, const ListeningPlace& b) {
  return a.realm == b.realm && a.endpoint == b.endpoint;
}

}  // namespace

ListeningSockets::ListeningSockets(Loop& loop, std::string_view program, bool use_devices,
                                   OnAccept on_accept)
    : loop_(loop),
      program_(program),
      on_accept_(std::move(on_accept)),
      use_devices_(use_devices),
      resume_([this](Instant) { set_watching(true); }) {}

ListeningSockets::~ListeningSockets() { close_all(); }

Status ListeningSockets::prepare(std::vector<ListeningPlace> next) {
  prepared_.clear();
  next_ = std::move(next);
  for (const ListeningPlace& place : next_) {
    const auto is_this = [&](const auto& socket) { return same_place(socket->place, place); };
    if (std::ranges::any_of(open_, is_this)) continue;
    auto fd = open_listening_socket(
        place.endpoint, {.device = use_devices_ ? place.realm : "", .dscp = place.dscp});
    if (!fd) {
      prepared_.clear();
      Error error = fd.error();
      error.where = "listener " + place.name + " (" + error.where + ")";
      return std::unexpected(error);
    }
    auto socket = std::make_unique<Socket>(*this, std::move(*fd));
    socket->place = place;
    prepared_.push_back(std::move(socket));
  }
  return {};
}

void ListeningSockets::commit() {
  for (auto& socket : prepared_) {
    const ListeningPlace& place = socket->place;
    if (auto ok = loop_.watch(socket->fd.get(), wanted_events(), *socket); !ok) {
      log::error(program_, "listener {}: {}", place.endpoint.text(), ok.error().text());
    }
    log::info(program_, "listening on {} in realm {}", place.endpoint.text(), place.realm);
    open_.push_back(std::move(socket));
  }
  prepared_.clear();
  std::erase_if(open_, [this](const auto& socket) {
    const auto it = std::ranges::find_if(
        next_, [&](const ListeningPlace& place) { return same_place(place, socket->place); });
    if (it != next_.end()) {
      socket->place = *it;
      // Of those that stay, too: the realm's mark may have changed.
      mark_socket(socket->fd.get(), it->endpoint.address, it->dscp);
      return false;
    }
    log::info(program_, "no longer listening on {} in realm {}", socket->place.endpoint.text(),
              socket->place.realm);
    loop_.unwatch(socket->fd.get(), *socket);
    return true;
  });
}

void ListeningSockets::close_all() {
  for (auto& socket : open_) loop_.unwatch(socket->fd.get(), *socket);
  open_.clear();
  prepared_.clear();
}

void ListeningSockets::back_off() {
  loop_.timers().set(resume_, loop_.now() + kBackOff);
  set_watching(false);
}

void ListeningSockets::set_watching(bool watching) {
  if (watching == watching_) return;
  watching_ = watching;
  for (auto& socket : open_) loop_.change(socket->fd.get(), wanted_events(), *socket);
}

void ListeningSockets::accept(Socket& socket) {
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
    on_accept_(std::move(fd), Endpoint::from_sockaddr(address), socket.place.number);
  }
}

}  // namespace fedge
