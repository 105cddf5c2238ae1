// The client's side of TURN (RFC 8656) over UDP as the load generator needs it: long-term
// credentials with SHA-1, messages written and read by hand. No code of the product.
#pragma once

#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <string>

#include "tests/bench/raw_wire.h"

namespace load {

enum Method : uint16_t { kAllocate = 3, kRefresh = 4, kChannelBind = 9 };

// What signs every message of one user: keyed once.
class Signer {
 public:
  void set_key(const std::string& user, const std::string& realm, const std::string& password) {
    const std::string text = user + ":" + realm + ":" + password;
    uint8_t key[64] = {};
    MD5(reinterpret_cast<const uint8_t*>(text.data()), text.size(), key);
    for (uint8_t& octet : key) octet ^= 0x36;
    SHA1_Init(&inner_);
    SHA1_Update(&inner_, key, 64);
    for (uint8_t& octet : key) octet ^= 0x36 ^ 0x5c;
    SHA1_Init(&outer_);
    SHA1_Update(&outer_, key, 64);
  }
  void sign(const uint8_t* data, size_t size, uint8_t* code) const {
    SHA_CTX inner = inner_;
    SHA_CTX outer = outer_;
    SHA1_Update(&inner, data, size);
    SHA1_Final(code, &inner);
    SHA1_Update(&outer, code, SHA_DIGEST_LENGTH);
    SHA1_Final(code, &outer);
  }

 private:
  SHA_CTX inner_{}, outer_{};
};

class Message {
 public:
  Message(uint8_t* at, uint16_t method, uint32_t client, uint32_t number) : at_(at) {
    put16(at, method);
    put32(at + 4, 0x2112a442);
    put32(at + 8, client);
    put32(at + 12, number);
    put32(at + 16, 0x62656e63);
  }
  Message& number(uint16_t type, uint32_t value) {
    put32(begin(type, 4), value);
    return *this;
  }
  Message& text(uint16_t type, const std::string& value) {
    memcpy(begin(type, value.size()), value.data(), value.size());
    return *this;
  }
  Message& peer(Place place) {
    uint8_t* const value = begin(0x12, 8);
    put32(value, 0x00010000u | (place.port ^ 0x2112u));
    put32(value + 4, place.address ^ 0x2112a442u);
    return *this;
  }
  Message& sign(const Signer& signer) {
    const size_t covered = size_;
    uint8_t* const code = begin(0x08, SHA_DIGEST_LENGTH);
    put16(at_ + 2, uint16_t(size_ - 20));
    signer.sign(at_, covered, code);
    return *this;
  }
  size_t finish() {
    put16(at_ + 2, uint16_t(size_ - 20));
    return size_;
  }

 private:
  uint8_t* begin(uint16_t type, size_t size) {
    uint8_t* const at = at_ + size_;
    put16(at, type);
    put16(at + 2, uint16_t(size));
    const size_t padded = (size + 3) & ~size_t{3};
    memset(at + 4, 0, padded);
    size_ += 4 + padded;
    return at + 4;
  }
  uint8_t* at_;
  size_t size_ = 20;
};

// What an answer says.
struct Answer {
  uint16_t method = 0;
  bool is_success = false;
  uint32_t client = 0, number = 0;
  int error = 0;
  std::string realm, nonce;
  Place relayed;

  bool read(const uint8_t* at, size_t size) {
    if (size < 20 || (at[0] & 0xfe) != 0 || get32(at + 4) != 0x2112a442) return false;
    const uint16_t type = get16(at);
    if ((type & 0x0100) == 0) return false;
    method = type & 0x0f;
    is_success = (type & 0x0010) == 0;
    client = get32(at + 8);
    number = get32(at + 12);
    for (size_t i = 20; i + 4 <= size;) {
      const uint16_t attribute = get16(at + i);
      const uint16_t length = get16(at + i + 2);
      const uint8_t* const value = at + i + 4;
      if (i + 4 + length > size) return false;
      if (attribute == 0x09 && length >= 4) error = (value[2] & 7) * 100 + value[3];
      if (attribute == 0x14) realm.assign(reinterpret_cast<const char*>(value), length);
      if (attribute == 0x15) nonce.assign(reinterpret_cast<const char*>(value), length);
      if (attribute == 0x16 && length == 8) {
        relayed = {get32(value + 4) ^ 0x2112a442u, uint16_t(get16(value + 2) ^ 0x2112)};
      }
      i += 4 + ((length + 3u) & ~3u);
    }
    return true;
  }
};

// Clients of one user at one server, each with its own five-tuple. A client asks, is challenged,
// and asks again with credentials; what is lost is asked again after half a second.
class TurnClients {
 public:
  struct Client {
    Place at, relayed, peer;
    std::string nonce;
    uint16_t method = 0;  // under way; 0: none
    uint16_t channel = 0;
    uint32_t number = 0;
    uint64_t asked = 0;
  };

  TurnClients(RawWire& wire, Place server, std::string user, std::string password)
      : wire_(wire), server_(server), user_(std::move(user)), password_(std::move(password)) {}

  std::vector<Client> clients;
  const Mac& server_mac() const { return mac_; }
  Place server() const { return server_; }

  void add(Place at) { clients.push_back({at, {}, {}, {}, 0, 0, 0, 0}); }
  // Runs `method` for clients [first, last), at most `window` at a time; seconds that it took.
  double run(uint16_t method, size_t first, size_t last, size_t window) {
    if (mac_ == Mac{}) mac_ = wire_.resolve(server_.address, clients[0].at.address);
    const uint64_t begin = now_ns();
    uint64_t looked = begin;
    size_t next = first;
    done_ = 0;
    busy_ = 0;
    while (done_ < last - first) {
      while (busy_ < window && next < last) {
        ++busy_;
        ask(next++, method);
      }
      wire_.flush();
      // Whoever spins is made to wait where others want the core.
      if (wire_.receive([this](const Arrived& what) { take(what); }) == 0) wire_.wait();
      const uint64_t now = now_ns();
      if (now - looked > 100'000'000) {
        looked = now;
        for (size_t i = first; i < next; ++i) {
          if (clients[i].method == 0 || now - clients[i].asked < 500'000'000) continue;
          ++again;
          ask(i, method, true);
        }
        if (now - begin > 60'000'000'000) {
          fprintf(stderr, "method %u: %zu of %zu are done after 60 s\n", method, done_,
                  last - first);
          exit(1);
        }
      }
    }
    return double(now_ns() - begin) / 1e9;
  }

  uint64_t again = 0;

 private:
  // `same`: again, in the same transaction.
  void ask(size_t i, uint16_t method, bool same = false) {
    Client& client = clients[i];
    if (!same) ++client.number;
    client.method = method;
    client.asked = now_ns();
    uint8_t* const frame = wire_.next();
    Message message(frame + kHeaders, method, uint32_t(i), client.number);
    if (method == kAllocate) message.number(0x19, 17u << 24);
    if (method == kRefresh) message.number(0x0d, 0);
    if (method == kChannelBind) message.number(0x0c, uint32_t(client.channel) << 16);
    if (method == kChannelBind) message.peer(client.peer);
    if (!client.nonce.empty()) {
      message.text(0x06, user_).text(0x14, realm_).text(0x15, client.nonce).sign(signer_);
    }
    wire_.commit(write_headers(frame, mac_, client.at, server_, message.finish()));
  }
  void take(const Arrived& what) {
    Answer answer;
    if (what.from.address != server_.address || what.from.port != server_.port ||
        !answer.read(what.payload, what.size) || answer.client >= clients.size()) {
      return;
    }
    Client& client = clients[answer.client];
    if (answer.method != client.method || answer.number != client.number) return;
    if (!answer.is_success) {
      if ((answer.error != 401 && answer.error != 438) || answer.nonce.empty() ||
          (answer.error == 401 && !client.nonce.empty())) {
        fprintf(stderr, "method %u of client %u: error %d\n", answer.method, answer.client,
                answer.error);
        exit(1);
      }
      if (realm_.empty()) {
        realm_ = answer.realm;
        signer_.set_key(user_, realm_, password_);
      }
      client.nonce = answer.nonce;
      return ask(answer.client, answer.method);
    }
    if (answer.method == kAllocate) client.relayed = answer.relayed;
    if (answer.method == kRefresh) client.nonce.clear();  // the next round begins as a stranger
    client.method = 0;
    --busy_;
    ++done_;
  }

  RawWire& wire_;
  Place server_;
  std::string user_, password_, realm_;
  Mac mac_{};
  Signer signer_;
  size_t done_ = 0, busy_ = 0;
};

}  // namespace load
