#include "dataplane/media/plan.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <map>
#include <string>
#include <utility>

#include "dataplane/media/next_hops.h"
#include "dataplane/media/special_prefixes.h"

namespace fedge::media {

namespace {

constexpr size_t kTokenSecretSize = 32;

std::string_view name_of(const PlanSections& sections, const snapshot::Realm& realm) {
  return sections.realms.text(realm.name);
}

}  // namespace

// One step of build() each.
class PlanBuilder {
 public:
  PlanBuilder(const PlanSections& sections, std::span<const BoxPort> ports, Plan& plan)
      : sections_(sections), ports_(ports), plan_(plan) {}

  Status add_realms();
  Status add_listeners();
  Status add_pools();
  void add_rules();
  Status add_secrets();
  void number_slots();
  void hash_locals();

 private:
  using RealmAndAddress = std::pair<uint16_t, IpAddress>;
  std::span<const snapshot::Realm> realms() const {
    return sections_.realms.items(sections_.realms.root().realms);
  }
  Result<uint16_t> local(uint16_t realm, const IpAddress& address);

  const PlanSections& sections_;
  std::span<const BoxPort> ports_;
  Plan& plan_;
  std::map<RealmAndAddress, uint16_t> places_;
};

Status PlanBuilder::add_realms() {
  for (const snapshot::Realm& realm : realms()) {
    plan_.realms_.push_back({std::string(name_of(sections_, realm)), realm.mtu, realm.dscp_media});
    for (const snapshot::RealmAddress& own : sections_.realms.items(realm.addresses)) {
      plan_.own_.push_back(own.address.address);
      if (own.public_address) plan_.own_.push_back(own.public_address);
    }
  }
  std::ranges::sort(plan_.own_);
  return {};
}

// The place of an address that media serves, made when it is new.
Result<uint16_t> PlanBuilder::local(uint16_t realm, const IpAddress& address) {
  if (const auto found = places_.find({realm, address}); found != places_.end()) {
    return found->second;
  }
  const snapshot::Realm& in = realms()[realm];
  const auto addresses = sections_.realms.items(in.addresses);
  const auto own = std::ranges::find_if(
      addresses, [&](const auto& entry) { return entry.address.address == address; });
  if (own == addresses.end()) {
    return fail("media",
                address.text() + " is no address of realm " + std::string(name_of(sections_, in)));
  }
  const snapshot::Port& port = sections_.realms.items(sections_.realms.root().ports)[in.port];
  const std::string_view device = sections_.realms.text(port.device);
  const auto box = std::ranges::find(ports_, device, &BoxPort::device);
  if (box == ports_.end()) {
    return fail("media", "the box has no port " + std::string(device));
  }
  LocalAddress out;
  out.address = Address::of(address);
  out.public_address = Address::of(own->public_address ? own->public_address : address);
  out.realm = realm;
  out.port = static_cast<uint16_t>(box - ports_.begin());
  out.vlan = in.vlan;
  out.mac_word = to_mac_word(box->mac);
  const auto place = static_cast<uint16_t>(plan_.locals_.size());
  plan_.locals_.push_back(std::move(out));
  places_.emplace(RealmAndAddress{realm, address}, place);
  return place;
}

Status PlanBuilder::add_listeners() {
  for (const auto& entry : sections_.listeners.items(sections_.listeners.root().listeners)) {
    if (entry.service != snapshot::Service::av) continue;
    const auto place = local(entry.realm, entry.endpoint.address);
    if (!place) return std::unexpected(place.error());
    if (entry.transport == snapshot::Transport::udp) {
      plan_.locals_[*place].turn_ports.push_back(entry.endpoint.port);
    }
  }
  return {};
}

Status PlanBuilder::add_pools() {
  const auto& media = sections_.media;
  for (const snapshot::MediaPool& pool : media.items(media.root().pools)) {
    for (const IpAddress& address : media.items(pool.addresses)) {
      const auto place = local(pool.realm, address);
      if (!place) return std::unexpected(place.error());
      plan_.ranges_.push_back({0, pool.first_port, pool.last_port, *place, pool.use});
      LocalAddress& at = plan_.locals_[*place];
      const bool is_first = at.first_port > at.last_port;
      at.first_port = is_first ? pool.first_port : std::min(at.first_port, pool.first_port);
      at.last_port = is_first ? pool.last_port : std::max(at.last_port, pool.last_port);
    }
  }
  return {};
}

void PlanBuilder::number_slots() {
  for (LocalAddress& local : plan_.locals_) {
    if (local.first_port > local.last_port) continue;
    local.first_slot = plan_.slots_;
    plan_.slots_ += uint32_t{local.last_port} - local.first_port + 1;
  }
  for (RelayRange& range : plan_.ranges_) {
    range.first_slot = plan_.locals_[range.local].slot(range.first_port);
  }
}

void PlanBuilder::hash_locals() {
  plan_.places_.assign(std::bit_ceil(4 * plan_.locals_.size() + 1), {});
  plan_.mask_ = static_cast<uint32_t>(plan_.places_.size() - 1);
  for (size_t i = 0; i < plan_.locals_.size(); ++i) {
    const LocalAddress& local = plan_.locals_[i];
    const uint32_t wire = uint32_t{local.port} << 16 | local.vlan;
    uint32_t at = Plan::hash(wire, local.address) & plan_.mask_;
    while (plan_.places_[at].local >= 0) at = (at + 1) & plan_.mask_;
    plan_.places_[at] = {local.address, wire, static_cast<int32_t>(i)};
  }
}

void PlanBuilder::add_rules() {
  const auto operators = sections_.media.items(sections_.media.root().peer_rules);
  std::vector<snapshot::PeerRule> own(operators.begin(), operators.end());
  std::vector<snapshot::PeerRule> special;
  for (const SpecialPrefix& entry : special_prefixes())
    special.push_back({entry.prefix, entry.allow});
  const auto is_longer = [](const auto& a, const auto& b) {
    return a.prefix.length > b.prefix.length;
  };
  std::ranges::sort(own, is_longer);
  std::ranges::sort(special, is_longer);
  // Of equal length the operator's comes first.
  std::ranges::merge(own, special, std::back_inserter(plan_.peer_rules_), is_longer);
}

Status PlanBuilder::add_secrets() {
  const auto& media = sections_.media;
  for (const snapshot::TokenKey& token : media.items(media.root().token_keys)) {
    const auto key = std::ranges::find(sections_.keys, token.key, &pki::PrivateKey::id);
    if (key == sections_.keys.end() || key->der.bytes().size() != kTokenSecretSize) {
      return fail("media", "key " + std::to_string(token.id) + " of credentials is not there",
                  "publish again");
    }
    plan_.secrets_.push_back(
        {token.id, token.effective_from, token.expires, pki::Secret(key->der.bytes())});
  }
  return {};
}

Result<std::unique_ptr<const Plan>> Plan::build(const PlanSections& sections,
                                                std::span<const BoxPort> ports, uint32_t sequence) {
  if (auto fits = snapshot::check_against(sections.media, sections.realms); !fits) {
    return std::unexpected(fits.error());
  }
  std::unique_ptr<Plan> plan(new Plan);
  plan->sequence_ = std::max(sequence, 1u);
  plan->limits_ = sections.media.root();
  plan->turn_realm_ = sections.media.text(sections.media.root().turn_realm);
  for (const Endpoint& other : sections.media.items(sections.media.root().alternates)) {
    (other.address.is_v4() ? plan->alternate_v4_ : plan->alternate_v6_) = other;
  }
  PlanBuilder builder(sections, ports, *plan);
  for (const auto step : {&PlanBuilder::add_realms, &PlanBuilder::add_listeners,
                          &PlanBuilder::add_pools, &PlanBuilder::add_secrets}) {
    if (auto done = (builder.*step)(); !done) return std::unexpected(done.error());
  }
  builder.add_rules();
  builder.number_slots();
  builder.hash_locals();
  return plan;
}

std::unique_ptr<const Plan> Plan::none() {
  std::unique_ptr<Plan> plan(new Plan);
  plan->sequence_ = 1;
  plan->places_.resize(1);
  return plan;
}

int Plan::find_relay(const Address& address) const {
  for (size_t i = 0; i < locals_.size(); ++i) {
    const LocalAddress& local = locals_[i];
    if (local.first_port > local.last_port) continue;
    if (local.address == address || local.public_address == address) return static_cast<int>(i);
  }
  return -1;
}

int Plan::find_local(std::string_view realm, const Address& address) const {
  for (size_t i = 0; i < locals_.size(); ++i) {
    const LocalAddress& local = locals_[i];
    // Records keep the name's beginning only, which is all of a realm's name.
    if (local.address == address && realms_[local.realm].name == realm) return static_cast<int>(i);
  }
  return -1;
}

bool Plan::is_own_but_no_relay(const IpAddress& address) const {
  return find_relay(Address::of(address)) < 0 && std::ranges::binary_search(own_, address);
}

PeerVerdict Plan::judge_peer(const IpAddress& peer) const {
  if (!peer || is_never_peer(peer)) return PeerVerdict::denied;
  if (find_relay(Address::of(peer)) >= 0) return PeerVerdict::our_relay;
  if (std::ranges::binary_search(own_, peer)) return PeerVerdict::denied;
  for (const snapshot::PeerRule& rule : peer_rules_) {
    if (!rule.prefix.contains(peer)) continue;
    if (rule.allow == 0) return PeerVerdict::denied;
    break;
  }
  // Behind a translator stands another address: what holds for it holds for this one. Our own are
  // not reached that way around.
  const auto inner = translated_from(peer);
  return !inner || judge_peer(*inner) == PeerVerdict::allowed ? PeerVerdict::allowed
                                                              : PeerVerdict::denied;
}

}  // namespace fedge::media
