// The proxy's counters, registered once by name and counted by index.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

#include "dataplane/sip/decision.h"
#include "firmware/base/counters.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

// Why a request was refused before it was routed; routing's own reasons are the Rules.
enum class Refusal : uint8_t {
  malformed,
  max_forwards,
  max_breadth,
  loop,
  proxy_require,
  route,
  no_such_transaction,
  full,
  no_media_ports,       // an anchored call for which there are no relay ports (M4)
  media_description,    // its SDP cannot be read
  not_for_credentials,  // to the A/V authentication service, and no request for credentials
};
inline constexpr size_t kRefusals = 11;

// Why another target was tried.
enum class Failover : uint8_t { send_failed, connection_lost, no_response, refused };
inline constexpr size_t kFailovers = 4;

// What went no further without an answer.
enum class Dropped : uint8_t {
  stray_response,  // of no transaction of ours, or too late
  malformed_response,
  ack,           // that could not be forwarded
  response,      // the one who asked cannot be reached
  late_timeout,  // 408, which nobody wants to hear of other requests than INVITE (RFC 4320)
  oversized_response,
  media_description,  // SDP in a response of an anchored call that cannot be read: passed as it is
};
inline constexpr size_t kDropped = 7;

// What became of requests to the A/V authentication service (M3).
enum class CredentialsOutcome : uint8_t { given, malformed, forbidden, no_key, too_large };
inline constexpr size_t kCredentials = 5;

class Statistics {
 public:
  explicit Statistics(Counters& counters);

  void count_request(Method method) { add(requests_[static_cast<size_t>(method)]); }
  // Sent towards whoever asked, forwarded or our own.
  void count_response(uint16_t status) { add(responses_[status / 100 % 7]); }
  void count(Refusal why) { add(refusals_[static_cast<size_t>(why)]); }
  void count(Rule why) { add(rules_[static_cast<size_t>(why)]); }
  void count(Failover why) { add(failovers_[static_cast<size_t>(why)]); }
  void count(Dropped what) { add(dropped_[static_cast<size_t>(what)]); }
  void count(CredentialsOutcome what) { add(credentials_[static_cast<size_t>(what)]); }
  // A request that two targets may have got, since the first did not say.
  void count_possible_duplicate() { add(duplicates_); }
  void count_repetition() { add(repetitions_); }
  void count_timeout() { add(timeouts_); }
  // OPTIONS of ours to a next hop.
  void count_probe() { add(probes_); }
  void count_overload_refused() { add(overload_refused_); }
  void set_overload_delay(Duration wait) {
    counters_.set(
        overload_delay_,
        static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(wait).count()));
  }
  void set_transactions(uint32_t server, uint32_t client) {
    counters_.set(server_transactions_, server);
    counters_.set(client_transactions_, client);
  }

 private:
  void add(uint32_t index) { counters_.add(index); }

  Counters& counters_;
  std::array<uint32_t, static_cast<size_t>(Method::other) + 1> requests_;
  std::array<uint32_t, 7> responses_;
  std::array<uint32_t, kRefusals> refusals_;
  std::array<uint32_t, kRules> rules_;
  std::array<uint32_t, kFailovers> failovers_;
  std::array<uint32_t, kDropped> dropped_;
  std::array<uint32_t, kCredentials> credentials_;
  uint32_t duplicates_;
  uint32_t repetitions_;
  uint32_t timeouts_;
  uint32_t probes_;
  uint32_t overload_refused_;
  uint32_t overload_delay_;
  uint32_t server_transactions_;
  uint32_t client_transactions_;
};

}  // namespace fedge::sip
