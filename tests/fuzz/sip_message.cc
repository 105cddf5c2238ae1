// Any octets through the SIP parser, and what it accepts through the editor and back.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "firmware/wire/sip/values.h"
#include "firmware/wire/sip/writer.h"

using namespace fedge::sip;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

bool lies_in(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void check_views(const Message& m, std::string_view bytes) {
  require(lies_in(m.whole, bytes) && lies_in(m.body, bytes) && lies_in(m.start_line, bytes));
  for (const Header& header : m.headers()) {
    require(lies_in(header.line, bytes) && lies_in(header.name, header.line) &&
            lies_in(header.value, header.line));
    std::string_view rest = header.value;
    std::string_view value;
    while (take_value(rest, value)) require(lies_in(value, header.value));
    NameAddr address;
    parse_name_addr(header.value, address);
  }
}

// What comes out of the editor is a message again, with the edits and nothing else changed.
void check_forwarding(const Message& m) {
  std::vector<char> out(m.whole.size() + 4096);
  const auto same = Editor(m).write(out);
  require(same && std::string_view(out.data(), *same) == m.whole);
  Editor editor(m);
  editor.prepend(HeaderId::via, "SIP/2.0/TLS edge;branch=z9hG4bKfuzz");
  for (size_t i = 0; i < m.header_count; ++i)
    if (m.header_store[i].id == HeaderId::route) editor.drop_values(i);
  editor.append("X-Fuzz", "1");
  const auto size = editor.write(out);
  if (!size) return;  // more edits than an editor holds
  require(*size == editor.size());
  static Message again;
  const Defect defect = parse({out.data(), *size}, again);
  require(defect == Defect::none || defect == Defect::too_many_headers);
  require(again.via.host == "edge" && again.body == m.body && again.call_id == m.call_id &&
          again.cseq == m.cseq && again.from_tag == m.from_tag);
}

void check_answer(const Message& m) {
  std::vector<char> out(m.whole.size() + 1024);
  const auto size = write_response(m, {400, {}, "tag1", ";received=192.0.2.1", {}}, out);
  require(size.has_value());
  static Message answer;
  const Defect defect = parse({out.data(), *size}, answer);
  require(defect == Defect::none);
  require(answer.status == 400 && answer.call_id == m.call_id && !answer.to_tag.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  static Message m;
  const Defect defect = parse(bytes, m);
  require(!text_of(defect).empty() && (status_for(defect) == 0) == (defect == Defect::none));
  check_views(m, bytes);
  if (defect == Defect::none) {
    check_forwarding(m);
    check_answer(m);
  } else {
    std::vector<char> out(size + 1024);
    (void)write_response(m, {400, {}, "tag1", ";received=192.0.2.1", {}}, out);
  }
  return 0;
}
