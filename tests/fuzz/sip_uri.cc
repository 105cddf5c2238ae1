// Any octets as a URI, a name-addr, a Via value and a parameter list.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "firmware/wire/sip/name_addr.h"
#include "firmware/wire/sip/uri.h"
#include "firmware/wire/sip/values.h"
#include "firmware/wire/sip/via.h"

using namespace fedge::sip;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

// What was read, written again, reads the same.
void check_uri(const Uri& uri) {
  if (uri.scheme != Scheme::sip && uri.scheme != Scheme::sips) return;
  std::string text = uri.scheme == Scheme::sip ? "sip:" : "sips:";
  if (uri.has_user) text += uri.user;
  if (uri.has_password) (text += ':') += uri.password;
  if (uri.has_user) text += '@';
  text += uri.is_ipv6 ? "[" + std::string(uri.host) + "]" : std::string(uri.host);
  if (uri.port != 0) text += ":" + std::to_string(uri.port);
  text += uri.parameters;
  if (!uri.headers.empty()) (text += '?') += uri.headers;
  Uri again;
  require(parse_uri(text, again));
  require(again.user == uri.user && again.host == uri.host && again.port == uri.port &&
          again.parameters == uri.parameters && again.headers == uri.headers);
  require(equal_unescaped(uri.user, uri.user));
  require(parameters_are_sound(uri.parameters));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Uri uri;
  if (parse_uri(text, uri)) check_uri(uri);
  NameAddr address;
  if (parse_name_addr(text, address)) parse_uri(address.uri, uri);
  Via via;
  if (parse_via(text, via)) require(!via.host.empty() && !via.transport.empty());
  std::string_view rest = text;
  Parameter parameter;
  while (take_parameter(rest, parameter)) require(!parameter.name.empty());
  char out[64];
  if (const auto plain = unescape(text, out))
    require(equal_unescaped(*plain, text) || text.contains('%'));
  return 0;
}
