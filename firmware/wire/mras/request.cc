#include "firmware/wire/mras/request.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "firmware/wire/sip/uri.h"

namespace fedge::mras {

namespace {

Malformed reason_of_xml(xml::Malformed reason) {
  switch (reason) {
    case xml::Malformed::none:
      return Malformed::none;
    case xml::Malformed::too_large:
    case xml::Malformed::elements_many:
    case xml::Malformed::attributes_many:
    case xml::Malformed::memory:
      return Malformed::too_large;
    default:
      return Malformed::xml;
  }
}

// One to kLongestId characters of UTF-8.
bool is_id(std::string_view text) {
  const auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
  const auto characters = static_cast<size_t>(std::ranges::count_if(text, std::not_fn(continues)));
  return characters >= 1 && characters <= kLongestId;
}

bool is_sip_uri(std::string_view text) {
  sip::Uri uri;
  return sip::parse_uri(text, uri) &&
         (uri.scheme == sip::Scheme::sip || uri.scheme == sip::Scheme::sips);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// xs:positiveInteger: a plus and zeros in front are allowed, and there is no largest.
std::optional<uint32_t> read_positive(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty() || !std::ranges::all_of(text, is_digit)) return std::nullopt;
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  uint64_t value = 0;
  for (const char c : text) value = std::min(kMost, value * 10 + static_cast<uint64_t>(c - '0'));
  if (value == 0) return std::nullopt;
  return static_cast<uint32_t>(value);
}

// [0-9]+\.[0-9]+, of at most kLongestVersion octets: both numbers are small.
std::optional<Version> read_version(std::string_view text) {
  const size_t dot = text.find('.');
  if (text.size() > kLongestVersion || dot == std::string_view::npos) return std::nullopt;
  const auto number = [](std::string_view digits) -> std::optional<uint16_t> {
    if (digits.empty() || !std::ranges::all_of(digits, is_digit)) return std::nullopt;
    uint16_t value = 0;
    for (const char c : digits) value = static_cast<uint16_t>(value * 10 + (c - '0'));
    return value;
  };
  const auto major = number(text.substr(0, dot));
  const auto minor = number(text.substr(dot + 1));
  if (!major || !minor) return std::nullopt;
  return Version{*major, *minor};
}

bool has_text(const xml::Element& element) { return !xml::trim(element.text).empty(); }

// Sets one value of a credentialsRequest from its element.
Malformed read_value(const xml::Element& element, CredentialsRequest& out) {
  if (element.has_children()) return Malformed::text;
  const std::string_view value = xml::trim(element.text);
  if (element.name == "identity") {
    out.identity = value;
    return value.empty() ? Malformed::identity : Malformed::none;
  }
  if (element.name == "location") {
    if (value != text(Location::internet) && value != text(Location::intranet))
      return Malformed::location;
    out.location = value == text(Location::internet) ? Location::internet : Location::intranet;
    return Malformed::none;
  }
  out.minutes = read_positive(value);
  return out.minutes ? Malformed::none : Malformed::duration;
}

Malformed read_one(const xml::Document& document, const xml::Element& element,
                   CredentialsRequest& out) {
  if (!element.is(kNamespace, "credentialsRequest")) return Malformed::element;
  if (has_text(element)) return Malformed::text;
  for (const xml::Attribute& a : document.attributes(element)) {
    if (!a.space.empty()) continue;
    if (a.name != "credentialsRequestID") return Malformed::attribute;
    out.id = a.value;
  }
  if (!is_id(out.id)) return Malformed::credentials_id;
  // In this order, each at most once.
  constexpr std::array<std::string_view, 3> kNames{"identity", "location", "duration"};
  size_t next = 0;
  for (const xml::Element& child : document.children(element)) {
    if (child.space != kNamespace) return Malformed::element;
    while (next < kNames.size() && kNames[next] != child.name) ++next;
    if (next++ >= kNames.size()) return Malformed::element;
    const Malformed reason = read_value(child, out);
    if (reason != Malformed::none) return reason;
  }
  return out.identity.empty() ? Malformed::identity : Malformed::none;
}

}  // namespace

void Request::clear() {
  id = version_text = to = from = {};
  version = {};
  route = Route::load_balanced;
  count_ = 0;
}

Malformed Request::read_attributes(const xml::Document& document, const xml::Element& root) {
  std::string_view wanted = "loadbalanced";
  for (const xml::Attribute& a : document.attributes(root)) {
    if (!a.space.empty()) continue;  // of XML Schema and the like
    if (a.name == "requestID")
      id = a.value;
    else if (a.name == "version")
      version_text = a.value;
    else if (a.name == "to")
      to = a.value;
    else if (a.name == "from")
      from = a.value;
    else if (a.name == "route")
      wanted = a.value;
    else
      return Malformed::attribute;
  }
  if (!is_id(id)) return Malformed::request_id;
  const auto number = read_version(version_text);
  if (!number) return Malformed::version;
  version = *number;
  if (!is_sip_uri(to) || !is_sip_uri(from)) return Malformed::address;
  if (wanted != "loadbalanced" && wanted != "directip") return Malformed::route;
  route = wanted == "directip" ? Route::direct_ip : Route::load_balanced;
  return Malformed::none;
}

// Section 3.1.5.1.1: one that is right but for the number of its elements is too large, not
// malformed. So all are read.
Malformed Request::read_credentials(const xml::Document& document, const xml::Element& root) {
  if (has_text(root)) return Malformed::text;
  size_t found = 0;
  for (const xml::Element& child : document.children(root)) {
    CredentialsRequest one;
    const Malformed reason = read_one(document, child, one);
    if (reason != Malformed::none) return reason;
    if (found++ < kMostCredentials) store_[count_++] = one;
  }
  if (found == 0) return Malformed::credentials_none;
  return found > kMostCredentials ? Malformed::credentials_many : Malformed::none;
}

Malformed read_request(std::string_view body, xml::Reader& reader, Request& out) {
  out.clear();
  Malformed reason = reason_of_xml(reader.read(body));
  if (reason != Malformed::none) return reason;
  const xml::Document& document = reader.document();
  const xml::Element& root = document.root();
  if (!root.is(kNamespace, "request")) return Malformed::root;
  reason = out.read_attributes(document, root);
  if (reason == Malformed::none) reason = out.read_credentials(document, root);
  if (reason != Malformed::none) return reason;
  const bool is_known =
      std::ranges::find(kVersions, out.version, &SpokenVersion::version) != kVersions.end();
  return is_known ? Malformed::none : Malformed::version_unknown;
}

}  // namespace fedge::mras
