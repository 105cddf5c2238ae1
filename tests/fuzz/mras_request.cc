// Any octets as a request for media relay credentials: what was read is within bounds, and whatever
// the answer, it is XML that says the same.
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "firmware/wire/mras/response.h"

using namespace fedge;
using namespace fedge::mras;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_request(const Request& request) {
  require(!request.credentials().empty() && request.credentials().size() <= kMostCredentials);
  require(!request.id.empty() && request.id.size() <= 4 * kLongestId);
  require(request.version_text.size() <= kLongestVersion);
  for (const CredentialsRequest& one : request.credentials()) {
    require(!one.id.empty() && one.id.size() <= 4 * kLongestId && !one.identity.empty());
    require(!one.minutes || *one.minutes > 0);
  }
}

std::string_view attribute(const xml::Document& d, const xml::Element& e, std::string_view name) {
  const xml::Attribute* a = d.find_attribute(e, name);
  return a == nullptr ? std::string_view() : a->value;
}

void check_answer(const Request& request, Reason reason, const xml::Document& answer,
                  size_t credentials) {
  const xml::Element& root = answer.root();
  require(root.is(kNamespace, "response"));
  require(attribute(answer, root, "reasonPhrase") == text(reason));
  require(!attribute(answer, root, "version").empty());
  if (reason != Reason::request_malformed) {
    require(attribute(answer, root, "requestID") == request.id);
    require(attribute(answer, root, "from") == request.from);
    require(attribute(answer, root, "to") == request.to);
  }
  size_t count = 0;
  for (const xml::Element& child : answer.children(root)) {
    require(child.is(kNamespace, "credentialsResponse"));
    require(attribute(answer, child, "credentialsRequestID") == request.credentials()[count++].id);
  }
  require(count == credentials);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static xml::Reader reader(0x5eed);
  static xml::Reader again(0xfeed);
  static Request request;
  const Malformed refused =
      read_request({reinterpret_cast<const char*>(data), size}, reader, request);
  require(!text(refused).empty());
  if (refused == Malformed::none) check_request(request);
  const Reason reason = reason_of(refused);
  std::vector<char> out(
      kHeadSize + 6 * (request.id.size() + request.to.size() + request.from.size()) + 64 * 1024);
  ResponseWriter writer(out, request, reason);
  size_t credentials = 0;
  if (reason == Reason::ok) {
    const MediaRelay relay{Location::internet, "edge", false, 3478, 443};
    for (const CredentialsRequest& one : request.credentials()) {
      if (++credentials > 50) break;  // what a reader takes
      writer.add({one.id, one.identity.substr(0, 64), "password", 1, "realm", {&relay, 1}});
    }
    if (credentials > 50) credentials = 50;
  }
  const auto written = writer.finish();
  if (!written) return 0;
  const xml::Malformed answer = again.read({out.data(), *written});
  if (answer == xml::Malformed::too_large) return 0;
  require(answer == xml::Malformed::none);
  check_answer(request, reason, again.document(), credentials);
  return 0;
}
