#include "dataplane/sip/answers.h"

#include <array>
#include <cstring>

#include "dataplane/sip/forwarding.h"
#include "dataplane/sip/hash.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

std::string_view write_tag(const Message& request, uint64_t secret, std::span<char> room) {
  uint64_t h = hash_of(request.call_id, secret + request.cseq);
  h = hash_of(request.from_tag, h);
  h = hash_of(request.via.branch, h);
  Output out(room);
  for (int shift = 60; shift >= 0; shift -= 4) out << "0123456789abcdef"[h >> shift & 15];
  return out.text();
}

// RFC 3581 section 4: an empty rport in the top Via gets its value. `text` is the written response,
// whose Via lines are those of the request, behind the status line.
std::optional<size_t> fill_rport(const Message& request, uint16_t port, size_t size,
                                 std::span<char> out) {
  const Via& via = request.via;
  if (!via.has_rport || !via.rport.empty()) return size;
  const std::string_view text(out.data(), size);
  const size_t at = text.find(via.value);
  if (at == text.npos) return size;
  // Where "rport" ends in the Via value, as offset from its parameters.
  std::string_view rest = via.parameters;
  Parameter parameter;
  while (take_parameter(rest, parameter) && !equal_ignoring_case(parameter.name, "rport")) {
  }
  const auto end =
      static_cast<size_t>(parameter.name.data() + parameter.name.size() - via.value.data());
  std::array<char, 8> room;
  Output value(room);
  value << '=' << port;
  const size_t more = value.text().size();
  if (size + more > out.size()) return std::nullopt;
  char* const hole = out.data() + at + end;
  std::memmove(hole + more, hole, size - at - end);
  std::memcpy(hole, value.text().data(), more);
  return size + more;
}

}  // namespace

std::optional<size_t> write_answer(const Message& request, const Endpoint& remote,
                                   const Answer& answer, uint64_t secret, std::span<char> out) {
  std::array<char, 16> tag;
  std::array<char, 96> received;
  const Response response{.status = answer.status,
                          .reason = answer.reason,
                          .to_tag = write_tag(request, secret, tag),
                          .via_suffix = received_parameter(request, remote, received),
                          .headers = answer.headers,
                          .body = answer.body};
  const auto size = write_response(request, response, out);
  return size ? fill_rport(request, remote.port, *size, out) : size;
}

std::optional<size_t> write_answer_to_sent(const Message& sent, const Answer& answer,
                                           uint64_t secret, std::span<char> out) {
  std::array<char, 16> tag;
  const Response response{.status = answer.status,
                          .reason = answer.reason,
                          .to_tag = write_tag(sent, secret, tag),
                          .via_suffix = {},
                          .headers = answer.headers,
                          .body = answer.body};
  const auto size = write_response(sent, response, out);
  if (!size) return size;
  // Our own Via is the line behind the status line: it goes.
  const std::string_view text(out.data(), *size);
  const size_t begin = text.find('\n') + 1;
  const size_t end = text.find('\n', begin) + 1;
  std::memmove(out.data() + begin, out.data() + end, *size - end);
  return *size - (end - begin);
}

bool is_for_our_answer(const Message& ack, uint64_t secret) {
  std::array<char, 16> tag;
  return ack.to_tag.size() == tag.size() && ack.to_tag == write_tag(ack, secret, tag);
}

std::string_view write_retry_after(const Message& request, uint64_t secret, std::span<char> room) {
  Output out(room);
  out << 1 + hash_of(request.call_id, secret) % 10;
  return out.text();
}

}  // namespace fedge::sip
