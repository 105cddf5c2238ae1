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
  std::string_view body = {};
};

// To a request as it arrived. The To tag is a hash of the request: the same for each repetition.
std::optional<size_t> write_answer(const Message& request, const Endpoint& remote,
                                   const Answer& answer, uint64_t secret, std::span<char> out);
// To a request that we have forwarded, from the copy that we sent.
std::optional<size_t> write_answer_to_sent(const Message& sent, const Answer& answer,
                                           uint64_t secret, std::span<char> out);

// Whether an ACK of no transaction answers a refusal of ours: it carries the tag we gave.
bool is_for_our_answer(const Message& ack, uint64_t secret);

// Retry-After of a refusal that is for now: 1 to 10 seconds by a hash of the request, so that
// refused callers do not come back together.
std::string_view write_retry_after(const Message& request, uint64_t secret, std::span<char> room);

// What we can be asked (Allow) and told (Accept).
inline constexpr std::string_view kAllow =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, SUBSCRIBE, NOTIFY, INFO, UPDATE, PRACK, REFER, "
    "PUBLISH, SERVICE, BENOTIFY";
inline constexpr std::string_view kServer = "fedge";

}  // namespace fedge::sip
