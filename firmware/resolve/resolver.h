// The resolver without sockets or a clock: what is asked, of whom, when again, and which answer
// counts. One thread. Its owner carries out take_actions(), hands in what arrives, and calls
// advance() at next_due().
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

#include "firmware/net/address.h"
#include "firmware/resolve/cache.h"
#include "firmware/resolve/random.h"

namespace fedge::resolve {

inline constexpr size_t kMostServers = 8;

struct Settings {
  std::vector<Endpoint> servers;  // recursive name servers, best first; kMostServers count
  Duration first_timeout = 1s;    // for one server; doubles with every round through them
  unsigned most_attempts = 4;     // per name of a chain
  Duration longest_lookup = 5s;   // then it has failed
  Duration stale_wait = 1800ms;   // RFC 8767 section 5: then a stale answer is given
  Duration outage = 10min;        // after a failed refresh it is given without that wait
  Duration server_penalty = 30s;  // after two time-outs in a row a server is asked last
  Duration plain_time = 1h;       // a server that stumbled over EDNS0 is asked without
  size_t most_lookups = 256;      // at a time; more are refused
  CacheSettings cache{};
};

enum class State : uint8_t {
  pending,  // being asked; take_settled() will name the question
  found,
  no_name,
  no_data,
  failed,  // no server said anything useful; asked again after a while
};

struct Finding {
  State state = State::failed;
  bool is_stale = false;                // expired, and nothing newer can be had
  const dns::Answer* answer = nullptr;  // when found; valid until the next call
  Instant ask_again = never;            // when find() may have something else to say; not `pending`
};

// One exchange is one query to one server over a socket of its own, so that every query has a
// port of its own and an answer is known by the socket it came to.
struct Action {
  enum class Kind : uint8_t { send_datagram, send_stream, close };
  Kind kind;
  uint64_t exchange;
  Endpoint server;
  std::vector<std::byte> message;  // on a stream, two octets of length go before it
};

struct Counters {
  uint64_t hits = 0, stale_hits = 0, misses = 0, prefetches = 0, refused_full = 0;
  uint64_t queries = 0, streams = 0, timeouts = 0, unreachable = 0, server_errors = 0;
  uint64_t answers = 0, failures = 0;
  // Answers not believed: no such exchange, another address, another id or not a response,
  // another question, unreadable.
  uint64_t unknown = 0, elsewhere = 0, wrong_id = 0, wrong_question = 0, malformed = 0;
};

class Resolver {
 public:
  Resolver(Settings settings, RandomSource& random);

  // Answers at once: from the cache, or `pending` once the question is on its way.
  Finding find(const dns::Question& question, Instant now);
  // From now on these; what is being asked is asked again.
  void set_servers(std::vector<Endpoint> servers, Instant now);

  // A datagram or a whole message of a stream that came to the exchange's socket.
  void on_message(uint64_t exchange, const Endpoint& from, Bytes message, Instant now);
  // The exchange cannot go on: ICMP, refused, closed early, no socket.
  void on_unreachable(uint64_t exchange, Instant now);
  void advance(Instant now);
  Instant next_due() const;

  std::vector<Action> take_actions() { return std::exchange(actions_, {}); }
  // Questions that were `pending` and now have something else to say.
  std::vector<dns::Question> take_settled() { return std::exchange(settled_, {}); }
  bool has_settled() const { return !settled_.empty(); }

  const Counters& counters() const { return counters_; }
  size_t lookups() const { return lookups_.size(); }
  size_t cached() const { return cache_.size(); }

 private:
  struct Exchange {
    uint64_t number;
    size_t server;
    uint16_t id;
    bool is_stream;
    bool with_edns;
  };
  struct Server {
    Endpoint endpoint;
    unsigned failures = 0;  // in a row
    Instant penalised_until{};
    Instant plain_until{};
  };
  struct Lookup {
    dns::Name current;  // the question's name, or where aliases led
    uint32_t chain_ttl = 0x7fffffff;
    unsigned aliases = 0;
    unsigned attempts = 0;                      // since `current` is the name
    std::array<uint8_t, kMostServers> tried{};  // how often, or kGivenUp
    std::vector<Exchange> open;
    Instant started{};
    Instant attempt_due{};
    Instant deadline{};
    Instant stale_due = never;
    bool is_awaited = false;
  };
  using Place = std::unordered_map<dns::Question, Lookup>::iterator;

  Finding tell(const Entry& entry, bool is_stale, Instant now);
  bool begin(const dns::Question& question, Instant now);
  void restart(Lookup& lookup);
  void open_exchange(Place place, size_t server, bool is_stream, bool with_edns, Instant now);
  void close_exchange(Lookup& lookup, uint64_t number);
  size_t choose_server(const Lookup& lookup, Instant now) const;
  // Another server, or the end when there is none left to wait for.
  void try_next(Place place, Instant now);
  void note_server_failure(size_t server, Instant now);
  bool believe(const Exchange& exchange, const dns::Question& asked, const Endpoint& from,
               const std::optional<dns::Envelope>& envelope);
  void on_answer(Place place, Exchange exchange, const dns::Envelope& envelope,
                 const dns::Answer& answer, Instant now);
  void give_up(Place place, Exchange exchange, Instant now);
  void follow_alias(Place place, const dns::Answer& answer, Instant now);
  void settle(Place place, dns::Answer answer, Instant now);
  void fail(Place place, Instant now);
  void finish(Place place);

  Settings settings_;
  RandomSource& random_;
  Cache cache_;
  std::vector<Server> servers_;
  std::unordered_map<dns::Question, Lookup> lookups_;
  std::unordered_map<uint64_t, dns::Question> exchanges_;
  uint64_t last_exchange_ = 0;
  std::vector<Action> actions_;
  std::vector<dns::Question> settled_;
  Counters counters_;
};

}  // namespace fedge::resolve
