// Bytes from whoever reaches the management port, cut anywhere: the same requests must come out
// however the stream was cut.
#include <cstdlib>

#include "firmware/http/request.h"

using fedge::http::Limits;
using fedge::http::Progress;
using fedge::http::RequestParser;

namespace {

size_t count_requests(fedge::Bytes bytes, size_t cut, bool& bad) {
  RequestParser parser{Limits{.header_bytes = 2048, .fields = 32, .body_bytes = 4096}};
  size_t requests = 0;
  for (size_t at = 0; at < bytes.size() && !bad; at += cut) {
    auto progress = parser.feed(bytes.subspan(at, std::min(cut, bytes.size() - at)));
    while (progress == Progress::complete) {
      (void)parser.take();
      ++requests;
      progress = parser.feed({});
    }
    bad = progress == Progress::bad;
    if (bad && (parser.status() < 400 || parser.reason().empty())) std::abort();
  }
  return requests;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const fedge::Bytes bytes(reinterpret_cast<const std::byte*>(data), size);
  bool bad_whole = false;
  bool bad_cut = false;
  const size_t whole = count_requests(bytes, size + 1, bad_whole);
  const size_t cut = count_requests(bytes, 7, bad_cut);
  if (whole != cut) std::abort();
  return 0;
}
