#include "firmware/resolve/discovery.h"

#include <algorithm>
#include <optional>

#include "firmware/net/dns_name.h"
#include "firmware/resolve/selection.h"

namespace fedge::resolve {

namespace {

constexpr std::string_view kService = "_sipfederationtls._tcp.";

class Discovery {
 public:
  Discovery(Resolver& resolver, RandomSource& random, const DiscoveryRules& rules, Instant now)
      : resolver_(resolver), random_(random), rules_(rules), now_(now) {}

  Partner find(std::string_view domain) {
    const auto name = dns::Name::parse(std::string(kService) + std::string(domain));
    if (!is_dns_name(domain) || !name) {
      partner_.state = PartnerState::absent;
      return std::move(partner_);
    }
    // Copied: the next question may move what the cache gave.
    const Finding srv = ask({*name, dns::Type::srv});
    if (srv.state == State::found) {
      const std::vector<dns::Service> services = srv.answer->services;
      partner_.by_srv = true;
      by_services(services, *dns::Name::parse(domain));
    } else if (srv.state == State::pending || srv.state == State::failed) {
      partner_.state = srv.state == State::pending ? PartnerState::pending : PartnerState::failed;
    } else if (!rules_.without_srv) {
      partner_.state = PartnerState::absent;
    } else {
      by_host({0, 0, rules_.default_port, *dns::Name::parse(domain)});
      partner_.state = conclude();
    }
    return std::move(partner_);
  }

  Partner find_host(std::string_view host) {
    partner_.state = PartnerState::absent;
    const auto name = dns::Name::parse(host);
    if (name && is_dns_name(host)) {
      by_host({0, 0, rules_.default_port, *name});
      partner_.state = conclude();
    }
    return std::move(partner_);
  }

 private:
  Finding ask(const dns::Question& question) {
    const Finding finding = resolver_.find(question, now_);
    if (finding.state == State::pending) partner_.awaits.push_back(question);
    partner_.ask_again = std::min(partner_.ask_again, finding.ask_again);
    partner_.is_stale |= finding.is_stale;
    failed_ |= finding.state == State::failed;
    return finding;
  }

  void by_services(const std::vector<dns::Service>& services, const dns::Name& domain) {
    const bool refuses =
        std::ranges::all_of(services, [](const auto& s) { return s.target.is_root(); });
    if (refuses) {
      partner_.state = PartnerState::not_offered;
      return;
    }
    for (const dns::Service& service : order_services(services, random_)) {
      if (!rules_.inside_only || service.target.is_root() || service.target.is_within(domain)) {
        by_host(service);
      } else {
        partner_.refused.push_back(
            {{{}, service.target.text(), service.priority, service.weight}, "outside the domain"});
      }
    }
    partner_.state = conclude();
  }

  void by_host(const dns::Service& service) {
    const std::string host = service.target.text();
    if (service.target.is_root() || service.port == 0 || !is_dns_name(host)) return;
    const size_t awaited = partner_.awaits.size();
    const size_t targets = partner_.targets.size();
    std::vector<IpAddress> addresses;
    if (rules_.use_v6) collect(service.target, dns::Type::aaaa, addresses);
    if (rules_.use_v4) collect(service.target, dns::Type::a, addresses);
    for (const IpAddress& address : order_addresses(addresses, random_)) {
      Target target{{address, service.port}, host, service.priority, service.weight};
      const bool is_known = std::ranges::any_of(
          partner_.targets, [&](const Target& t) { return t.endpoint == target.endpoint; });
      if (const auto why = why_forbidden(address, rules_.own); !why.empty()) {
        partner_.refused.push_back({std::move(target), why});
      } else if (!is_known && partner_.targets.size() < rules_.most_targets) {
        partner_.targets.push_back(std::move(target));
      }
    }
    // One family is enough to begin with: some name servers never answer for the other one.
    if (partner_.awaits.size() > awaited && partner_.targets.size() == targets && !best_awaited_)
      best_awaited_ = service.priority;
  }

  void collect(const dns::Name& host, dns::Type type, std::vector<IpAddress>& addresses) {
    const Finding finding = ask({host, type});
    if (finding.answer == nullptr) return;
    addresses.insert(addresses.end(), finding.answer->addresses.begin(),
                     finding.answer->addresses.end());
  }

  PartnerState conclude() {
    // Backups do not stand in for better ones that nothing is known of yet.
    if (best_awaited_ &&
        (partner_.targets.empty() || partner_.targets.front().priority > *best_awaited_))
      return PartnerState::pending;
    if (!partner_.targets.empty()) return PartnerState::found;
    if (failed_) return PartnerState::failed;
    return partner_.refused.empty() ? PartnerState::absent : PartnerState::forbidden;
  }

  Resolver& resolver_;
  RandomSource& random_;
  const DiscoveryRules& rules_;
  const Instant now_;
  Partner partner_;
  std::optional<uint16_t> best_awaited_;  // of hosts without any target so far
  bool failed_ = false;
};

}  // namespace

Partner find_partner(Resolver& resolver, RandomSource& random, const DiscoveryRules& rules,
                     std::string_view domain, Instant now) {
  return Discovery(resolver, random, rules, now).find(domain);
}

Partner find_host(Resolver& resolver, RandomSource& random, const DiscoveryRules& rules,
                  std::string_view host, Instant now) {
  return Discovery(resolver, random, rules, now).find_host(host);
}

std::vector<Target> order_targets(std::span<const Target> targets, RandomSource& random) {
  // One SRV record's addresses are drawn as one.
  const auto same = [](const Target& a, const Target& b) {
    return a.host == b.host && a.endpoint.port == b.endpoint.port && a.priority == b.priority &&
           a.weight == b.weight;
  };
  std::vector<Weighted> records;
  for (size_t i = 0; i < targets.size(); ++i) {
    const auto before = targets.first(i);
    if (std::ranges::none_of(before, [&](const Target& t) { return same(t, targets[i]); }))
      records.push_back({targets[i].priority, targets[i].weight, i});
  }
  order_weighted(records, random);
  std::vector<Target> ordered;
  ordered.reserve(targets.size());
  for (const Weighted& record : records) {
    Target target = targets[record.index];
    std::vector<IpAddress> addresses;
    for (const Target& t : targets) {
      if (same(t, target)) addresses.push_back(t.endpoint.address);
    }
    for (const IpAddress& address : order_addresses(addresses, random)) {
      target.endpoint.address = address;
      ordered.push_back(target);
    }
  }
  return ordered;
}

}  // namespace fedge::resolve
