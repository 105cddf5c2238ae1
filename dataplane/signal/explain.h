// What the workers would do with a request, and why, as JSON: the workers' own decision over the
// sections of one generation's folder. Behind `fedge-signal --explain` and so behind
// GET /v1/routes/explain.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "firmware/base/result.h"

namespace fedge::signal {

struct Question {
  std::string folder;  // holds <kind>.section files
  std::string from;    // "sip:user@domain", "user@domain" or "domain"
  std::string to;      // the request URI, in the same forms
  std::string method = "MESSAGE";
  std::string realm;  // where it comes from; empty: any in which the peer is known
  std::string peer;   // a name of the sender's certificate; empty: guessed from `from`
};

// DIR --from F --to T [--method M] [--realm R] [--peer NAME], in any order.
Result<Question> parse_question(std::span<char* const> arguments);

// {"decision":"forward"|"refuse","status":…,"reason":…,"steps":[{"step","rule","text"}],
//  "targets":[{"next_hop","host","transport","realm","endpoints","priority","weight","rule",
//  "state","text"}]}; a target that is found by name has no endpoints but "lookup": what DNS is
// asked. The state of a target is what control knew of it (hop_states.h).
Result<std::string> explain(const Question& question);

}  // namespace fedge::signal
