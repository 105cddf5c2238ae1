// The A/V authentication service (M3, [MS-AVEDGEA]): a SERVICE request from the inside is answered
// with credentials for the media relay, made of a key and the time alone. Nothing is kept.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dataplane/sip/proxy.h"
#include "dataplane/sip/statistics.h"
#include "firmware/wire/mras/request.h"
#include "firmware/wire/mras/response.h"
#include "firmware/wire/sip/message.h"

namespace fedge::sip {

// Whether a SERVICE asks for them, by its Content-Type.
bool is_credentials_request(const Message& request);

class RelayCredentials {
 public:
  // `seed` is random.
  explicit RelayCredentials(uint64_t seed) : seed_(seed) {}

  // After each publish.
  void use(const SnapshotView& snapshot);

  struct Reply {
    CredentialsOutcome outcome = CredentialsOutcome::given;
    uint16_t status = 200;
    std::string_view body;  // until the next call
  };
  // `allowed`: who asks is one of our own pools, and has its media here. `wall`: seconds since
  // 1970; `random` makes two credentials of a user differ. Some clients ask once in hours, so this
  // may allocate: its rooms with the first request, and the texts of each credential.
  Reply answer(const Message& request, bool allowed, int64_t wall, uint64_t random);
  // For the whole response; there after the first answer with a body.
  std::span<char> response_room() const;

 private:
  struct Relay {
    mras::Location location = mras::Location::intranet;
    std::string host;
    uint16_t udp_port = 0;
    uint16_t tcp_port = 0;
  };
  // Some megabyte, which a box without the service does without.
  struct Rooms;
  Relay& relay_at(mras::Location location, const IpAddress& address);
  const TokenSecret* find_secret(int64_t wall) const;
  size_t list_relays(const mras::CredentialsRequest& asked, mras::Route route,
                     std::span<mras::MediaRelay> out) const;
  void write(mras::ResponseWriter& writer, const TokenSecret& secret, int64_t wall,
             uint64_t random) const;

  uint64_t seed_;
  std::string realm_;
  uint32_t minutes_ = mras::kDefaultMinutes;
  std::vector<Relay> relays_;
  std::span<const TokenSecret> secrets_;
  struct DeleteRooms {
    void operator()(Rooms* rooms) const;
  };
  std::unique_ptr<Rooms, DeleteRooms> rooms_;
};

}  // namespace fedge::sip
