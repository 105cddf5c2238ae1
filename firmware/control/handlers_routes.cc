// /v1/peers and /v1/routes/explain.
#include <filesystem>

#include "firmware/control/control.h"
#include "firmware/control/handlers.h"
#include "firmware/snapshot/lookup.h"
#include "firmware/snapshot/reader.h"

namespace fedge::control {

using snapshot::Kind;

namespace {

constexpr size_t kMostArgument = 1024;

class PeerList {
 public:
  PeerList(const snapshot::Section<snapshot::Routing>& routing,
           const snapshot::Section<snapshot::Realms>& realms, const CounterPages& pages,
           const NextHopBook& book)
      : routing_(routing), realms_(realms), pages_(pages), book_(book) {}

  std::string write() {
    const auto next_hops = routing_.items(routing_.root().next_hops);
    w_.begin_object().member("federation", routing_.root().federation != 0);
    w_.key("peers").begin_array();
    for (const snapshot::Peer& peer : routing_.items(routing_.root().peers)) {
      w_.begin_object().member("name", routing_.text(peer.name));
      w_.member("side", peer.side == snapshot::PeerSide::inside ? "inside" : "partner");
      if (peer.domain.size != 0) w_.member("domain", routing_.text(peer.domain));
      w_.member("realm", realm(peer.realm));
      w_.key("next_hop");
      write_next_hop(next_hops[peer.next_hop]);
      write_counters(routing_.text(peer.name));
      w_.end_object();
    }
    w_.end_array().key("next_hops").begin_array();
    for (const snapshot::NextHop& hop : next_hops) write_next_hop(hop);
    w_.end_array().end_object();
    return w_.take();
  }

 private:
  std::string_view realm(uint16_t index) {
    return realms_.text(realms_.items(realms_.root().realms)[index].name);
  }
  void write_next_hop(const snapshot::NextHop& hop) {
    w_.begin_object().member("host", routing_.text(hop.host));
    w_.member("transport", hop.transport == snapshot::Transport::tls ? "tls" : "tcp");
    w_.member("realm", realm(hop.realm)).key("endpoints").begin_array();
    for (const Endpoint& e : routing_.items(hop.endpoints)) w_.value(e.text());
    w_.end_array();
    if (hop.lookup != snapshot::Lookup::none) {
      w_.member("lookup", snapshot::describe_lookup(hop.lookup, routing_.text(hop.host)));
      w_.member("addresses", book_.addresses(hop, routing_));
    }
    write_knowledge(w_, book_.find(name_of(hop, routing_, realms_)));
    w_.end_object();
  }
  void write_counters(std::string_view name) {
    const auto page = static_cast<size_t>(link::Process::signal);
    w_.key("counters").begin_object();
    for (const auto& [series, value] : series_with_label(pages_[page], "peer", name)) {
      w_.member(series, value);
    }
    w_.end_object();
  }

  const snapshot::Section<snapshot::Routing>& routing_;
  const snapshot::Section<snapshot::Realms>& realms_;
  const CounterPages& pages_;
  const NextHopBook& book_;
  json::Writer w_{json::Writer::Style::pretty};
};

// A folder with the sections asked about, removed when the answer is there.
struct Folder {
  explicit Folder(std::string p) : path(std::move(p)) {}
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code error;
    std::filesystem::remove_all(path, error);
  }
  std::string path;
};

Attempt<std::shared_ptr<Folder>> write_sections(Control& control, Generation generation) {
  static uint64_t number = 0;
  const auto is_key = [](const SectionPointer& s) { return s->kind >= Kind::keys_signal; };
  std::erase_if(generation.sections, is_key);
  auto folder =
      std::make_shared<Folder>(control.state_folder() + "/explain/" + std::to_string(++number));
  Status done = make_directories(folder->path);
  if (done) done = write_generation(folder->path, generation, Flush::no);
  const std::string states = control.next_hops().text();
  if (done) done = write_new_file(folder->path + "/next_hops", as_bytes(states), Flush::no);
  const std::string names = control.next_hops().names_text();
  if (done) done = write_new_file(folder->path + "/names", as_bytes(names), Flush::no);
  if (!done) return std::unexpected(Refusal{500, {}, done.error()});
  return folder;
}

// The document that the query asks about; nothing for the running revision.
Attempt<std::optional<std::string>> document_asked(Control& control, const Query& query) {
  if (query.find("candidate") != nullptr) {
    auto candidate = control.store()->candidate();
    if (!candidate) return std::unexpected(Refusal{500, {}, candidate.error()});
    if (!*candidate) {
      return std::unexpected(
          Refusal{404, {}, {"candidate", "there is none", "PUT /v1/topology/candidate first"}});
    }
    return std::optional((*candidate)->document);
  }
  if (query.find("revision") == nullptr) return std::nullopt;
  auto number = query.number("revision", 0, 0, INT64_MAX);
  if (!number) return std::unexpected(Refusal{400, {}, number.error()});
  auto revision = control.store()->revision(*number);
  if (!revision) return std::unexpected(Refusal{500, {}, revision.error()});
  if (!*revision) {
    return std::unexpected(Refusal{404, {}, {"revision", "there is no such revision", ""}});
  }
  return std::optional((*revision)->document);
}

Result<std::vector<std::string>> explain_arguments(const Query& query, const std::string& folder) {
  std::vector<std::string> arguments{"--explain", folder};
  for (const char* name : {"from", "to", "method", "realm", "peer"}) {
    const std::string* value = query.find(name);
    std::string text = value != nullptr ? *value : std::string();
    if (value == nullptr && std::string_view(name) == "method") text = "MESSAGE";
    if (value == nullptr && text.empty()) continue;
    if (text.empty() || text.size() > kMostArgument || text[0] == '-') {
      return fail("query parameter " + std::string(name),
                  text.empty() ? "it is empty" : "it cannot be used",
                  "1 to 1024 octets, not starting with -");
    }
    arguments.push_back(std::string("--") + name);
    arguments.push_back(std::move(text));
  }
  return arguments;
}

Reply explained(Result<std::string> output) {
  if (!output) return error_reply(output.error().where == "explain" ? 502 : 400, output.error());
  auto document = json::Document::parse(*output);
  if (document) return json_reply(std::move(*output));
  return error_reply(502, "explain", "the program's answer is not JSON");
}

}  // namespace

Answer on_get_peers(Control& control, Request&) {
  const Generation& running = control.running();
  const SectionPointer routing = running.find(Kind::routing);
  const SectionPointer realms = running.find(Kind::realms);
  if (!routing || !realms) return error_reply(503, control.not_ready());
  auto open_routing = snapshot::Section<snapshot::Routing>::open(routing->mapping.bytes());
  auto open_realms = snapshot::Section<snapshot::Realms>::open(realms->mapping.bytes());
  if (!open_routing) return error_reply(500, open_routing.error());
  if (!open_realms) return error_reply(500, open_realms.error());
  return json_reply(
      PeerList(*open_routing, *open_realms, control.pages(), control.next_hops()).write());
}

Answer on_explain(Control& control, Request& request) {
  if (request.query.find("candidate") != nullptr && request.query.find("revision") != nullptr) {
    return error_reply(400, "query string", "candidate and revision", "ask about one of them");
  }
  auto document = document_asked(control, request.query);
  if (!document) return refusal_reply(document.error());
  Attempt<Generation> generation = control.running();
  if (*document) generation = control.configuration()->compile_only(**document, control.wall());
  if (!generation) return refusal_reply(generation.error());
  auto folder = write_sections(control, std::move(*generation));
  if (!folder) return refusal_reply(folder.error());
  auto arguments = explain_arguments(request.query, (*folder)->path);
  if (!arguments) return error_reply(400, arguments.error());
  auto started = control.explainer().run(
      *arguments, [respond = request.respond, keep = *folder](Result<std::string> output) {
        respond(explained(std::move(output)));
      });
  if (!started) return error_reply(503, started.error());
  return later;
}

}  // namespace fedge::control
