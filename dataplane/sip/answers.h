// Responses that this edge gives by itself (RFC 3261 8.2.6).
#pragma once

#include <optional>
#include <span>

#include "dataplane/sip/arrival.h"
#include "firmware/wire/sip/message.h"
#include "firmware/wire/sip/writer.h"

namespace fedge::sip {

struct Answer {
  uint16_t status = 0;
  std::string_view reason;  // empty: the standard phrase
  std::span<const HeaderText> headers;
};

// To a request as it arrived. The To tag is a hash of the request: the same for each repetition.
std::optional<size_t> write_answer(const Message& request, const Endpoint& remote,
                                   const Answer& answer, uint64_t secret, std::span<char> out);
// To a request that we have forwarded, from the copy that we sent.
std::optional<size_t> write_answer_to_sent(const Message& sent, const Answer& answer,
                                           uint64_t secret, std::span<char> out);

// What we can be asked (Allow) and told (Accept).
inline constexpr std::string_view kAllow =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, INFO, UPDATE, PRACK, REFER, "
    "PUBLISH, SERVICE, BENOTIFY";
inline constexpr std::string_view kServer = "fedge";

}  // namespace fedge::sip
