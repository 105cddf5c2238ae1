// Any octets as a session description: untouched it comes out as it was, and anchored it reads
// again with the new addresses and ports and without the old candidates.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "firmware/wire/sdp/editor.h"

using namespace fedge;
using namespace fedge::sdp;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void read_values(const Description& d) {
  for (const Line& line : d.lines()) {
    const std::string_view value = d.value(line);
    require(value.data() >= d.text.data() &&
            value.data() + value.size() <= d.text.data() + d.text.size());
    const Attribute attribute = d.attribute(line);
    (void)read_candidate(attribute.value);
    (void)read_rtcp(attribute.value);
    (void)read_rtpmap(attribute.value);
    (void)direction_of(attribute.name);
  }
  for (const Media& media : d.media()) {
    (void)d.connection_of(media);
    (void)d.direction_of_media(media);
  }
}

void check_untouched(const Description& d) {
  std::vector<char> out(d.text.size());
  const auto size = Editor(d).write(out);
  require(size && std::string_view(out.data(), *size) == d.text);
}

void anchor(const Description& d, Editor& editor, const IpAddress& address) {
  editor.set_origin_address(address);
  editor.set_session_connection(address);
  for (const std::string_view name : kIceAttributes) editor.remove_attributes(d.session, name);
  uint16_t port = 40000;
  for (const Media& media : d.media()) {
    for (const std::string_view name : kIceAttributes)
      editor.remove_attributes(media.section, name);
    editor.set_port(media, port);
    editor.set_rtcp(media, static_cast<uint16_t>(port + 1), address);
    editor.append_attribute(media.section, "x-anchored");
    editor.set_connection(media, address);
    port = static_cast<uint16_t>(port + 2);
  }
}

void check_anchored(const Description& again, const IpAddress& address) {
  uint16_t port = 40000;
  require(again.origin.connection.address == address);
  for (const Media& media : again.media()) {
    require(media.line.port == port && media.line.port_count == 1);
    require(media.connection && media.connection->address == address);
    const Line* line = again.find_attribute(media.section, kRtcp);
    require(line != nullptr);
    const auto rtcp = read_rtcp(again.attribute(*line).value);
    require(rtcp && rtcp->port == port + 1 && rtcp->connection->address == address);
    for (const std::string_view name : kIceAttributes)
      require(again.find_attribute(media.section, name) == nullptr);
    require(again.find_attribute(media.section, "x-anchored") != nullptr);
    port = static_cast<uint16_t>(port + 2);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Description description;
  static Description again;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const Malformed reason = parse(body, description);
  require(!text(reason).empty());
  if (reason != Malformed::none) return 0;
  read_values(description);
  check_untouched(description);
  const IpAddress address = *IpAddress::parse("2001:db8::7");
  Editor editor(description);
  anchor(description, editor, address);
  std::vector<char> out(editor.size());
  const auto written = editor.write(out);
  if (!written) return 0;  // more edits than an editor holds
  require(*written == out.size());
  const Malformed anchored = parse({out.data(), *written}, again);
  if (anchored == Malformed::too_large || anchored == Malformed::lines_many) return 0;
  require(anchored == Malformed::none);
  require(again.media().size() == description.media().size());
  check_anchored(again, address);
  return 0;
}
