#include "dataplane/sip/transactions.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "dataplane/sip/branch.h"
#include "dataplane/sip/hash.h"

namespace fedge::sip {

namespace {

// Nearly every message fits the first; the last takes any message with what we add to it.
constexpr uint32_t kSmallBlock = 2048;
constexpr uint32_t kMiddleBlock = 8192;
constexpr uint32_t kAdded = 4096;
constexpr size_t kFewestBuckets = 64;

uint32_t middle_of(uint32_t transactions) { return transactions / 4 + 16; }
uint32_t large_of(uint32_t transactions) { return transactions / 64 + 16; }

}  // namespace

Transactions::Transactions(uint32_t most, uint32_t max_message, TransactionOwner& owner,
                           uint64_t secret, uint32_t worker)
    : owner_(owner),
      seed_(derive_seed(secret, "choices")),
      worker_bits_(worker << kWorkerShift),
      randomness_(uint64_t{worker} << 48),
      nonces_(secret, worker_bits_),
      servers_(most),
      clients_(most),
      buckets_(kFewestBuckets, kNoIndex),
      chains_(kConnectionChains, kNoIndex),
      small_blocks_(most, kSmallBlock),
      middle_blocks_(middle_of(most), kMiddleBlock),
      large_blocks_(large_of(most), max_message + kAdded) {}

void Transactions::allow(uint32_t count) {
  servers_.allow(count);
  clients_.allow(count);
  small_blocks_.allow(count);
  middle_blocks_.allow(middle_of(count));
  large_blocks_.allow(large_of(count));
  const size_t wanted = std::bit_ceil(size_t{count});
  if (wanted > buckets_.size()) spread_over(wanted);
}

void Transactions::spread_over(size_t buckets) {
  const std::vector<uint32_t> before =
      std::exchange(buckets_, std::vector<uint32_t>(buckets, kNoIndex));
  for (uint32_t first : before) {
    for (uint32_t at = first; at != kNoIndex;) {
      ServerTransaction& server = servers_[at];
      const uint32_t next = server.next;
      uint32_t& bucket = bucket_of(server.key);
      server.next = bucket;
      bucket = at;
      at = next;
    }
  }
}

uint32_t& Transactions::bucket_of(const TransactionKey& key) const {
  return buckets_[key.low & (buckets_.size() - 1)];
}

uint32_t& Transactions::chain_of(ConnectionId connection) const {
  return chains_[hash_of(connection, seed_) % kConnectionChains];
}

template <class T>
void Transactions::join(Pool<T>& pool, Age& age, T& object) {
  const uint32_t index = pool.index_of(object);
  object.older = age.newest;
  object.newer = kNoIndex;
  (age.newest == kNoIndex ? age.oldest : pool[age.newest].newer) = index;
  age.newest = index;
}

template <class T>
void Transactions::leave(Pool<T>& pool, Age& age, T& object) {
  (object.older == kNoIndex ? age.oldest : pool[object.older].newer) = object.newer;
  (object.newer == kNoIndex ? age.newest : pool[object.newer].older) = object.older;
}

ServerTransaction* Transactions::add_server(const TransactionKey& key) {
  if (servers_.is_full()) {
    if (accepted_servers_.oldest == kNoIndex) return nullptr;
    remove(servers_[accepted_servers_.oldest]);
  }
  ServerTransaction* const server = servers_.take();
  server->owner = &owner_;
  server->key = key;
  server->branches = kNoIndex;
  server->held = nullptr;
  server->best = 0;
  server->breadth = 0;
  server->state = ServerState::proceeding;
  server->tries = 0;
  server->cancelled = server->single_target = false;
  uint32_t& bucket = bucket_of(key);
  server->next = bucket;
  bucket = servers_.index_of(*server);
  return server;
}

ServerTransaction* Transactions::find_server(const TransactionKey& key) const {
  for (uint32_t i = bucket_of(key); i != kNoIndex; i = servers_[i].next) {
    if (servers_[i].key == key) return &servers_[i];
  }
  return nullptr;
}

void Transactions::remove(ServerTransaction& server) {
  server.cancel();
  if (server.state == ServerState::accepted) leave(servers_, accepted_servers_, server);
  for (ClientTransaction* c = first_branch(server); c != nullptr; c = next_branch(*c)) {
    c->server = kNoIndex;
  }
  const uint32_t index = servers_.index_of(server);
  uint32_t* link = &bucket_of(server.key);
  while (*link != index) link = &servers_[*link].next;
  *link = server.next;
  release_held(server);
  server.state = ServerState::free;
  servers_.give(server);
}

void Transactions::accept(ServerTransaction& server) {
  server.state = ServerState::accepted;
  join(servers_, accepted_servers_, server);
}

ClientTransaction* Transactions::add_client(ServerTransaction& server) {
  if (clients_.is_full()) {
    if (accepted_clients_.oldest == kNoIndex) return nullptr;
    remove(clients_[accepted_clients_.oldest]);
  }
  ClientTransaction* const client = clients_.take();
  client->owner = &owner_;
  client->nonce = nonces_.next() | 1;
  client->connection = 0;
  client->block = nullptr;
  client->server = servers_.index_of(server);
  client->sibling = server.branches;
  client->method = server.method;
  client->state = ClientState::calling;
  client->failure = HopFailure::none;
  client->passed_over = client->cancel_wanted = client->may_be_sent = false;
  client->breadth = 0;
  server.branches = clients_.index_of(*client);
  return client;
}

ClientTransaction* Transactions::find_client(uint32_t index, uint64_t nonce) const {
  ClientTransaction* const client = clients_.find(index ^ worker_bits_);
  return client != nullptr && nonce != 0 && client->nonce == nonce ? client : nullptr;
}

SendToken Transactions::token_of(const ClientTransaction& client) const {
  return client.nonce << 32 | index_of(client);
}

ClientTransaction* Transactions::find_client(SendToken token) const {
  ClientTransaction* const client = clients_.find(static_cast<uint32_t>(token) ^ worker_bits_);
  if (client == nullptr || client->nonce == 0) return nullptr;
  return token_of(*client) == token ? client : nullptr;
}

void Transactions::leave_server(ClientTransaction& client) {
  if (client.server == kNoIndex) return;
  const uint32_t index = clients_.index_of(client);
  uint32_t* link = &servers_[client.server].branches;
  while (*link != index) link = &clients_[*link].sibling;
  *link = client.sibling;
  client.server = kNoIndex;
}

void Transactions::remove(ClientTransaction& client) {
  client.cancel();
  if (client.state == ClientState::accepted) leave(clients_, accepted_clients_, client);
  set_connection(client, 0);
  leave_server(client);
  release_block(client);
  client.nonce = 0;
  client.state = ClientState::free;
  clients_.give(client);
}

void Transactions::accept(ClientTransaction& client) {
  set_connection(client, 0);
  release_block(client);
  client.state = ClientState::accepted;
  join(clients_, accepted_clients_, client);
}

void Transactions::set_connection(ClientTransaction& client, ConnectionId connection) {
  const uint32_t index = clients_.index_of(client);
  if (client.connection != 0) {
    uint32_t& back =
        client.previous == kNoIndex ? chain_of(client.connection) : clients_[client.previous].next;
    back = client.next;
    if (client.next != kNoIndex) clients_[client.next].previous = client.previous;
  }
  client.connection = connection;
  if (connection == 0) return;
  uint32_t& head = chain_of(connection);
  client.previous = kNoIndex;
  client.next = head;
  if (head != kNoIndex) clients_[head].previous = index;
  head = index;
}

ClientTransaction* Transactions::find_on(ConnectionId connection) const {
  if (connection == 0) return nullptr;
  for (uint32_t i = chain_of(connection); i != kNoIndex; i = clients_[i].next) {
    if (clients_[i].connection == connection) return &clients_[i];
  }
  return nullptr;
}

std::span<char> Transactions::take_block(size_t size) {
  for (BlockPool* pool : {&small_blocks_, &middle_blocks_, &large_blocks_}) {
    if (size > pool->block_size()) continue;
    if (const auto block = pool->take(); !block.empty()) return block;
  }
  return {};
}

// A block belongs to the pool it lies in.
void Transactions::give_block(char* block) {
  for (BlockPool* pool : {&small_blocks_, &middle_blocks_, &large_blocks_}) {
    if (pool->owns(block)) return pool->give(block);
  }
}

void Transactions::release_block(ClientTransaction& client) {
  if (client.block == nullptr) return;
  give_block(client.block);
  client.block = nullptr;
}

void Transactions::release_held(ServerTransaction& server) {
  if (server.held == nullptr) return;
  give_block(server.held);
  server.held = nullptr;
}

uint64_t Transactions::random() { return hash_of(++randomness_, seed_); }

}  // namespace fedge::sip
