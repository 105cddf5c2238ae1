#include "tests/unit/control/box.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "firmware/snapshot/reader.h"
#include "tests/unit/topology/sample.h"

namespace fedge::control::testing {

using link::Process;

namespace {

constexpr Process kForwarders[] = {Process::fastpath, Process::signal, Process::agent,
                                   Process::front};
constexpr Process kOwners[] = {Process::control, Process::fastpath, Process::signal, Process::front,
                               Process::agent};

std::string make_folder() {
  char name[] = "/tmp/fedge-control-XXXXXX";
  return ::mkdtemp(name);
}

std::string file(const std::string& path) { return read_file(path).value_or(""); }

}  // namespace

json::Document Answered::json() const {
  auto document = json::Document::parse(body);
  if (!document) {
    ADD_FAILURE() << "not JSON: " << body;
    return {};
  }
  return std::move(*document);
}

Box::Box(std::string folder, bool recover, store::Fault fault)
    : folder_(std::move(folder)), recover_(recover), fault_(std::move(fault)) {
  owns_folder_ = folder_.empty();
  if (owns_folder_) folder_ = make_folder();
  for (const Process p : kForwarders) manners[p] = Manner::runs;
  for (const Process owner : kOwners) {
    // One key per owner and always the same, as init keeps them.
    const std::string key(pki::kSealingKeySize, static_cast<char>('a' + static_cast<int>(owner)));
    keys_[owner] = std::move(*make_sealed_memfd("key", as_bytes(key)));
  }
  for (Fd& page : pages_) page = std::move(*make_shared_memfd("page", sizeof(CounterPage)));
}

Box::~Box() {
  stop();
  if (owns_folder_) std::filesystem::remove_all(folder_);
}

bool Box::start() {
  auto ends = link::make_link();
  init_ = std::make_unique<link::Channel>(loop_, Process::init, Process::control,
                                          std::move(ends->first));
  init_->start([this](link::Received r) { on_control_message(r); }, [](const std::string&) {});
  Options options;
  options.state = folder_;
  options.management = *Endpoint::parse("127.0.0.1:8443");
  options.signal_program = folder_ + "/fedge-signal";
  options.recover_database = recover_;
  options.fault = fault_;
  auto control = Control::open(loop_, std::move(ends->second), std::move(options));
  if (!control) return false;
  control_ = std::move(*control);
  for (const Process owner : kOwners) {
    const int fd = keys_[owner].get();
    init_->send(link::SealingKey{owner}, {&fd, 1});
  }
  for (size_t i = 0; i < pages_.size(); ++i) {
    const int fd = pages_[i].get();
    init_->send(link::CounterPages{static_cast<Process>(i)}, {&fd, 1});
  }
  for (const Process p : kForwarders) say_process(p, true);
  control_->announce_ready();
  run_until([&] {
    return ready && (control_->configuration() != nullptr || control_->store() == nullptr);
  });
  open_agent_link();
  if (token.empty()) token = file(folder_ + "/first-token");
  if (token.ends_with('\n')) token.pop_back();
  return true;
}

void Box::lose_sealing_keys() {
  for (auto& [owner, key] : keys_) {
    const std::string other(pki::kSealingKeySize, static_cast<char>('A' + static_cast<int>(owner)));
    key = std::move(*make_sealed_memfd("key", as_bytes(other)));
  }
}

void Box::stop() {
  control_.reset();
  init_.reset();
  agent_.reset();
  ready = false;
}

void Box::open_agent_link() {
  auto ends = link::make_link();
  agent_ = std::make_unique<link::Channel>(loop_, Process::agent, Process::control,
                                           std::move(ends->first));
  agent_->start(
      [this](link::Received r) {
        auto reply = link::decode<link::ApiReply>(r.payload);
        ASSERT_TRUE(reply);
        Answered& a = answers_[reply->id];
        a = {reply->status, "", reply->content_type, reply->etag, reply->location, reply->allow};
        if (!r.fds.empty()) a.body = as_text(Mapping::read_only(r.fds[0].get())->bytes());
      },
      [](const std::string&) {});
  open_link(Process::agent, std::move(ends->second));
}

void Box::open_link(Process peer, Fd socket) {
  const int fd = socket.get();
  init_->send(link::LinkOpened{peer}, {&fd, 1});
}

void Box::pass_sessions(uint16_t worker, uint16_t workers, int fd) {
  init_->send(link::SessionMemory{worker, workers}, {&fd, 1});
}

void Box::say_process(Process process, bool up) {
  init_->send(link::ProcessState{process, up, up ? 1000 + static_cast<uint32_t>(process) : 0,
                                 up ? 0u : 1u, up ? "" : "killed by signal 9"});
  if (!up) init_->send(link::PublishState{process, 0, 0, false, "not running: it was killed"});
}

void Box::on_control_message(link::Received r) {
  if (r.kind == link::MessageKind::ready) ready = true;
  if (r.kind != link::MessageKind::snapshot_offer) return;
  auto offer = link::decode<link::SnapshotOffer>(r.payload);
  ASSERT_TRUE(offer);
  ASSERT_EQ(offer->sections.size(), r.fds.size());
  std::vector<SectionPointer> sections;
  for (size_t i = 0; i < r.fds.size(); ++i) {
    ASSERT_TRUE(is_sealed(r.fds[i].get()));
    auto mapping = Mapping::read_only(r.fds[i].get());
    auto held = hold_section(offer->sections[i].kind, mapping->bytes());
    ASSERT_TRUE(held) << held.error().text();
    sections.push_back(*held);
  }
  offers.push_back(*offer);
  offered_sections.push_back(std::move(sections));
  answer_offer(*offer);
}

void Box::answer_offer(const link::SnapshotOffer& offer) {
  for (const auto& [process, manner] : manners) {
    if (manner == Manner::silent) continue;
    const bool runs = manner == Manner::runs;
    init_->send(link::PublishState{process, offer.generation, offer.revision, runs,
                                   runs ? "" : "it does not like it"});
    if (!runs) manners[process] = Manner::runs;  // the way back is taken
    if (!runs) return;
  }
}

uint64_t Box::send(const Ask& ask) {
  const uint64_t id = next_id_++;
  link::ApiRequest request{
      id,           ask.method,       ask.path,    ask.query,    ask.token.value_or(token),
      ask.if_match, ask.content_type, "192.0.2.1", ask.announces};
  if (ask.body.empty()) {
    agent_->send(request);
    return id;
  }
  auto body = make_sealed_memfd("body", as_bytes(ask.body));
  const int fd = body->get();
  agent_->send(request, {&fd, 1});
  return id;
}

Answered Box::collect(uint64_t id) {
  run_until([&] { return answers_.contains(id); });
  return answers_[id];
}

Answered Box::ask(Ask ask) {
  if (ask.body.empty() && !ask.announces && ask.content_type == "application/json") {
    ask.content_type.clear();
  }
  return collect(send(ask));
}

void Box::run_until(const std::function<bool()>& condition) {
  const Instant deadline = now_monotonic() + 5s;
  while (!condition()) {
    if (now_monotonic() > deadline) return ADD_FAILURE() << "it did not come";
    loop_.run_once(100ms);
  }
}

std::vector<pki::PrivateKey> Box::keys_offered(snapshot::Kind kind, Process owner) {
  static const std::map<snapshot::Kind, std::string_view> kPurposes = {
      {snapshot::Kind::keys_signal, "keys-signal"},
      {snapshot::Kind::keys_agent, "keys-agent"},
      {snapshot::Kind::keys_fastpath, "keys-fastpath"},
      {snapshot::Kind::keys_front, "keys-front"}};
  const std::string_view purpose = kPurposes.at(kind);
  auto key = pki::read_sealing_key(keys_[owner].get());
  for (const SectionPointer& section : offered_sections.back()) {
    if (section->kind != kind) continue;
    auto plain = pki::unseal(*key, purpose, snapshot::key_payload(section->mapping.bytes()));
    if (!plain) return ADD_FAILURE() << plain.error().text(), std::vector<pki::PrivateKey>();
    return std::move(*pki::decode_keys(plain->bytes()));
  }
  return {};
}

std::string Identity::import_body(const std::string& effective_from) const {
  json::Writer w;
  w.begin_object().member("chain", chain).member("key", key);
  if (!effective_from.empty()) w.member("effective_from", effective_from);
  w.end_object();
  return w.take();
}

const Identity& authority() {
  static const Identity identity = [] {
    const std::string f = make_folder();
    const std::string command =
        "cd " + f +
        " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
        " -subj /CN=test-ca -keyout ca.key -out ca.pem 2>/dev/null";
    if (std::system(command.c_str()) != 0) ADD_FAILURE() << "openssl failed";
    Identity made{file(f + "/ca.pem"), file(f + "/ca.key")};
    std::filesystem::remove_all(f);
    return made;
  }();
  return identity;
}

const Identity& leaf(int number, int days) {
  static std::map<int, Identity> made;
  auto [at, is_new] = made.try_emplace(number);
  if (!is_new) return at->second;
  const std::string f = make_folder();
  (void)write_file_durably(f + "/ca.pem", as_bytes(authority().chain));
  (void)write_file_durably(f + "/ca.key", as_bytes(authority().key));
  (void)write_file_durably(f + "/ext", as_bytes("subjectAltName=DNS:sip.example.com\n"));
  const std::string command =
      "cd " + f +
      " && openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
      " -subj /CN=sip.example.com -keyout leaf.key -out leaf.csr 2>/dev/null"
      " && openssl x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days " +
      std::to_string(days) + " -extfile ext -out leaf.pem 2>/dev/null";
  if (std::system(command.c_str()) != 0) ADD_FAILURE() << "openssl failed";
  at->second = {file(f + "/leaf.pem"), file(f + "/leaf.key")};
  std::filesystem::remove_all(f);
  return at->second;
}

std::string trust_body() {
  json::Writer w;
  w.begin_object().member("pem", authority().chain).end_object();
  return w.take();
}

std::string topology_text(uint16_t listener_port) {
  topology::Topology t = topology::sample();
  t.listeners[0].port = listener_port;
  return topology::encode(t, json::Writer::Style::compact);
}

void import_all(Box& box) {
  for (const char* id : {"partners", "inside-ca"}) {
    const Answered a = box.ask({"PUT", std::string("/v1/trust/") + id, trust_body()});
    ASSERT_EQ(a.status, 201) << a.body;
  }
  int number = 1;
  for (const char* id : {"access", "internal"}) {
    const Answered a =
        box.ask({"PUT", std::string("/v1/certificates/") + id, leaf(number++).import_body()});
    ASSERT_EQ(a.status, 201) << a.body;
  }
}

Answered publish(Box& box, const std::string& document, const std::string& query) {
  const Answered put = box.ask({"PUT", "/v1/topology/candidate", document, "", "*"});
  EXPECT_EQ(put.status, 200) << put.body;
  return box.ask({"POST", "/v1/topology/publish", "", query});
}

}  // namespace fedge::control::testing
