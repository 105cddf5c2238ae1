// The response context of RFC 3261 16.7: what the branches of one request amount to together, and
// what its sender hears in the end.
#include <algorithm>

#include "dataplane/sip/core.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

bool is_challenge(uint16_t status) { return status == 401 || status == 407; }

bool is_challenge(const Header& header) {
  return equal_ignoring_case(header.name, "WWW-Authenticate") ||
         equal_ignoring_case(header.name, "Proxy-Authenticate");
}

// R3: it says "not here, not now", or nothing at all.
bool is_worth_another(uint16_t best) {
  return best == 0 || best == 408 || best == 503 || best == kUnreachable || best == kCongested;
}

// RFC 3261 16.7 step 6, best first. Inside 4xx, what tells how to ask again comes first and what
// tells nothing comes last. 408 is no answer at all to other requests than INVITE (RFC 4320).
unsigned rank_of(uint16_t status, Method method) {
  switch (status) {
    case 0:
      return 11;
    case 401:
    case 407:
      return 2;
    case 415:
    case 420:
    case 484:
      return 3;
    case 408:
      return method == Method::invite ? 5 : 8;
    case 503:
      return 7;
    case kUnreachable:
      return 9;
    case kCongested:
      return 10;
    default:
      break;
  }
  if (status >= 600) return 0;
  if (status >= 500) return 6;
  return status >= 400 ? 4 : 1;
}

}  // namespace

// Its share of Max-Breadth may be used again (RFC 5393 5.3.3.1).
void Proxy::Core::end_branch(ServerTransaction& server, ClientTransaction& client) const {
  client.state = ClientState::completed;
  server.breadth = static_cast<uint8_t>(server.breadth + client.breadth);
  client.breadth = 0;
}

// A branch ended without a response: `status` is 408, or what else it counts as.
void Proxy::Core::note(ServerTransaction& server, uint16_t status) {
  if (rank_of(status, server.method) >= rank_of(server.best, server.method)) return;
  server.best = status;
  transactions.release_held(server);
}

// A branch ended with `response`, which is no 2xx (16.7 steps 4, 6 and 7).
void Proxy::Core::hold(ServerTransaction& server, const ClientTransaction& client,
                       const Message& response) {
  if (is_challenge(response.status) && is_challenge(server.best)) {
    return add_challenges(server, response);
  }
  const unsigned rank = rank_of(response.status, server.method);
  if (rank > rank_of(server.best, server.method)) return;
  server.best = response.status;
  transactions.release_held(server);
  if (response.status == 408 && server.method != Method::invite) return;  // never sent
  Editor editor(response);
  edit_response(editor, response);
  edit_trust(editor, response, client.origin, server.origin);
  const auto block = transactions.take_block(editor.size());
  const auto size = block.empty() ? std::nullopt : editor.write(block);
  server.held = block.data();
  if (!size) return transactions.release_held(server);
  server.held_size = static_cast<uint32_t>(*size);
}

// 16.7 step 7: whoever is challenged answers all of them at once.
void Proxy::Core::add_challenges(ServerTransaction& server, const Message& response) {
  if (server.held == nullptr) return;
  const std::string_view held(server.held, server.held_size);
  const size_t head = held.find("\r\n\r\n") + 2;
  size_t size = held.size();
  for (const Header& header : response.headers()) {
    if (is_challenge(header)) size += header.line.size();
  }
  const auto block = transactions.take_block(size);
  if (block.empty()) return;
  Output out(block);
  out << held.substr(0, head);
  for (const Header& header : response.headers()) {
    if (is_challenge(header)) out << header.line;
  }
  out << held.substr(head);
  transactions.give_block(server.held);
  server.held = block.data();
  server.held_size = static_cast<uint32_t>(size);
}

// 16.7 steps 5 and 10: whatever is still under way is no longer wanted.
void Proxy::Core::call_off(ServerTransaction& server, Instant now) {
  for (ClientTransaction* c = transactions.first_branch(server); c != nullptr;
       c = transactions.next_branch(*c)) {
    cancel_branch(*c, now);
  }
}

bool Proxy::Core::has_live_branch(const ServerTransaction& server) const {
  const ClientTransaction* c = transactions.first_branch(server);
  while (c != nullptr && !c->is_live()) c = transactions.next_branch(*c);
  return c != nullptr;
}

// Another target has the request instead, and has not failed.
bool Proxy::Core::is_superseded(const ServerTransaction& server,
                                const ClientTransaction& client) const {
  for (ClientTransaction* c = transactions.first_branch(server); c != nullptr;
       c = transactions.next_branch(*c)) {
    if (c != &client && c->is_live() && !c->passed_over) return true;
  }
  return false;
}

// After a branch has ended with no 2xx, or has become silent: waits for others, sends to the next
// targets (R3), or answers. `client` is that branch; it still has the request. The final response
// is not sent before all branches have ended (16.7 step 6), but for the silent ones: a refusal
// does not wait for them.
void Proxy::Core::settle(ServerTransaction& server, ClientTransaction& client, Failover why,
                         Instant now) {
  bool is_pending = false;
  for (ClientTransaction* c = transactions.first_branch(server); c != nullptr;
       c = transactions.next_branch(*c)) {
    if (!c->is_live()) continue;
    if (!c->passed_over && !c->is_silent()) return;
    is_pending = true;
  }
  if (is_worth_another(server.best) && !server.cancelled) {
    if (!server.single_target && try_another(server, client, now)) {
      statistics.count(why);
      for (ClientTransaction* c = transactions.first_branch(server); c != nullptr;
           c = transactions.next_branch(*c)) {
        if (c->is_silent()) c->passed_over = true;
      }
      return;
    }
    if (is_pending) return;
  }
  if (read_sent(client)) return answer_best(server, {sent}, now);
  transactions.remove(server);
}

// 16.7 steps 6 and 9. `outgoing` is the request, for an answer of our own.
void Proxy::Core::answer_best(ServerTransaction& server, const Outgoing& outgoing, Instant now) {
  if (server.held == nullptr) return answer_failure(server, outgoing, now);
  const uint16_t status = server.best == 503 ? 500 : server.best;
  send_response(server, status, {server.held, server.held_size});
  finish(server, status, now);
}

// No response can be forwarded. RFC 4320 4.1: nobody is told of a timeout but those who sent an
// INVITE.
void Proxy::Core::answer_failure(ServerTransaction& server, const Outgoing& outgoing, Instant now) {
  Answer answer{server.best == 0 ? uint16_t{408} : server.best, {}, {}};
  std::array<char, 4> seconds;
  std::array<HeaderText, 2> headers;
  size_t count = 0;
  if (server.cancelled) {
    answer.status = 487;
  } else if (answer.status == 408 && server.method != Method::invite) {
    statistics.count(Dropped::late_timeout);
    return transactions.remove(server);
  } else if (answer.status == 488) {
    headers[count++] = {"Warning",
                        "399 fedge \"The media description cannot be read or told to the relay\""};
  } else if (answer.status == 502) {
    answer.reason = "Response of the next hop is larger than the limit";
  } else if (answer.status == kUnreachable) {
    answer.status = 500;
    answer.reason = "No next hop could be reached";
  } else if (answer.status == kCongested || answer.status == 503) {
    answer.status = 503;
    answer.reason = "Busy, try again later";
    headers[count++] = {"Retry-After", write_retry_after(outgoing.message, shown_seed, seconds)};
  }
  DiagnosisText diagnosis;
  if (is_trusted(server.origin) && (answer.status == 408 || answer.status >= 500)) {
    const bool is_silent = answer.status == 408;
    headers[count++] = {
        name_of(HeaderId::ms_diagnostics),
        write_diagnosis(is_silent ? Diagnosis::no_answer : Diagnosis::unreachable,
                        published->identity.fqdn(),
                        is_silent ? "No next hop has answered in time" : answer.reason, diagnosis)};
  }
  answer.headers = {headers.data(), count};
  const auto size =
      outgoing.arrival != nullptr
          ? write_answer(outgoing.message, outgoing.arrival->remote, answer, shown_seed, room())
          : write_answer_to_sent(outgoing.message, answer, shown_seed, room());
  if (size) {
    const std::string_view bytes(room().data(), *size);
    send_response(server, answer.status, bytes);
    if (server.method == Method::invite) keep(server, bytes);
  }
  finish(server, answer.status, now);
}

// So that a repeated INVITE can hear it again (RFC 3261 17.2.1).
void Proxy::Core::keep(ServerTransaction& server, std::string_view bytes) {
  const auto block = transactions.take_block(bytes.size());
  if (block.empty()) return;
  bytes.copy(block.data(), block.size());
  server.held = block.data();
  server.held_size = static_cast<uint32_t>(bytes.size());
}

// The final response is out: what still rings elsewhere is called off (16.7 step 10).
void Proxy::Core::finish(ServerTransaction& server, uint16_t status, Instant now) {
  if (server.method != Method::invite) {
    ClientTransaction* next = nullptr;
    for (ClientTransaction* c = transactions.first_branch(server); c != nullptr; c = next) {
      next = transactions.next_branch(*c);
      if (c->is_live()) transactions.remove(*c);
    }
    return transactions.remove(server);  // timer J is zero
  }
  call_off(server, now);
  const Timers& timers = published->timers;
  if (status < 300) {
    transactions.release_held(server);
    transactions.accept(server);
    wheel.set(server, now + timers.l());
  } else {
    server.state = ServerState::completed;
    wheel.set(server, now + timers.h());
  }
}

}  // namespace fedge::sip
