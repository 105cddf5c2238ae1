// A stream cut anywhere gives the same frames as the stream in one piece, and the framer and the
// parser agree on where a message ends.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/wire/sip/stream.h"

using namespace fedge::sip;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// Messages and the end of the stream; how empty lines pair up may depend on how they arrive.
std::vector<std::string> frames_of(std::string_view stream, size_t step) {
  StreamFramer framer({512, 1024});
  std::vector<std::string> frames;
  std::string buffer;
  for (size_t at = 0; at < stream.size(); at += step) {
    buffer += stream.substr(at, step);
    for (;;) {
      const Frame frame = framer.next(buffer);
      require(frame.size <= buffer.size());
      if (frame.kind == Frame::Kind::need_more) {
        require(frame.wanted > 0 && frame.size == 0);
        break;
      }
      if (frame.kind == Frame::Kind::bad) {
        require(frame.defect != Defect::none);
        frames.push_back("bad");
        return frames;
      }
      require(frame.size > 0);
      if (frame.kind == Frame::Kind::message) frames.push_back(buffer.substr(0, frame.size));
      buffer.erase(0, frame.size);
    }
  }
  return frames;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  const std::string_view stream(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto whole = frames_of(stream, std::max<size_t>(stream.size(), 1));
  require(whole == frames_of(stream, data[0] % 64 + 1));
  static Message m;
  for (const std::string& frame : whole) {
    if (frame == "bad") continue;
    if (parse(frame, m) == Defect::none) require(m.whole == frame);
  }
  return 0;
}
