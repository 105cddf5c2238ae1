#include "tests/unit/pki/session.h"

#include <gtest/gtest.h>

#include <array>
#include <list>

#include "firmware/pki/certificate.h"
#include "firmware/snapshot/writer.h"

namespace fedge::pki {

namespace {

// Sections borrow their bytes, and contexts made from them do not: still, keep them in place.
std::string& keep(std::string bytes) {
  static std::list<std::string> kept;
  return kept.emplace_back(std::move(bytes));
}

snapshot::Slice<snapshot::Text> write_chain(snapshot::Writer& writer, const std::string& pem) {
  std::vector<snapshot::Text> texts;
  const auto chain = parse_chain(pem);
  EXPECT_TRUE(chain) << chain.error().text();
  for (const auto& der : chain->der) texts.push_back(writer.text(der));
  return writer.slice(texts);
}

}  // namespace

Result<std::shared_ptr<TlsContext>> try_context(const ContextPlan& plan) {
  snapshot::Writer writer(snapshot::Kind::tls);
  snapshot::TlsContext context{};
  context.name = writer.text("test");
  std::vector<PrivateKey> keys;
  std::vector<snapshot::Certificate> certificates;
  for (const Assigned& assigned : plan.certificates) {
    snapshot::Certificate certificate{};
    certificate.id = writer.text("access");
    certificate.chain = write_chain(writer, assigned.pair.chain);
    certificate.key = certificates.size() + 1;
    certificate.effective_from = assigned.effective_from;
    certificates.push_back(certificate);
    if (!plan.forget_key) keys.push_back({certificate.key, *parse_key(assigned.pair.key)});
  }
  context.certificates = writer.slice(certificates);
  if (!plan.trust.empty()) context.trust = write_chain(writer, plan.trust);
  std::vector<uint16_t> suites;
  for (const auto& name : plan.suites) suites.push_back(ciphersuite_number(name));
  context.ciphersuites = writer.slice(suites);
  context.version_min = plan.version_min;
  context.version_max = plan.version_max;
  context.client_certificate = plan.client_certificate;
  snapshot::Tls root{};
  root.contexts = writer.slice(std::vector{context});
  auto section = snapshot::Section<snapshot::Tls>::open(as_bytes(keep(writer.finish(root))));
  if (!section) return std::unexpected(section.error());
  return TlsContext::make(*section, 0, keys);
}

std::shared_ptr<TlsContext> make_context(const ContextPlan& plan) {
  auto made = try_context(plan);
  EXPECT_TRUE(made) << made.error().text();
  return *made;
}

Session::Session(const std::shared_ptr<TlsContext>& server_context,
                 const std::shared_ptr<TlsContext>& client_context, const std::string& name,
                 WallTime wall)
    : server(std::move(*TlsStream::make(server_context, TlsRole::server, "", wall))),
      client(std::move(*TlsStream::make(client_context, TlsRole::client, name, wall))) {}

void Session::run(size_t cut) {
  if (client->state() == TlsState::handshaking) client->start(to_server);
  while (!to_server.data.empty() || !to_client.data.empty()) {
    move(to_server, *server, to_client, server_got, cut);
    move(to_client, *client, to_server, client_got, cut);
  }
}

bool Session::both_open() const {
  return server->state() == TlsState::open && client->state() == TlsState::open;
}

void Session::move(Pipe& from, TlsStream& to, Pipe& answers, std::string& got, size_t cut) {
  const std::string data = std::move(from.data);
  from.data.clear();
  std::array<std::byte, 8192> plain;
  for (size_t at = 0; at < data.size(); at += cut) {
    Bytes part = as_bytes(std::string_view(data).substr(at, cut));
    TlsStream::Progress progress;
    do {
      progress = to.receive(part, plain, answers);
      part = part.subspan(progress.consumed);
      got.append(reinterpret_cast<const char*>(plain.data()), progress.produced);
    } while (!part.empty() || progress.produced == plain.size());
  }
}

}  // namespace fedge::pki
