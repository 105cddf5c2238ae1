// The transactions of one worker: fixed pools, found by key, by branch and by connection, all in
// constant time. When all server transactions are taken, the oldest one that only waits out
// timer L makes room; likewise with timer M.
#pragma once

#include <vector>

#include "dataplane/sip/nonces.h"
#include "dataplane/sip/transaction.h"

namespace fedge::sip {

class Transactions {
 public:
  // `secret`: what the names of client transactions outside follow from. `worker`: whose they are;
  // part of these names. `most`: what allow() may be told at most.
  Transactions(uint32_t most, uint32_t max_message, TransactionOwner& owner, uint64_t secret,
               uint32_t worker);

  // So many at once from now on; those that are there stay.
  void allow(uint32_t count);

  // Null when full.
  ServerTransaction* add_server(const TransactionKey& key);
  ServerTransaction* find_server(const TransactionKey& key) const;
  // Its branches live on as orphans until they have ended by themselves.
  void remove(ServerTransaction& server);
  // INVITE answered with a 2xx: it may now be removed when room is needed.
  void accept(ServerTransaction& server);

  // A new branch with a fresh nonce, first in the list of `server`. Null when full.
  ClientTransaction* add_client(ServerTransaction& server);
  // As our own branch names it; null when it has ended.
  ClientTransaction* find_client(uint32_t index, uint64_t nonce) const;
  ClientTransaction* find_client(SendToken token) const;
  void remove(ClientTransaction& client);
  void accept(ClientTransaction& client);
  SendToken token_of(const ClientTransaction& client) const;
  uint32_t index_of(const ClientTransaction& client) const {
    return worker_bits_ | clients_.index_of(client);
  }

  ServerTransaction* server_of(const ClientTransaction& client) const {
    return client.server == kNoIndex ? nullptr : &servers_[client.server];
  }
  // Branches of a server transaction: first, then next; null at the end.
  ClientTransaction* first_branch(const ServerTransaction& server) const {
    return client_at(server.branches);
  }
  ClientTransaction* next_branch(const ClientTransaction& client) const {
    return client_at(client.sibling);
  }

  // Notes where a request went, so that the connection's end finds it. 0 takes the note away.
  void set_connection(ClientTransaction& client, ConnectionId connection);
  // Any client transaction on it without a final response; null when there is none.
  ClientTransaction* find_on(ConnectionId connection) const;

  // Room for a message of up to `size` octets; empty when there is none.
  std::span<char> take_block(size_t size);
  void give_block(char* block);
  void release_block(ClientTransaction& client);
  void release_held(ServerTransaction& server);

  uint64_t random();  // for choices, not for names
  uint32_t server_count() const { return servers_.taken(); }
  uint32_t client_count() const { return clients_.taken(); }

 private:
  static constexpr size_t kConnectionChains = 4096;
  struct Age {  // a list by age, linked by older and newer
    uint32_t oldest = kNoIndex;
    uint32_t newest = kNoIndex;
  };
  template <class T>
  static void join(Pool<T>& pool, Age& age, T& object);
  template <class T>
  static void leave(Pool<T>& pool, Age& age, T& object);
  ClientTransaction* client_at(uint32_t index) const {
    return index == kNoIndex ? nullptr : &clients_[index];
  }
  uint32_t& bucket_of(const TransactionKey& key) const;
  void spread_over(size_t buckets);
  uint32_t& chain_of(ConnectionId connection) const;
  void leave_server(ClientTransaction& client);

  TransactionOwner& owner_;
  uint64_t seed_;
  uint32_t worker_bits_;
  uint64_t randomness_;
  Nonces nonces_;
  Pool<ServerTransaction> servers_;
  Pool<ClientTransaction> clients_;
  Age accepted_servers_;
  Age accepted_clients_;
  mutable std::vector<uint32_t> buckets_;  // by key
  mutable std::vector<uint32_t> chains_;   // by connection
  BlockPool small_blocks_;
  BlockPool middle_blocks_;
  BlockPool large_blocks_;
};

}  // namespace fedge::sip
