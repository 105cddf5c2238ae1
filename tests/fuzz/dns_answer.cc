// Any octets as a DNS message: reading ends, and what was read keeps its limits.
#include <cstdint>
#include <cstdlib>

#include "firmware/wire/dns/answer.h"

using namespace fedge;
using namespace fedge::dns;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_name(const Name& name) {
  require(name.wire().size() <= kLongestName && name.wire().back() == '\0');
  require(name.is_within(name) && name.is_within(Name()));
  require(!name.text().empty());
  size_t at = 0;
  const auto again = Name::read(as_bytes(name.wire()), at);
  require(again && *again == name && at == name.wire().size());
  if (const auto parsed = Name::parse(name.text())) require(*parsed == name);
}

// A question that was read, asked again, reads the same.
void check_question(const Question& question) {
  check_name(question.name);
  const auto query = build_query(question, 7, true);
  const auto again = read_envelope(query);
  require(again && again->question == question && again->id == 7 && !again->is_response);
  require(read_records(query, *again).has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes message{reinterpret_cast<const std::byte*>(data), size};
  const auto envelope = read_envelope(message);
  if (!envelope) return 0;
  if (envelope->question) check_question(*envelope->question);
  const auto answer = read_answer(message, *envelope);
  if (!answer) return 0;
  check_name(answer->name);
  require(answer->ttl <= 0x7fffffff);
  require(answer->addresses.size() + answer->services.size() + answer->names.size() <=
          kMostRecords);
  for (const Service& service : answer->services) check_name(service.target);
  for (const Name& name : answer->names) check_name(name);
  const bool any =
      !answer->addresses.empty() || !answer->services.empty() || !answer->names.empty();
  require(any == (answer->outcome == Outcome::found));
  return 0;
}
