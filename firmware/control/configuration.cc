#include "firmware/control/configuration.h"

#include <algorithm>

#include "firmware/base/log.h"
#include "firmware/pki/tls.h"
#include "firmware/snapshot/reader.h"

namespace fedge::control {

using link::Process;
using snapshot::Kind;

namespace {

const store::Actor kBox{"fedge", ""};

std::unexpected<Refusal> refuse(uint16_t status, Error error) {
  return std::unexpected(Refusal{status, {}, std::move(error)});
}

std::unexpected<Refusal> refuse(topology::Findings findings) {
  return std::unexpected(Refusal{422, std::move(findings), {}});
}

// What the compiler says about a document that the rules let through.
std::unexpected<Refusal> refuse_compiled(const Error& error) {
  return refuse(topology::Findings{{error.where, error.what, "", error.remedy}});
}

template <class Root>
Result<snapshot::Section<Root>> open_section(const Generation& generation) {
  return snapshot::Section<Root>::open(generation.find(Root::kKind)->mapping.bytes());
}

// The key numbers that TLS contexts name: those that `serves`, by their place.
template <class F>
Result<std::vector<uint64_t>> keys_of_contexts(const Generation& generation, F&& serves) {
  auto tls = open_section<snapshot::Tls>(generation);
  if (!tls) return std::unexpected(tls.error());
  const auto contexts = tls->items(tls->root().contexts);
  std::vector<uint64_t> keys;
  for (size_t i = 0; i < contexts.size(); ++i) {
    if (!serves(i)) continue;
    for (const auto& c : tls->items(contexts[i].certificates)) keys.push_back(c.key);
  }
  return keys;
}

Result<std::vector<uint64_t>> keys_of_tokens(const Generation& generation) {
  auto media = open_section<snapshot::Media>(generation);
  if (!media) return std::unexpected(media.error());
  std::vector<uint64_t> keys;
  for (const auto& k : media->items(media->root().token_keys)) keys.push_back(k.key);
  return keys;
}

// Signal makes credentials as well (M3).
Result<std::vector<uint64_t>> keys_of_signal(const Generation& generation) {
  auto keys = keys_of_contexts(generation, [](size_t) { return true; });
  const auto tokens = keys_of_tokens(generation);
  if (!keys || !tokens) return keys ? tokens : keys;
  keys->insert(keys->end(), tokens->begin(), tokens->end());
  return keys;
}

Result<std::vector<uint64_t>> keys_of_front(const Generation& generation) {
  auto opened = open_section<snapshot::Listeners>(generation);
  if (!opened) return std::unexpected(opened.error());
  return keys_of_contexts(generation, [&](size_t context) {
    return std::ranges::any_of(
        opened->items(opened->root().listeners), [&](const snapshot::Listener& l) {
          return l.service == snapshot::Service::av && l.tls_context == context;
        });
  });
}

Result<std::vector<uint64_t>> keys_of_management(const Generation& generation) {
  auto management = open_section<snapshot::Management>(generation);
  if (!management) return std::unexpected(management.error());
  return std::vector<uint64_t>{management->root().certificate.key};
}

bool same_sections(const Generation& a, const Generation& b) {
  return std::ranges::equal(a.sections, b.sections, [](const auto& x, const auto& y) {
    return x->kind == y->kind && x->checksum == y->checksum;
  });
}

std::string quoted(char kind, uint64_t number) {
  return std::string("\"") + kind + std::to_string(number) + "\"";
}

}  // namespace

Configuration::Configuration(store::Store& store, Vault& vault, Generations& generations,
                             Publisher& publisher)
    : store_(store), vault_(vault), generations_(generations), publisher_(publisher) {}

Status Configuration::start(const topology::Topology& factory, WallTime now) {
  auto running = store_.running();
  if (!running) return std::unexpected(running.error());
  if (*running) return take_up(**running, now);
  const std::string document = topology::encode(factory, json::Writer::Style::compact);
  auto published = publish(document, 0, "factory settings", kBox, now);
  if (published) return {};
  const Refusal& why = published.error();
  return std::unexpected(why.findings.empty() ? why.error : why.findings.front().error());
}

Status Configuration::take_up(const store::Running& running, WallTime now) {
  auto revision = store_.revision(running.revision);
  if (!revision) return std::unexpected(revision.error());
  if (!*revision) return fail(store_.path(), "the running revision is not there");
  topology::Reading reading = topology::decode((*revision)->document);
  auto replaced = replace_lost_management(reading.topology, now);
  if (!replaced) return std::unexpected(replaced.error());
  auto loaded = generations_.load(running.generation);
  // The files may be gone, or newer than a database that was put back: then build again.
  if (!*replaced && loaded && loaded->revision == running.revision &&
      generations_.current().value_or(0) <= running.generation) {
    put_in_force(std::move(*loaded), std::move(reading.topology));
    return {};
  }
  log::warning("control", "compiling revision {} again: {}", running.revision,
               !loaded     ? loaded.error().text()
               : *replaced ? "management has a new certificate"
                           : "the files beside the database are newer");
  auto again = roll_back(running.revision, kBox, now);
  if (again) return {};
  const Refusal& why = again.error();
  return std::unexpected(why.findings.empty() ? why.error : why.findings.front().error());
}

Result<bool> Configuration::replace_lost_management(const topology::Topology& topology,
                                                    WallTime now) {
  const std::string& id = topology.management.certificate;
  auto entries = store_.certificates(id);
  if (!entries) return std::unexpected(entries.error());
  const auto live = in_force_and_staged(std::move(*entries), now);
  if (live.empty() || topology.management.addresses.empty() || vault_.opens(live.front())) {
    return false;
  }
  log::error("control", "certificate {}: its key does not open; management gets a new one", id);
  auto made = vault_.make_management(topology.appliance.fqdn,
                                     topology.management.addresses.front().text(), now);
  if (!made) return std::unexpected(made.error());
  made->id = id;
  made->effective_from = now;
  auto added = store_.add_certificate(std::move(*made), kBox, now);
  if (!added) return std::unexpected(added.error());
  return true;
}

Result<std::string> Configuration::candidate_etag() {
  auto candidate = store_.candidate();
  if (!candidate) return std::unexpected(candidate.error());
  return *candidate ? quoted('c', (*candidate)->version) : quoted('r', running_.revision);
}

topology::Environment Configuration::environment() {
  topology::Environment environment;
  // A failing database is not a missing certificate: it shows in the next step.
  environment.has_certificate = [this](const std::string& id) {
    auto found = store_.certificates(id);
    return !found || !found->empty();
  };
  environment.has_trust = [this](const std::string& id) {
    auto found = store_.trust(id);
    return !found || found->has_value();
  };
  environment.has_cipher = [](const std::string& name) {
    return pki::ciphersuite_number(name) != 0;
  };
  return environment;
}

topology::Reading Configuration::read(std::string_view document) {
  return topology::read(document, environment());
}

Status Configuration::add_key_sections(Generation& generation) {
  struct Plan {
    Kind source;  // without it the process has nothing to serve
    Kind kind;
    Process owner;
    Result<std::vector<uint64_t>> (*keys)(const Generation&);
  };
  static constexpr Plan kPlans[] = {
      {Kind::tls, Kind::keys_signal, Process::signal, keys_of_signal},
      {Kind::media, Kind::keys_fastpath, Process::fastpath, keys_of_tokens},
      {Kind::listeners, Kind::keys_front, Process::front, keys_of_front},
      {Kind::management, Kind::keys_agent, Process::agent, keys_of_management}};
  for (const Plan& plan : kPlans) {
    if (!generation.find(plan.source)) continue;
    auto keys = plan.keys(generation);
    if (!keys) return std::unexpected(keys.error());
    auto sealed = vault_.seal_keys(plan.kind, plan.owner, *keys, store_, running_.find(plan.kind));
    if (!sealed) return std::unexpected(sealed.error());
    generation.sections.push_back(std::move(*sealed));
  }
  return {};
}

Attempt<Generation> Configuration::build(const topology::Topology& topology, uint64_t revision,
                                         WallTime now) {
  auto certificates = StoredCertificates::read(store_, vault_, now);
  if (!certificates) return refuse(500, certificates.error());
  auto compiled = compile(topology, *certificates, now);
  if (!compiled) return refuse_compiled(compiled.error());
  Generation generation;
  generation.revision = revision;
  for (const auto& [kind, bytes] : compiled->sections) {
    auto section = hold_section(kind, as_bytes(bytes));
    if (!section) return refuse(500, section.error());
    const SectionPointer old = running_.find(kind);
    const bool same = old && old->checksum == (*section)->checksum;
    generation.sections.push_back(same ? old : *section);
  }
  if (auto done = add_key_sections(generation); !done) return refuse(500, done.error());
  return generation;
}

Generation Configuration::numbered(Generation generation) const {
  generation.number = std::max(generations_.newest(), running_.number) + 1;
  return generation;
}

Attempt<Published> Configuration::publish(std::string_view document, uint64_t candidate_version,
                                          const std::string& comment, const store::Actor& who,
                                          WallTime now) {
  topology::Reading reading = read(document);
  if (!reading.good()) return refuse(std::move(reading.findings));
  auto number = store_.next_revision();
  if (!number) return refuse(500, number.error());
  auto built = build(reading.topology, *number, now);
  if (!built) return std::unexpected(built.error());
  Generation next = numbered(std::move(*built));
  if (auto done = generations_.store(next); !done) return refuse(500, done.error());
  const store::Revision revision{
      *number,  topology::encode(reading.topology, json::Writer::Style::compact),
      who.name, comment,
      now,      store::RevisionState::published};
  if (auto done = store_.publish(revision, next.number, candidate_version, who, now); !done) {
    return refuse(500, done.error());
  }
  const Published published{next.revision, next.number};
  put_in_force(std::move(next), std::move(reading.topology));
  return published;
}

Attempt<Published> Configuration::roll_back(uint64_t number, const store::Actor& who,
                                            WallTime now) {
  auto revision = store_.revision(number);
  if (!revision) return refuse(500, revision.error());
  if (!*revision) {
    return refuse(404, {"/v1/revisions/" + std::to_string(number), "there is no such revision",
                        "GET /v1/revisions lists them"});
  }
  topology::Reading reading = read((*revision)->document);
  if (!reading.good()) return refuse(std::move(reading.findings));
  auto built = build(reading.topology, number, now);
  if (!built) return std::unexpected(built.error());
  Generation next = numbered(std::move(*built));
  if (auto done = generations_.store(next); !done) return refuse(500, done.error());
  if (auto done = store_.run(number, next.number, "rolled back", who, now); !done) {
    return refuse(500, done.error());
  }
  const Published published{number, next.number};
  put_in_force(std::move(next), std::move(reading.topology));
  return published;
}

Attempt<std::optional<Published>> Configuration::republish(store::Store::Batch& batch,
                                                           const std::string& why,
                                                           const store::Actor& who, WallTime now) {
  auto built = build(topology_, running_.revision, now);
  if (!built) return std::unexpected(built.error());
  if (same_sections(*built, running_)) {
    if (auto done = batch.commit(); !done) return refuse(500, done.error());
    return std::nullopt;
  }
  Generation next = numbered(std::move(*built));
  if (auto done = generations_.store(next); !done) return refuse(500, done.error());
  Status done = store_.run(next.revision, next.number, why, who, now);
  if (done) done = batch.commit();
  if (!done) return refuse(500, done.error());
  const Published published{next.revision, next.number};
  put_in_force(std::move(next), topology_);
  return published;
}

Status Configuration::refresh(WallTime now) {
  auto done = change_certificates("certificate took effect", kBox, now, [] { return Status(); });
  if (done) return {};
  const Refusal& why = done.error();
  return std::unexpected(why.findings.empty() ? why.error : why.findings.front().error());
}

Result<std::optional<WallTime>> Configuration::next_effective(WallTime now) {
  auto all = store_.certificates();
  if (!all) return std::unexpected(all.error());
  std::optional<WallTime> next;
  for (const store::Certificate& c : *all) {
    if (c.effective_from > now && (!next || c.effective_from < *next)) next = c.effective_from;
  }
  return next;
}

void Configuration::put_in_force(Generation next, topology::Topology topology) {
  // The database has it: should this fail, the next start of control makes up for it.
  if (auto done = generations_.make_current(next.number); !done) {
    log::error("control", "{}", done.error().text());
  }
  previous_ = std::move(running_);
  previous_topology_ = std::move(topology_);
  running_ = std::move(next);
  topology_ = std::move(topology);
  store_.keep({topology_.management.kept_revisions, topology_.management.kept_events});
  generations_.keep_only({running_.number, previous_.number});
  log::info("control", "generation {}, revision {} is the running one", running_.number,
            running_.revision);
  publisher_.offer(running_, now_monotonic());
}

bool Configuration::on_refused(uint64_t generation, const std::string& why, Instant now,
                               WallTime wall) {
  if (generation != running_.number) return true;
  log::error("control", "generation {} was refused by {}", generation, why);
  if (previous_.number == 0) return false;
  const uint64_t refused = running_.revision;
  Generation back = numbered(std::move(previous_));
  previous_ = {};
  Status done = generations_.store(back);
  if (done) done = store_.refuse(refused, {back.revision, back.number}, why, wall);
  if (done) done = generations_.make_current(back.number);
  if (!done) log::error("control", "going back: {}", done.error().text());
  running_ = std::move(back);
  topology_ = std::move(previous_topology_);
  store_.keep({topology_.management.kept_revisions, topology_.management.kept_events});
  generations_.keep_only({running_.number});
  publisher_.offer(running_, now);
  return true;
}

Attempt<Generation> Configuration::compile_only(std::string_view document, WallTime now) {
  topology::Reading reading = read(document);
  if (!reading.good()) return refuse(std::move(reading.findings));
  auto built = build(reading.topology, 0, now);
  if (built) built->number = 1;
  return built;
}

std::string Configuration::use_in_media(const std::string& id) const {
  if (!topology_.media) return {};
  const auto& ids = topology_.media->certificates;
  const auto found = std::ranges::find(ids, id);
  if (found == ids.end()) return {};
  return "/media/certificates/" + std::to_string(found - ids.begin());
}

std::string Configuration::use_of_certificate(const std::string& id) const {
  if (topology_.management.certificate == id) return "/management/certificate";
  if (std::string use = use_in_media(id); !use.empty()) return use;
  for (size_t i = 0; i < topology_.tls_contexts.size(); ++i) {
    const auto& ids = topology_.tls_contexts[i].certificates;
    const auto found = std::ranges::find(ids, id);
    if (found == ids.end()) continue;
    return "/tls_contexts/" + std::to_string(i) + "/certificates/" +
           std::to_string(found - ids.begin());
  }
  return {};
}

std::string Configuration::use_of_trust(const std::string& id) const {
  for (size_t i = 0; i < topology_.tls_contexts.size(); ++i) {
    const auto& ids = topology_.tls_contexts[i].trust;
    const auto found = std::ranges::find(ids, id);
    if (found == ids.end()) continue;
    return "/tls_contexts/" + std::to_string(i) + "/trust/" + std::to_string(found - ids.begin());
  }
  return {};
}

}  // namespace fedge::control
