// What all rules share: the document, where its names lead, and where findings go. Internal to
// topology. A value that decoding could not read is empty; rules skip it, it is reported already.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "firmware/topology/rules.h"

namespace fedge::topology {

class RuleBook {
 public:
  RuleBook(const Topology& topology, const Environment& environment, Findings& findings);

  const Topology& topology;
  const Environment& environment;

  const Realm* realm(const std::string& name) const { return find(realms_, name); }
  const TlsContext* tls(const std::string& name) const { return find(contexts_, name); }
  const NextHopPool* pool(const std::string& name) const { return find(pools_, name); }
  bool has_port(const std::string& name) const { return ports_.contains(name); }
  // True when the address is one of the appliance's own, or its public translation.
  bool is_own(const IpAddress& address) const { return own_.contains(address.text()); }

  void add(std::string path, std::string found, std::string allowed, std::string remedy);
  bool full() const { return findings_.size() > kMostFindings; }

  // References: silent when empty.
  const Realm* check_realm(const std::string& path, const std::string& name);
  void check_transport(const std::string& path, Transport transport, const std::string& tls);
  // Of a next hop or partner reached through `realm`.
  void check_addresses(const std::string& path, const std::vector<IpAddress>& addresses,
                       const Realm* realm);
  // Ids of the certificate or trust store: each once, each there.
  void check_ids(const std::string& path, const std::vector<std::string>& ids,
                 const std::function<bool(const std::string&)>& has, const char* allowed,
                 const char* remedy);
  // Names that stand twice; an empty one is reported already.
  template <class List, class Key>
  void check_unique(const std::string& path, const List& list, std::string_view key_name, Key key) {
    std::unordered_map<std::string, size_t> first;
    for (size_t i = 0; i < list.size(); ++i) {
      const std::string& name = key(list[i]);
      if (name.empty()) continue;
      const auto [known, is_new] = first.emplace(name, i);
      if (is_new) continue;
      add(item(path, i) + std::string(key_name), text(name),
          "a name that is not in use; " + item(path, known->second) + " has it", "");
    }
  }

  static std::string item(const std::string& list, size_t index) {
    return list + "/" + std::to_string(index);
  }
  // `the text "x"`, as decoding says it.
  static std::string text(std::string_view value);
  // "a, b, c" of the names in a list, shortened when long.
  template <class List>
  static std::string names_of(const List& list) {
    std::string out;
    size_t shown = 0;
    for (const auto& item : list) {
      if (++shown > 12) return out + ", …";
      out.append(out.empty() ? "" : ", ").append(item.name);
    }
    return out.empty() ? "none is there yet" : out;
  }

 private:
  template <class T>
  static const T* find(const std::unordered_map<std::string, const T*>& map,
                       const std::string& name) {
    const auto found = map.find(name);
    return found == map.end() ? nullptr : found->second;
  }
  Findings& findings_;
  std::unordered_map<std::string, const Realm*> realms_;
  std::unordered_map<std::string, const TlsContext*> contexts_;
  std::unordered_map<std::string, const NextHopPool*> pools_;
  std::unordered_set<std::string> ports_;
  std::unordered_set<std::string> own_;
};

// True when no bit behind the prefix length is set.
bool is_network(const Prefix& prefix);

void check_network_rules(RuleBook& book);  // ports, realms, resolver, management
void check_service_rules(RuleBook& book);  // TLS contexts, listeners, timers, limits
void check_routing_rules(RuleBook& book);  // pools, federation, presence domains, partners
void check_static_routes(RuleBook& book);
void check_media_rules(RuleBook& book);  // media, its listeners, hosts that are anchored

}  // namespace fedge::topology
