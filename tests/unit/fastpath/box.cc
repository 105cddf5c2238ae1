#include "tests/unit/fastpath/box.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

#include "firmware/netlink/monitor.h"

namespace fedge::fastpath {

namespace {

std::string program() {
  std::array<char, 4096> path{};
  if (::readlink("/proc/self/exe", path.data(), path.size() - 1) < 0) return {};
  const std::string self(path.data());
  return self.substr(0, self.rfind("/tests/")) + "/bin/fedge-fastpath";
}

std::string prefix() { return "h6-" + std::to_string(::getpid()); }

struct Compiled {
  std::vector<std::pair<snapshot::Kind, std::string>> sections;
};

// Empty when no realm has media.
std::string compile_media(const std::vector<TestRealm>& realms) {
  snapshot::Writer m(snapshot::Kind::media);
  std::vector<snapshot::MediaPool> pools;
  for (uint16_t i = 0; i < realms.size(); ++i) {
    if (!realms[i].media) continue;
    const std::vector<IpAddress> addresses{Prefix::parse(realms[i].ours)->address};
    const auto slice = m.slice(addresses);
    pools.push_back({slice, i, 50000, 50099, snapshot::PoolUse::anchor});
    pools.push_back({slice, i, 51000, 51099, snapshot::PoolUse::turn});
  }
  if (pools.empty()) return {};
  snapshot::Media root{};
  root.turn_realm = m.text("example.com");
  root.pools = m.slice(pools);
  root.max_sessions = root.max_sessions_per_user = root.max_sessions_per_source = 100;
  root.credential_minutes = 480;
  root.lifetime_default_s = root.lifetime_max_s = root.nonce_s = 600;
  return m.finish(root);
}

void add_stun(snapshot::Writer& l, std::vector<snapshot::Listener>& listeners,
              const IpAddress& address, uint16_t realm) {
  snapshot::Listener listener{};
  listener.name = l.text("stun-" + address.text());
  listener.endpoint = {address, 3478};
  listener.realm = realm;
  listener.tls_context = snapshot::kNone16;
  listener.transport = snapshot::Transport::udp;
  listener.service = snapshot::Service::av;
  listeners.push_back(listener);
}

Compiled compile(const std::vector<TestRealm>& realms) {
  snapshot::Writer r(snapshot::Kind::realms);
  snapshot::Writer l(snapshot::Kind::listeners);
  std::vector<snapshot::Port> ports{{r.text("wan"), r.text("port0")}};
  std::vector<snapshot::Realm> list;
  std::vector<snapshot::Listener> listeners;
  for (const TestRealm& realm : realms) {
    snapshot::Realm out{};
    out.name = r.text(realm.name);
    out.vlan = realm.vlan;
    out.mtu = realm.mtu;
    std::vector<snapshot::RealmAddress> addresses;
    for (const auto& text : {realm.ours, realm.ours6}) {
      if (text.empty()) continue;
      addresses.push_back({*Prefix::parse(text), {}});
      if (realm.media) {
        add_stun(l, listeners, addresses.back().address.address,
                 static_cast<uint16_t>(list.size()));
      }
      if (realm.listener == 0) continue;
      snapshot::Listener listener{};
      listener.name = l.text("access-" + text);
      listener.endpoint = {addresses.back().address.address, realm.listener};
      listener.realm = static_cast<uint16_t>(list.size());
      listener.tls_context = snapshot::kNone16;
      listener.transport = snapshot::Transport::tcp;
      listeners.push_back(listener);
    }
    out.addresses = r.slice(addresses);
    list.push_back(out);
  }
  snapshot::Realms root{};
  root.ports = r.slice(ports);
  root.realms = r.slice(list);
  snapshot::Listeners listener_root{};
  listener_root.listeners = l.slice(listeners);
  snapshot::Writer a(snapshot::Kind::appliance);
  snapshot::Appliance appliance{};
  appliance.name = a.text("box");
  snapshot::Writer o(snapshot::Kind::routing);
  const snapshot::Routing routing{};
  Compiled out{
      {{snapshot::Kind::appliance, a.finish(appliance)},
       {snapshot::Kind::realms, r.finish(root)},
       {snapshot::Kind::listeners, l.finish(listener_root)},
       {snapshot::Kind::routing, o.finish(routing)},
       {snapshot::Kind::resolver, snapshot::Writer(snapshot::Kind::resolver)
                                      .finish(snapshot::Resolver{{}, snapshot::kNone16})}}};
  if (auto media = compile_media(realms); !media.empty()) {
    out.sections.emplace_back(snapshot::Kind::media, std::move(media));
  }
  return out;
}

}  // namespace

void shell(const std::string& command) { ASSERT_EQ(std::system(command.c_str()), 0) << command; }

std::string Box::missing() {
  if (::geteuid() != 0) return "needs root";
  if (::access(program().c_str(), X_OK) != 0) return program() + " is not built";
  if (::access("/dev/net/tun", R_OK | W_OK) != 0) return "no /dev/net/tun";
  return {};
}

Box::Box()
    : punt_name(prefix() + "-punt"), peer_name(prefix() + "-peer"), wire_name(prefix() + "-wire") {
  for (const auto& name : {wire_name, punt_name, peer_name}) {
    EXPECT_TRUE(netlink::NetworkNamespace::open(name));
  }
  if (const char* number = std::getenv("FEDGE_FASTPATH_WORKERS")) {
    workers = static_cast<unsigned>(std::atoi(number));
  }
  punt = *netlink::NetworkNamespace::open(punt_name);
  peer = *netlink::NetworkNamespace::open(peer_name);
  shell("ip link add wan netns " + wire_name + " type veth peer name peer0 netns " + peer_name);
  shell("ip -n " + wire_name + " link set wan up");
  shell("ip netns exec " + wire_name + " sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
  shell("ip -n " + peer_name + " link set peer0 up");
  shell("ip netns exec " + peer_name + " ethtool -K peer0 tx off >/dev/null");
  page_ = std::move(*make_shared_memfd("counters", sizeof(CounterPage)));
  view_ = CountersView(std::move(*Mapping::read_only(page_.get())));
}

Box::~Box() {
  kill_program();
  held_.clear();
  for (const auto& name : {wire_name, punt_name, peer_name}) {
    (void)netlink::NetworkNamespace::remove(name);
  }
}

std::string Box::port_mac() const {
  const std::string command = "ip netns exec " + wire_name +
                              " cat /sys/class/net/wan/address 2>/dev/null || ip -n " + wire_name +
                              " -br link show wan | awk '{print $3}'";
  std::array<char, 64> line{};
  FILE* const out = ::popen(command.c_str(), "r");
  if (out == nullptr || ::fgets(line.data(), line.size(), out) == nullptr) return {};
  ::pclose(out);
  std::string mac(line.data());
  return mac.substr(0, mac.find('\n'));
}

void Box::set_up(const std::vector<TestRealm>& realms) {
  const std::string ip = "ip -n " + punt_name + " ";
  for (const TestRealm& realm : realms) {
    const netlink::Inside inside(punt);
    auto queue = netlink::open_tap_queue(realm.name);
    ASSERT_TRUE(queue) << queue.error().text();
    ASSERT_TRUE(netlink::detach_queue(*queue));
    held_.push_back(std::move(*queue));
    shell(ip + "link set " + realm.name + " address " + port_mac());
    shell(ip + "link set " + realm.name + " up");
    if (!realm.ours.empty()) shell(ip + "addr add " + realm.ours + " dev " + realm.name);
    if (!realm.ours6.empty()) shell(ip + "addr add " + realm.ours6 + " nodad dev " + realm.name);
  }
}

void Box::start_program() {
  auto pair = link::make_link();
  ASSERT_TRUE(pair);
  ready_ = closed_ = false;
  const int wire = ::open(("/run/netns/" + wire_name).c_str(), O_RDONLY | O_CLOEXEC);
  const std::string path = program();
  const std::string number = std::to_string(workers);
  pid_ = ::fork();
  if (pid_ == 0) {
    if (::setns(wire, CLONE_NEWNET) != 0) ::_exit(126);
    if (forbid_xdp) {
      for (const int capability : {CAP_BPF, CAP_SYS_ADMIN}) ::prctl(PR_CAPBSET_DROP, capability);
    }
    if (pair->second.get() == link::kInitLinkFd) {
      ::fcntl(link::kInitLinkFd, F_SETFD, 0);
    } else {
      ::dup2(pair->second.get(), link::kInitLinkFd);
    }
    // The sandbox stops the leak check, which is a debugger.
    ::setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
    ::execl(path.c_str(), path.c_str(), "--instance", "unit", "--workers", number.c_str(), "--port",
            "port0=wan", nullptr);
    ::_exit(127);
  }
  ::close(wire);
  link_ = std::make_unique<link::Channel>(loop_, link::Process::init, link::Process::fastpath,
                                          std::move(pair->first));
  pair->second.reset();
  link_->start(
      [this](link::Received message) {
        if (message.kind == link::MessageKind::ready) ready_ = true;
        if (message.kind == link::MessageKind::neighbour_wanted) {
          look_for(*link::decode<link::NeighbourWanted>(message.payload));
        }
        if (message.kind != link::MessageKind::snapshot_running) return;
        answers_.push_back(*link::decode<link::SnapshotRunning>(message.payload));
      },
      [this](const std::string&) { closed_ = true; });
  const int page = page_.get();
  ASSERT_TRUE(link_->send(link::CounterPages{link::Process::fastpath}, {&page, 1}));
  send_sessions();
  {
    const netlink::Inside inside(punt);
    const auto monitor = netlink::open_monitor_socket();
    ASSERT_TRUE(monitor);
    const int fd = monitor->get();
    ASSERT_TRUE(link_->send(link::NetlinkSocket{}, {&fd, 1}));
  }
  ASSERT_TRUE(run_until([this] { return ready_ || closed_; }, 10s));
  ASSERT_TRUE(ready_) << "the fast path ended at start";
}

void Box::send_sessions() {
  for (uint16_t i = 0; i < workers; ++i) {
    if (sessions_.size() <= i) {
      sessions_.emplace_back(::memfd_create("sessions", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    }
    const int fd = sessions_[i].get();
    ASSERT_TRUE(link_->send(link::SessionMemory{i, static_cast<uint16_t>(workers)}, {&fd, 1}));
  }
}

void Box::look_for(const link::NeighbourWanted& wanted) const {
  const netlink::Inside inside(punt);
  auto socket = netlink::Socket::open();
  const auto tap = find_link(*socket, wanted.realm);
  ASSERT_TRUE(tap && *tap);
  EXPECT_TRUE(set_managed_neighbour(*socket, **tap, wanted.neighbour.address));
}

void Box::kill_program() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  link_.reset();
}

void Box::stop_program() {
  ASSERT_TRUE(link_->send(link::Stop{}));
  ASSERT_TRUE(run_until([this] { return closed_; }));
  int status = -1;
  ASSERT_EQ(::waitpid(pid_, &status, 0), pid_);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  pid_ = -1;
}

Duration Box::cpu_time() const {
  clockid_t clock;
  timespec t{};
  if (::clock_getcpuclockid(pid_, &clock) != 0) return {};
  ::clock_gettime(clock, &t);
  return std::chrono::seconds(t.tv_sec) + Duration(t.tv_nsec);
}

bool Box::program_runs() { return pid_ >= 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0; }

void Box::send_taps(const std::vector<TestRealm>& realms) {
  const netlink::Inside inside(punt);
  for (const TestRealm& realm : realms) {
    for (uint16_t i = 0; i < workers; ++i) {
      const auto queue = netlink::open_tap_queue(realm.name);
      ASSERT_TRUE(queue) << queue.error().text();
      const int fd = queue->get();
      ASSERT_TRUE(link_->send(link::TapQueue{realm.name, i}, {&fd, 1}));
    }
  }
}

link::SnapshotRunning Box::offer(const std::vector<TestRealm>& realms, uint64_t generation) {
  link::SnapshotOffer message{generation, generation, {}};
  std::vector<Fd> files;
  std::vector<int> fds;
  for (const auto& [kind, bytes] : compile(realms).sections) {
    message.sections.push_back({kind, {0, 0}});
    files.push_back(std::move(*make_sealed_memfd("section", as_bytes(bytes))));
    fds.push_back(files.back().get());
  }
  answers_.clear();
  EXPECT_TRUE(link_->send(message, fds));
  EXPECT_TRUE(run_until([this] { return !answers_.empty() || closed_; }));
  return answers_.empty() ? link::SnapshotRunning{} : answers_.back();
}

std::unique_ptr<link::Channel> Box::connect_signal(
    const std::function<void(link::Received)>& on_message) {
  auto pair = link::make_link();
  const int theirs = pair->second.get();
  EXPECT_TRUE(link_->send(link::LinkOpened{link::Process::signal}, {&theirs, 1}));
  auto out = std::make_unique<link::Channel>(loop_, link::Process::signal, link::Process::fastpath,
                                             std::move(pair->first));
  out->start(on_message, [](const std::string&) {});
  return out;
}

bool Box::run_until(const std::function<bool()>& condition, Duration at_most) {
  const Instant end = now_monotonic() + at_most;
  while (!condition()) {
    if (now_monotonic() > end) return false;
    loop_.run_once(10ms);
  }
  return true;
}

bool Box::counts(const std::string& name, uint64_t at_least) {
  return run_until([&] { return counter(name) >= at_least; });
}

std::string Box::losses() const {
  std::string out;
  for (uint32_t i = 0; i < view_.count(); ++i) {
    if (view_.name(i).find("dropped_total") == std::string::npos || view_.value(i) == 0) continue;
    out += std::string(view_.name(i)) + " " + std::to_string(view_.value(i)) + "\n";
  }
  return out;
}

uint64_t Box::counter(const std::string& name) const {
  for (uint32_t i = 0; i < view_.count(); ++i) {
    if (view_.name(i) == name) return view_.value(i);
  }
  return 0;
}

}  // namespace fedge::fastpath
