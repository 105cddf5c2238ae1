// How one field of the topology is described, and the words of its enumerations. The codec,
// schema and diff are templates over Fields<T>::each (description.h). Internal to topology.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "firmware/topology/topology.h"

namespace fedge::topology {

enum class Format : uint8_t {
  text,        // anything for people
  name,        // what other parts of the document refer to
  realm_name,  // an interface name too
  dns_name,
  host,     // a DNS name or an IP address
  pattern,  // of a route; rules look closer, they know its type
};
bool is_valid(Format format, std::string_view text);
// "a DNS name such as sip.example.com"
std::string_view allowed_text(Format format);
// ECMA 262 pattern for the schema; empty when there is none.
std::string_view schema_pattern(Format format);
// Lower case where case has no meaning, addresses in their shortest form.
std::string canonical(Format format, std::string text);

struct Field {
  std::string_view name;
  std::string_view doc;
  bool needed = false;
  Format format = Format::text;
  int64_t least = 0;  // numbers
  int64_t most = 0;
  size_t most_items = 0;  // lists; always bounded
  bool filled = false;    // a list that may not be empty
  bool inferred = false;  // left out, other fields say what it is: Fields<T>::complete()

  constexpr Field required() const {
    Field f = *this;
    f.needed = true;
    return f;
  }
  constexpr Field as(Format v) const {
    Field f = *this;
    f.format = v;
    return f;
  }
  constexpr Field range(int64_t low, int64_t high) const {
    Field f = *this;
    f.least = low, f.most = high;
    return f;
  }
  constexpr Field up_to(size_t items) const {
    Field f = *this;
    f.most_items = items;
    return f;
  }
  constexpr Field follows() const {
    Field f = *this;
    f.inferred = true;
    return f;
  }
  constexpr Field not_empty() const {
    Field f = *this;
    f.filled = true;
    return f;
  }
};

template <class E>
struct Word {
  E value;
  std::string_view text;
};
inline constexpr Word<Transport> kTransports[] = {
    {Transport::tcp, "tcp"}, {Transport::tls, "tls"}, {Transport::udp, "udp"}};
inline constexpr Word<Service> kServices[] = {
    {Service::access, "access"}, {Service::av, "av"},     {Service::webconf, "webconf"},
    {Service::mras, "mras"},     {Service::xmpp, "xmpp"}, {Service::autodiscover, "autodiscover"}};
inline constexpr Word<ClientCertificate> kClientCertificates[] = {
    {ClientCertificate::none, "none"},
    {ClientCertificate::optional, "optional"},
    {ClientCertificate::required, "required"}};
inline constexpr Word<TlsVersion> kTlsVersions[] = {{TlsVersion::tls12, "1.2"},
                                                    {TlsVersion::tls13, "1.3"}};
inline constexpr Word<RouteType> kRouteTypes[] = {{RouteType::domain, "domain"},
                                                  {RouteType::user, "user"}};
inline constexpr Word<Forking> kForkings[] = {{Forking::one, "one"}, {Forking::all, "all"}};
inline constexpr Word<PoolUse> kPoolUses[] = {{PoolUse::turn, "turn"}, {PoolUse::anchor, "anchor"}};
inline constexpr Word<MediaHandling> kMediaHandlings[] = {{MediaHandling::pass, "pass"},
                                                          {MediaHandling::anchor, "anchor"}};
inline constexpr Word<IceHandling> kIceHandlings[] = {{IceHandling::strip, "strip"},
                                                      {IceHandling::pass, "pass"},
                                                      {IceHandling::relay_only, "relay_only"}};
constexpr const auto& words(Transport) { return kTransports; }
constexpr const auto& words(Service) { return kServices; }
constexpr const auto& words(ClientCertificate) { return kClientCertificates; }
constexpr const auto& words(TlsVersion) { return kTlsVersions; }
constexpr const auto& words(RouteType) { return kRouteTypes; }
constexpr const auto& words(Forking) { return kForkings; }
constexpr const auto& words(PoolUse) { return kPoolUses; }
constexpr const auto& words(MediaHandling) { return kMediaHandlings; }
constexpr const auto& words(IceHandling) { return kIceHandlings; }

template <class E>
constexpr std::string_view word_of(E value) {
  for (const auto& word : words(value)) {
    if (word.value == value) return word.text;
  }
  return {};
}

// Specialised in description.h: each(visit) calls visit(Field, &T::member) for every field in
// order; key(item) is what tells an item of a list from the others; complete(item), where there
// is one, fills in what was left out and follows from other fields.
template <class T>
struct Fields;
template <class T>
concept Described = requires { Fields<T>::kWhat; };

}  // namespace fedge::topology
