// Frames straight on an interface (AF_PACKET): many addresses and ports without a socket each, so
// that the generator costs less than the relay that it loads. The addresses must not be the
// kernel's; ARP for them is answered here.
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/bench/load_measure.h"

namespace load {

[[noreturn]] inline void give_up_now(const std::string& what) {
  perror(what.c_str());
  exit(1);
}

using Mac = std::array<uint8_t, 6>;
inline Mac virtual_mac(uint32_t address) { return {2, 0xbb, 0, 0, 0, uint8_t(address)}; }

inline void put16(uint8_t* at, uint16_t v) {
  at[0] = uint8_t(v >> 8);
  at[1] = uint8_t(v);
}
inline void put32(uint8_t* at, uint32_t v) {
  put16(at, uint16_t(v >> 16));
  put16(at + 2, uint16_t(v));
}
inline uint16_t get16(const uint8_t* at) { return uint16_t(at[0] << 8 | at[1]); }
inline uint32_t get32(const uint8_t* at) { return uint32_t(get16(at)) << 16 | get16(at + 2); }

// Host order throughout.
struct Place {
  uint32_t address = 0;
  uint16_t port = 0;
};

inline uint32_t to_address(const std::string& text) {
  in_addr out{};
  if (inet_pton(AF_INET, text.c_str(), &out) != 1) give_up_now("not an address: " + text);
  return ntohl(out.s_addr);
}

inline uint32_t sum_of(const uint8_t* at, size_t size, uint32_t sum = 0) {
  for (; size > 1; at += 2, size -= 2) sum += get16(at);
  return size ? sum + uint32_t(at[0] << 8) : sum;
}
inline uint16_t fold(uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return uint16_t(~sum);
}

constexpr size_t kHeaders = 14 + 20 + 8;

// Ethernet, IPv4 and UDP before `size` octets that are behind kHeaders already.
inline size_t write_headers(uint8_t* frame, const Mac& to_mac, Place from, Place to, size_t size) {
  memcpy(frame, to_mac.data(), 6);
  const Mac own = virtual_mac(from.address);
  memcpy(frame + 6, own.data(), 6);
  put16(frame + 12, 0x0800);
  uint8_t* const ip = frame + 14;
  put32(ip, 0x45000000 | uint32_t(28 + size));
  put32(ip + 4, 0x00004000);  // DF
  put32(ip + 8, 64u << 24 | 17u << 16);
  put32(ip + 12, from.address);
  put32(ip + 16, to.address);
  put16(ip + 10, fold(sum_of(ip, 20)));
  uint8_t* const udp = ip + 20;
  put16(udp, from.port);
  put16(udp + 2, to.port);
  put32(udp + 4, uint32_t(8 + size) << 16);
  const uint16_t check = fold(sum_of(udp, 8 + size, sum_of(ip + 12, 8, uint32_t(25 + size))));
  put16(udp + 6, check ? check : 0xffff);
  return kHeaders + size;
}

struct Arrived {
  Place from, to;
  const uint8_t* payload;
  size_t size;
};

class RawWire {
 public:
  static constexpr size_t kBatch = 32;
  static constexpr size_t kMost = 2048;

  RawWire(const std::string& netns, const std::string& device) {
    const int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    const int there = open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC);
    if (there < 0 || setns(there, CLONE_NEWNET) != 0) give_up_now("namespace " + netns);
    fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    const auto index = if_nametoindex(device.c_str());
    if (setns(home, CLONE_NEWNET) != 0) give_up_now("namespace");
    close(there);
    close(home);
    if (fd_ < 0 || index == 0) give_up_now("interface " + device);
    set(PACKET_VERSION, TPACKET_V2);
    set(PACKET_IGNORE_OUTGOING, 1);
    set(PACKET_QDISC_BYPASS, 1);
    tpacket_req ring{kBlock, kFrames * kMost / kBlock, kMost, kFrames};
    if (setsockopt(fd_, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring) != 0) give_up_now("ring");
    void* const mapped = mmap(nullptr, size_t(kFrames) * kMost, PROT_READ | PROT_WRITE,
                              MAP_SHARED | MAP_POPULATE, fd_, 0);
    if (mapped == MAP_FAILED) give_up_now("ring");
    ring_ = static_cast<uint8_t*>(mapped);
    sockaddr_ll at{};
    at.sll_family = AF_PACKET;
    at.sll_protocol = htons(ETH_P_ALL);
    at.sll_ifindex = int(index);
    if (bind(fd_, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) give_up_now("bind");
    for (size_t i = 0; i < kBatch; ++i) {
      parts_[i].iov_base = frames_[i].data();
      messages_[i].msg_hdr.msg_iov = &parts_[i];
      messages_[i].msg_hdr.msg_iovlen = 1;
    }
  }
  RawWire(const RawWire&) = delete;

  // Where the next frame may be written; commit() sends it, with others.
  uint8_t* next() { return frames_[waiting_].data(); }
  void commit(size_t size) {
    parts_[waiting_].iov_len = size;
    if (++waiting_ == kBatch) flush();
  }
  void flush() {
    for (size_t done = 0; done < waiting_;) {
      const int sent = sendmmsg(fd_, &messages_[done], unsigned(waiting_ - done), 0);
      if (sent > 0)
        done += size_t(sent);
      else
        ++done, ++refused_;  // the wire is full: lost
    }
    waiting_ = 0;
  }

  // Calls `on_datagram` for what has come; at most `most` frames.
  template <class OnDatagram>
  size_t receive(OnDatagram&& on_datagram, size_t most = 256) {
    size_t count = 0;
    for (; count < most; ++count) {
      uint8_t* const slot = ring_ + size_t(at_) * kMost;
      auto* const head = reinterpret_cast<tpacket2_hdr*>(slot);
      if ((__atomic_load_n(&head->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) break;
      take(slot + head->tp_mac, head->tp_snaplen, on_datagram);
      __atomic_store_n(&head->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
      at_ = (at_ + 1) % kFrames;
    }
    return count;
  }

  // Until something has come, a millisecond at most.
  void wait() {
    pollfd what{fd_, POLLIN, 0};
    poll(&what, 1, 1);
  }

  // The MAC of a neighbour, asked as `from`.
  Mac resolve(uint32_t address, uint32_t from) {
    resolved_ = {};
    asked_ = address;
    const uint64_t end = now_ns() + 5'000'000'000;
    while (now_ns() < end) {
      write_arp(1, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, from, {}, address);
      const uint64_t again = now_ns() + 200'000'000;
      while (now_ns() < again) {
        receive([](const Arrived&) {});
        if (resolved_ != Mac{}) return resolved_;
        usleep(500);
      }
    }
    fprintf(stderr, "nobody answers ARP for %08x\n", address);
    exit(1);
  }
  uint64_t refused() const { return refused_; }

 private:
  static constexpr unsigned kBlock = 1 << 16;
  static constexpr unsigned kFrames = 1 << 14;

  void set(int option, int value) {
    if (setsockopt(fd_, SOL_PACKET, option, &value, sizeof value) != 0) give_up_now("AF_PACKET");
  }
  template <class OnDatagram>
  void take(const uint8_t* frame, size_t size, OnDatagram& on_datagram) {
    if (size < 42) return;
    if (get16(frame + 12) == 0x0806) return on_arp(frame);
    if (get16(frame + 12) != 0x0800 || frame[14] != 0x45 || frame[23] != 17) return;
    const size_t length = get16(frame + 38);
    if (length < 8 || 34 + length > size) return;
    on_datagram(Arrived{{get32(frame + 26), get16(frame + 34)},
                        {get32(frame + 30), get16(frame + 36)},
                        frame + kHeaders,
                        length - 8});
  }
  void on_arp(const uint8_t* frame) {
    const uint8_t* const arp = frame + 14;
    Mac sender;
    memcpy(sender.data(), arp + 8, 6);
    if (get16(arp + 6) == 2 && get32(arp + 14) == asked_) resolved_ = sender;
    // Addresses from .16 on are the generator's.
    if (get16(arp + 6) != 1 || (get32(arp + 24) & 0xff) < 16) return;
    write_arp(2, sender, get32(arp + 24), sender, get32(arp + 14));
  }
  void write_arp(uint16_t what, const Mac& to, uint32_t from, const Mac& target, uint32_t address) {
    flush();
    uint8_t* const frame = next();
    const Mac own = virtual_mac(from);
    memcpy(frame, to.data(), 6);
    memcpy(frame + 6, own.data(), 6);
    put32(frame + 12, 0x08060001);
    put32(frame + 16, 0x08000604);
    put16(frame + 20, what);
    memcpy(frame + 22, own.data(), 6);
    put32(frame + 28, from);
    memcpy(frame + 32, target.data(), 6);
    put32(frame + 38, address);
    commit(42);
    flush();
  }

  int fd_ = -1;
  uint8_t* ring_ = nullptr;
  unsigned at_ = 0;
  std::array<std::array<uint8_t, kMost>, kBatch> frames_{};
  std::array<iovec, kBatch> parts_{};
  std::array<mmsghdr, kBatch> messages_{};
  size_t waiting_ = 0;
  uint64_t refused_ = 0;
  uint32_t asked_ = 0;
  Mac resolved_{};
};

}  // namespace load
