#include "dataplane/fastpath/worker.h"

#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "dataplane/admission/classifier.h"
#include "dataplane/fastpath/frame.h"
#include "dataplane/fastpath/tag.h"

namespace fedge::fastpath {

namespace {

using admission::kNoRealm;

// A port that takes nothing for so long loses what waits for it.
constexpr Duration kStuck = 100ms;
constexpr unsigned long kTimerSlackNs = 1000;
constexpr uint8_t kFirst = 0;  // the worker of what has to be in one place

void forget_error(int socket) {
  int error = 0;
  socklen_t size = sizeof error;
  (void)::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size);
}

}  // namespace

Worker::Worker(const Surroundings& surroundings, uint8_t number)
    : ports_(surroundings.ports),
      pools_(surroundings.pools),
      peers_(surroundings.peers),
      mirror_(surroundings.mirror),
      crossing_(surroundings.crossing),
      adopted_event_(surroundings.adopted_event),
      number_(number),
      idle_(std::ranges::any_of(ports_,
                                [number](const Port& port) { return port.wake_fds[number] < 0; })),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      outgoing_(ports_.size()),
      tap_ready_(kMostRealms),
      strangers_(kMostRealms),
      reassembly_([this](uint16_t realm, admission::Refusal why, unsigned fragments) {
        count_dropped(realm, Direction::in, plan_->meters.drops[admission::Reason(why).index()],
                      fragments);
      }) {}

Worker::~Worker() { stop(); }

Status Worker::start(const Plan* first) {
  const auto watch = [this](int fd) {
    epoll_event event{.events = EPOLLIN, .data = {.fd = fd}};
    return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
  };
  bool watched = watch(crossing_.wake_fd(number_));
  for (const Port& port : ports_) {
    const int fd = port.wake_fds[number_];
    watched = watched && (fd < 0 || watch(fd));
  }
  if (!watched) return fail_errno("fastpath", "cannot watch the ports");
  offered_.store(first, std::memory_order_release);
  thread_ = std::thread([this] { run(); });
  return {};
}

void Worker::offer(const Plan* plan) {
  offered_.store(plan, std::memory_order_release);
  crossing_.wake(number_);
}

void Worker::stop() {
  if (!thread_.joinable()) return;
  stopping_.store(true, std::memory_order_release);
  crossing_.wake(number_);
  thread_.join();
}

void Worker::run() {
  ::pthread_setname_np(::pthread_self(), ("fedge-worker" + std::to_string(number_)).c_str());
  ::prctl(PR_SET_TIMERSLACK, kTimerSlackNs, 0, 0, 0);
  // DPDK gives registered threads caches of their own.
  (void)rte_thread_register();
  while (!stopping_.load(std::memory_order_acquire)) {
    const Plan* const offered = offered_.load(std::memory_order_acquire);
    if (offered != plan_) adopt(offered);
    const Instant now = now_monotonic();
    const bool moved = run_round(now);
    if (now >= next_beat_) beat(now);
    alive_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
    counters_->add(plan_->meters.rounds);
    bool waiting = false;
    for (const Outgoing& out : outgoing_) waiting = waiting || out.count != 0;
    sleep(idle_.next_wait(moved, waiting));
  }
  for (Outgoing& out : outgoing_) rte_pktmbuf_free_bulk(out.frames.data(), out.count);
  rte_pktmbuf_free(spare_);
  rte_thread_unregister();
}

void Worker::adopt(const Plan* plan) {
  watch_taps(plan_, plan);
  if (plan_ != nullptr && plan_->tables != plan->tables) reassembly_.clear();
  plan_ = plan;
  counters_ = &plan->ledger->tally(number_);
  media_ = plan->media_parts[number_];
  if (media_ != nullptr) media_->use(plan->media.get(), plan->routes.get(), now_monotonic());
  // What waits in a tap says so again: the descriptors are watched by level.
  std::ranges::fill(tap_ready_, uint8_t{1});
  adopted_.store(plan->sequence, std::memory_order_release);
  const uint64_t one = 1;
  (void)!::write(adopted_event_, &one, sizeof one);
}

void Worker::watch_taps(const Plan* before, const Plan* after) {
  const auto has = [this](const Plan* plan, const RealmPath& path) {
    return plan != nullptr && std::ranges::any_of(plan->realms, [&](const RealmPath& other) {
             return other.taps[number_] == path.taps[number_];
           });
  };
  if (before != nullptr) {
    for (const RealmPath& path : before->realms) {
      if (path.tap(number_) >= 0 && !has(after, path)) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, path.tap(number_), nullptr);
      }
    }
  }
  for (const RealmPath& path : after->realms) {
    const int tap = path.tap(number_);
    if (tap < 0 || has(before, path)) continue;
    epoll_event event{.events = EPOLLIN, .data = {.fd = tap}};
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, tap, &event);
  }
}

bool Worker::run_round(Instant now) {
  unsigned moved = 0;
  now_ = now;
  reassembly_.expire(now);
  if (media_ != nullptr) media_->begin_round(now);
  const auto ports = static_cast<uint16_t>(ports_.size());
  const auto realms = static_cast<uint16_t>(plan_->realms.size());
  for (uint16_t port = 0; port < ports; ++port) moved += receive(port);
  moved += receive_crossed();
  if (media_ != nullptr) moved += read_front();
  for (uint16_t realm = 0; realm < realms; ++realm) {
    if (tap_ready_[realm] != 0) moved += read_tap(realm);
  }
  for (uint16_t port = 0; port < ports; ++port) flush(port, now);
  if (media_ != nullptr) media_->wake_front();
  return moved != 0;
}

// --- from the wire -----------------------------------------------------------------------------

uint16_t Worker::receive(uint16_t port) {
  std::array<rte_mbuf*, kBurst> frames;
  const uint16_t count = rte_eth_rx_burst(ports_[port].id, number_, frames.data(), kBurst);
  if (count == 0) return 0;
  counters_->add(plan_->meters.ports[port].received, count);
  counters_->add(plan_->meters.received[number_], count);
  for (uint16_t i = 0; i < count; ++i) {
    media::Packet& packet = packets_[i];
    packet = {};
    packet.handle = frames[i];
    packet.port = port;
    lay_open(packet);
  }
  relay({packets_.data(), count});
  return count;
}

uint16_t Worker::receive_crossed() {
  std::array<rte_mbuf*, kBurst> frames;
  const unsigned count = crossing_.take(number_, frames);
  for (unsigned i = 0; i < count; ++i) {
    packets_[i] = *static_cast<const media::Packet*>(rte_mbuf_to_priv(frames[i]));
  }
  relay({packets_.data(), count});
  return static_cast<uint16_t>(count);
}

bool Worker::punt(uint16_t port, rte_mbuf* frame) {
  ip::PacketView view;
  auto verdict = classify_inbound(*plan_->tables, peers_, port,
                                  {bytes_of(frame), rte_pktmbuf_data_len(frame)}, view);
  if ((verdict.passes() || verdict.drop == admission::Refusal::icmp_unrelated) &&
      report_icmp(port, frame, view))
    return false;
  if (verdict.as >= admission::Class::neighbour && verdict.passes()) [[unlikely]] {
    if (number_ != kFirst) {
      media::Packet packet;
      packet.handle = frame;
      packet.port = port;
      lay_open(packet);
      hand_over(kFirst, packet);
      return false;
    }
    if (verdict.as == admission::Class::fragment) {
      hold(port, verdict, view);
      return true;
    }
    if (!may_ask(verdict, view)) verdict.drop = admission::Refusal::neighbour_flood;
  }
  if (!is_open_relay(verdict, view)) verdict.drop = admission::Refusal::tcp_closed_port;
  if (verdict.passes()) {
    write_to_tap(verdict, bytes_of(frame), view);
  } else {
    refuse(verdict, Direction::in);
  }
  return true;
}

// What is no relay's is none that is closed.
bool Worker::is_open_relay(const admission::Verdict& verdict, const ip::PacketView& view) const {
  if (!verdict.passes() || verdict.as != admission::Class::relay) return true;
  return media_ != nullptr && media_->relays_tcp(view.destination, view.destination_port);
}

// `frame` is what `view` is of.
void Worker::write_to_tap(const admission::Verdict& verdict, std::byte* frame,
                          const ip::PacketView& view) {
  Bytes untagged = view.frame;
  if (view.tagged) {
    remove_tag(frame);
    untagged = untagged.subspan(ip::kVlanSize);
  }
  const int tap = plan_->realms[verdict.realm].tap(number_);
  if (tap < 0) return lose(verdict.realm, Direction::in, Loss::no_tap);
  if (::write(tap, untagged.data(), untagged.size()) >= 0) {
    return count(verdict, Direction::in, untagged.size());
  }
  const bool full = errno == EAGAIN || errno == ENOBUFS;
  lose(verdict.realm, Direction::in, full ? Loss::tap_full : Loss::tap_down);
}

// --- from the kernel ---------------------------------------------------------------------------

uint16_t Worker::read_tap(uint16_t realm) {
  const RealmPath& path = plan_->realms[realm];
  if (path.tap(number_) < 0) {
    tap_ready_[realm] = 0;
    return 0;
  }
  // A full port holds the tap back, and the tap's queue the kernel's TCP.
  const Outgoing& out = outgoing_[path.port];
  uint16_t count = 0;
  while (count < kBurst && out.count < out.frames.size() && read_frame(realm)) ++count;
  return count;
}

// False when the tap has nothing more.
bool Worker::read_frame(uint16_t realm) {
  if (spare_ == nullptr) spare_ = rte_pktmbuf_alloc(pools_.frames);
  if (spare_ == nullptr) return false;
  const int tap = plan_->realms[realm].tap(number_);
  const ssize_t size = ::read(tap, bytes_of(spare_), rte_pktmbuf_tailroom(spare_));
  if (size < 0) {
    if (errno == EINTR) return true;
    tap_ready_[realm] = 0;
    // The tap was removed under us: a new one comes with a new plan. Watched on, it would keep
    // the worker awake.
    if (errno != EAGAIN) {
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tap, nullptr);
    }
    return false;
  }
  send_out(realm, spare_, static_cast<uint16_t>(size));
  return true;
}

// Takes `frame` (the spare one) when it leaves; otherwise it is used again.
void Worker::send_out(uint16_t realm, rte_mbuf* frame, uint16_t size) {
  const RealmPath& path = plan_->realms[realm];
  ip::PacketView view;
  const auto verdict =
      classify_outbound(*plan_->tables, peers_, realm, {bytes_of(frame), size}, view);
  if (!verdict.passes()) return refuse(verdict, Direction::out);
  if (size > path.most_frame) [[unlikely]]
    return send_in_pieces(verdict, view);
  count(verdict, Direction::out, size);
  (void)rte_pktmbuf_append(frame, size);
  queue(path, frame);
  spare_ = nullptr;
}

void Worker::queue(const RealmPath& path, rte_mbuf* frame) {
  if (path.vlan != 0) {
    (void)rte_pktmbuf_prepend(frame, ip::kVlanSize);
    insert_tag(bytes_of(frame), path.vlan);
  }
  Outgoing& out = outgoing_[path.port];
  out.frames[out.count++] = frame;
}

bool Worker::has_room(uint16_t port) {
  Outgoing& out = outgoing_[port];
  if (out.count == out.frames.size()) flush(port, now_);
  return out.count < out.frames.size();
}

void Worker::flush(uint16_t port, Instant now) {
  Outgoing& out = outgoing_[port];
  if (out.count == 0) return;
  const PortMeters& meters = plan_->meters.ports[port];
  const uint16_t sent = rte_eth_tx_burst(ports_[port].id, number_, out.frames.data(), out.count);
  counters_->add(meters.sent, sent);
  if (sent == out.count) {
    out.count = 0;
    out.stuck_since = never;
    return;
  }
  counters_->add(meters.back_pressure);
  std::move(out.frames.begin() + sent, out.frames.begin() + out.count, out.frames.begin());
  out.count = static_cast<uint16_t>(out.count - sent);
  if (sent != 0 || out.stuck_since == never) out.stuck_since = now;
  if (now - out.stuck_since < kStuck) return;
  counters_->add(plan_->meters.losses[static_cast<size_t>(Loss::transmit_full)], out.count);
  rte_pktmbuf_free_bulk(out.frames.data(), out.count);
  out.count = 0;
  out.stuck_since = never;
}

// --- waiting and counting ----------------------------------------------------------------------

void Worker::sleep(Duration at_most) {
  if (at_most == Duration::zero()) return wait(at_most);
  counters_->add(plan_->meters.sleeps);
  const bool quiet =
      crossing_.may_sleep(number_) && (media_ == nullptr || media_->front_may_sleep());
  wait(quiet ? at_most : Duration::zero());
  crossing_.woke(number_);
}

void Worker::wait(Duration at_most) {
  std::array<epoll_event, 32> events;
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(at_most);
  const timespec timeout{.tv_sec = seconds.count(), .tv_nsec = (at_most - seconds).count()};
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   &timeout, nullptr);
  for (int i = 0; i < count; ++i) {
    const int fd = events[static_cast<size_t>(i)].data.fd;
    const auto at = static_cast<size_t>(fd);
    if (fd == crossing_.wake_fd(number_)) {
      uint64_t ignored;
      (void)!::read(fd, &ignored, sizeof ignored);
    } else if (fd == front_event_) {
      media_->on_front_woken();
    } else if (is_port(fd)) {
      // A port that went down says so until it is asked; frames come again when it is up.
      if ((events[static_cast<size_t>(i)].events & EPOLLERR) != 0) forget_error(fd);
    } else if (at < plan_->realm_of_tap.size() && plan_->realm_of_tap[at] != kNoRealm) {
      tap_ready_[plan_->realm_of_tap[at]] = 1;
    }
  }
}

bool Worker::is_port(int fd) const {
  return std::ranges::any_of(ports_,
                             [&](const Port& port) { return port.wake_fds[number_] == fd; });
}

void Worker::refuse(const admission::Verdict& verdict, Direction direction) {
  count_dropped(verdict.realm, direction, plan_->meters.drops[verdict.drop.index()], 1);
}

void Worker::lose(uint16_t realm, Direction direction, Loss loss) {
  count_dropped(realm, direction, plan_->meters.losses[static_cast<size_t>(loss)], 1);
}

void Worker::count_dropped(uint16_t realm, Direction direction, uint32_t series, unsigned packets) {
  counters_->add(series, packets);
  if (realm == kNoRealm) return;
  counters_->add(plan_->meters.realms[realm].dropped[static_cast<size_t>(direction)], packets);
}

void Worker::count(const admission::Verdict& verdict, Direction direction, size_t size) {
  const RealmMeters& meters = plan_->meters.realms[verdict.realm];
  const auto d = static_cast<size_t>(direction);
  counters_->add(meters.packets[d][static_cast<size_t>(verdict.as)]);
  counters_->add(meters.bytes[d], size);
  if (direction == Direction::in) {
    counters_->add(meters.peers[static_cast<size_t>(verdict.peer)]);
  }
}

}  // namespace fedge::fastpath
