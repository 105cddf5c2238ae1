// Which server transaction a request belongs to (RFC 3261 17.2.3).
#pragma once

#include "dataplane/sip/arrival.h"
#include "dataplane/sip/transaction.h"
#include "firmware/wire/sip/message.h"
#include "firmware/wire/sip/via.h"

namespace fedge::sip {

// By branch, sent-by and method, where ACK and CANCEL go by INVITE's; by Request-URI, From tag,
// Call-ID, CSeq number and the whole top Via when the branch lacks the cookie (RFC 2543). Keyed,
// 128 bits: equal keys are equal transactions. The peer's name is part of it, so nobody can
// cancel or acknowledge for another; the connection is not, so a peer may use several.
TransactionKey key_of(const Message& request, const Via& top, const PeerFacts& peer,
                      uint64_t secret);

}  // namespace fedge::sip
