// Many phones of one side: so many UDP sockets, each with one RTP stream out and one in, as fast as
// phones talk. Python cannot send a hundred streams at 50 packets/s.
//
//   rtp_peer SIDE ADDRESS COUNT
//     SIDE is 0 or 1: streams of the other side are what is to come. Prints {"ports": […]} and
//     then obeys lines of standard input, each answered with a line of JSON:
//   target INDEX ADDRESS PORT   where a stream goes, and where the other's must come from
//   start RATE                  packets a second of each stream, evenly apart over all streams
//   stop                        sends no more
//   report                      what has come, by stream; "late" is how often the machine kept it
//                               waiting: then it goes on from there and makes up for nothing
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "tests/bench/load_measure.h"

namespace load {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;
constexpr uint64_t kTick = 1'000'000;
constexpr uint64_t kLate = 20'000'000;  // what a packet of speech lasts
constexpr int kReceiveRoom = 4 << 20;
constexpr size_t kAtOnce = 64;

// 20 ms of G.711. The numbers behind RTP's own header tell whose packet it is.
struct Packet {
  uint8_t version = 0x80;
  uint8_t payload_type = 0;
  uint16_t sequence = 0;
  uint32_t timestamp = 0;
  uint32_t ssrc = 0;
  uint32_t magic = kMagic;
  uint32_t side = 0;
  uint32_t stream = 0;
  uint32_t number = 0;
  std::array<uint8_t, 144> speech{};
  static constexpr uint32_t kMagic = 0x66656467;
};
static_assert(sizeof(Packet) == 12 + 160);

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;

  static bool read(const std::string& text, uint16_t port, Endpoint& out) {
    out = {};
    auto& v4 = reinterpret_cast<sockaddr_in&>(out.address);
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out.address);
    if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
      v4.sin_family = AF_INET;
      v4.sin_port = htons(port);
      out.size = sizeof v4;
    } else if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) == 1) {
      v6.sin6_family = AF_INET6;
      v6.sin6_port = htons(port);
      out.size = sizeof v6;
    }
    return out.size != 0;
  }
  uint16_t port() const {
    const bool is_v4 = address.ss_family == AF_INET;
    return ntohs(is_v4 ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                       : reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
  }
  // Of IPv6 without scope and flow.
  bool is(const Endpoint& other) const {
    if (address.ss_family != other.address.ss_family || port() != other.port()) return false;
    if (address.ss_family == AF_INET) {
      return std::memcmp(&reinterpret_cast<const sockaddr_in&>(address).sin_addr,
                         &reinterpret_cast<const sockaddr_in&>(other.address).sin_addr, 4) == 0;
    }
    return std::memcmp(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr,
                       &reinterpret_cast<const sockaddr_in6&>(other.address).sin6_addr, 16) == 0;
  }
};

[[noreturn]] void give_up(const char* what) {
  perror(what);
  exit(1);
}

struct Stream {
  int fd = -1;
  Endpoint target;
  std::vector<uint64_t> sent;  // when which packet went out
  std::vector<uint64_t> come;  // when which packet of the other side came first; 0: not yet
  uint64_t received = 0;       // different ones
  uint64_t repeated = 0;
  uint64_t misplaced = 0;  // not from the target, or another stream's
  uint64_t strange = 0;    // not from the other side's phones at all
};

class Peer {
 public:
  Peer(uint32_t side, const std::string& address, size_t count) : side_(side), streams_(count) {
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    Endpoint local;
    if (!Endpoint::read(address, 0, local)) give_up(address.c_str());
    for (size_t i = 0; i < count; ++i) {
      streams_[i].fd = open(local);
      watch(streams_[i].fd, i);
    }
    watch(timer_, kTimer);
    watch(STDIN_FILENO, kInput);
  }

  void run() {
    std::cout << "{\"ports\": [";
    for (size_t i = 0; i < streams_.size(); ++i) {
      Endpoint local;
      local.size = sizeof local.address;
      getsockname(streams_[i].fd, reinterpret_cast<sockaddr*>(&local.address), &local.size);
      std::cout << (i == 0 ? "" : ", ") << local.port();
    }
    std::cout << "]}" << std::endl;
    std::array<epoll_event, 256> events;
    while (!done_) {
      const int count = epoll_wait(epoll_, events.data(), int(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const uint64_t what = events[size_t(i)].data.u64;
        if (what == kInput) {
          obey();
        } else if (what == kTimer) {
          send_due();
        } else {
          receive(what);
        }
      }
    }
  }

 private:
  static constexpr uint64_t kTimer = ~uint64_t{0};
  static constexpr uint64_t kInput = kTimer - 1;

  static int open(const Endpoint& local) {
    const int fd = socket(local.address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) give_up("socket");
    // What comes while nobody reads is not lost for that.
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveRoom, sizeof kReceiveRoom);
    if (bind(fd, reinterpret_cast<const sockaddr*>(&local.address), local.size) != 0) {
      give_up("bind");
    }
    return fd;
  }

  void watch(int fd, uint64_t what) {
    epoll_event event{.events = EPOLLIN, .data = {.u64 = what}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) give_up("epoll");
  }

  // --- packets --------------------------------------------------------------------------------

  void send_due() {
    uint64_t ignored;
    (void)!read(timer_, &ignored, sizeof ignored);
    if (gap_ == 0) return;
    const uint64_t now = now_ns();
    if (now > due_ + kLate) {
      ++late_;
      due_ = now;
    }
    for (; due_ <= now; due_ += gap_) {
      send(streams_[next_], uint32_t(next_), now);
      next_ = (next_ + 1) % streams_.size();
    }
  }

  void send(Stream& stream, uint32_t index, uint64_t now) {
    if (stream.target.size == 0) return;
    const auto number = uint32_t(stream.sent.size());
    Packet packet;
    packet.sequence = htons(uint16_t(number));
    packet.timestamp = htonl(number * 160);
    packet.ssrc = htonl(side_ << 16 | index);
    packet.side = side_;
    packet.stream = index;
    packet.number = number;
    if (sendto(stream.fd, &packet, sizeof packet, 0,
               reinterpret_cast<const sockaddr*>(&stream.target.address),
               stream.target.size) != sizeof packet) {
      ++unsent_;  // the number is the next packet's
      return;
    }
    stream.sent.push_back(now);
  }

  void receive(size_t index) {
    std::array<Packet, kAtOnce> packets;
    std::array<Endpoint, kAtOnce> sources;
    std::array<iovec, kAtOnce> rooms;
    std::array<mmsghdr, kAtOnce> messages{};
    for (size_t i = 0; i < kAtOnce; ++i) {
      rooms[i] = {&packets[i], sizeof packets[i]};
      messages[i].msg_hdr = {
          &sources[i].address, sizeof sources[i].address, &rooms[i], 1, nullptr, 0, 0};
    }
    const int count = recvmmsg(streams_[index].fd, messages.data(), kAtOnce, 0, nullptr);
    const uint64_t now = now_ns();
    for (int i = 0; i < count; ++i) {
      const auto at = size_t(i);
      take(streams_[index], index, packets[at], messages[at].msg_len, sources[at], now);
    }
  }

  void take(Stream& stream, size_t index, const Packet& packet, size_t size, const Endpoint& source,
            uint64_t now) {
    if (size != sizeof packet || packet.magic != Packet::kMagic || packet.side != 1 - side_) {
      ++stream.strange;
      return;
    }
    if (packet.stream != index || !source.is(stream.target)) {
      ++stream.misplaced;
      return;
    }
    if (packet.number >= stream.come.size()) stream.come.resize(packet.number + 1);
    uint64_t& came = stream.come[packet.number];
    (came == 0 ? stream.received : stream.repeated) += 1;
    if (came == 0) came = now;
  }

  // --- orders ---------------------------------------------------------------------------------

  void obey() {
    std::array<char, 4096> room;
    const ssize_t size = read(STDIN_FILENO, room.data(), room.size());
    if (size <= 0) {
      done_ = true;
      return;
    }
    input_.append(room.data(), size_t(size));
    for (size_t end; (end = input_.find('\n')) != input_.npos; input_.erase(0, end + 1)) {
      std::istringstream line(input_.substr(0, end));
      obey(line);
      std::cout << std::endl;
    }
  }

  void obey(std::istringstream& line) {
    std::string word;
    line >> word;
    if (word == "target") {
      size_t index = 0;
      uint16_t port = 0;
      std::string address;
      line >> index >> address >> port;
      if (line && index < streams_.size() &&
          Endpoint::read(address, port, streams_[index].target)) {
        std::cout << "{}";
        return;
      }
    } else if (word == "start") {
      uint64_t rate = 0;
      line >> rate;
      if (rate != 0) return start(rate);
    } else if (word == "stop") {
      gap_ = 0;
      std::cout << "{}";
      return;
    } else if (word == "report") {
      return report();
    }
    std::cout << "{\"error\": \"no order\"}";
  }

  void start(uint64_t rate) {
    gap_ = kSecond / (rate * streams_.size());
    due_ = now_ns();
    const itimerspec every{.it_interval = {0, kTick}, .it_value = {0, kTick}};
    timerfd_settime(timer_, 0, &every, nullptr);
    std::cout << "{}";
  }

  // Times are of the monotonic clock, the same for both sides.
  template <class Numbers>
  static void print(const char* name, const Numbers& numbers) {
    std::cout << ", \"" << name << "\": [";
    for (size_t i = 0; i < numbers.size(); ++i) {
      std::cout << (i == 0 ? "" : ", ") << double(numbers[i] / 1000) / 1e6;
    }
    std::cout << ']';
  }

  void report() const {
    std::cout.setf(std::ios::fixed);
    std::cout.precision(6);
    std::cout << "{\"late\": " << late_ << ", \"unsent\": " << unsent_ << ", \"streams\": [";
    for (size_t i = 0; i < streams_.size(); ++i) {
      const Stream& stream = streams_[i];
      std::cout << (i == 0 ? "" : ", ") << "{\"received\": " << stream.received
                << ", \"repeated\": " << stream.repeated << ", \"misplaced\": " << stream.misplaced
                << ", \"strange\": " << stream.strange
                << ", \"overflowed\": " << overflowed(stream.fd);
      print("sent", stream.sent);
      print("come", stream.come);
      std::cout << '}';
    }
    std::cout << "]}";
  }

  // Packets that came to this socket and found no room: nobody's fault but ours.
  static uint32_t overflowed(int fd) {
    std::array<uint32_t, 9> memory{};  // SK_MEMINFO_*; the last one is the drops
    socklen_t size = sizeof memory;
    getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory.data(), &size);
    return memory[8];
  }

  const uint32_t side_;
  std::vector<Stream> streams_;
  int epoll_ = -1;
  int timer_ = -1;
  bool done_ = false;
  std::string input_;
  uint64_t gap_ = 0;  // between any two packets; 0: none are sent
  uint64_t due_ = 0;
  size_t next_ = 0;
  uint64_t late_ = 0;
  uint64_t unsent_ = 0;
};

}  // namespace
}  // namespace load

int main(int argc, char** argv) {
  if (argc != 4) {
    fprintf(stderr, "rtp_peer SIDE ADDRESS COUNT\n");
    return 2;
  }
  load::Peer(uint32_t(atoi(argv[1])), argv[2], size_t(atoi(argv[3]))).run();
}
