#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>

#include "tests/unit/pki/openssl_client.h"
#include "tests/unit/pki/session.h"

namespace fedge::pki {
namespace {

using testing::AssertionFailure;
using testing::AssertionResult;
using testing::AssertionSuccess;

AssertionResult says(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return AssertionSuccess();
  return AssertionFailure() << "\"" << text << "\" does not say \"" << part << "\"";
}

class TlsFailure : public testing::Test {
 protected:
  ContextPlan plan(const Authority::Pair& pair) const {
    return {.certificates = {{pair}}, .trust = authority.certificate()};
  }

  Authority authority{"Test CA"};
  Authority::Pair box = authority.issue("sip.example.com", "DNS:sip.example.com");
  Authority::Pair partner = authority.issue("sip.partner.example", "DNS:sip.partner.example");
};

TEST_F(TlsFailure, T9_AWrongNameTellsBothNames) {
  Session session(make_context(plan(box)), make_context(plan(partner)), "other.example.com");
  session.run();
  EXPECT_TRUE(says(session.client->failure(), "names sip.example.com, not other.example.com"));
  EXPECT_EQ(session.server->state(), TlsState::failed);
  EXPECT_TRUE(says(session.server->failure(), "the peer refused"));
}

TEST_F(TlsFailure, T9_AnUnknownCaIsToldToBothSides) {
  Authority stranger("Another CA");
  auto trusting_another = plan(partner);
  trusting_another.trust = stranger.certificate();
  Session session(make_context(plan(box)), make_context(trusting_another), "sip.example.com");
  session.run();
  EXPECT_TRUE(says(session.client->failure(), "CN=Test CA"));
  EXPECT_TRUE(says(session.client->failure(), "no CA trusted here"));
  EXPECT_TRUE(says(session.server->failure(), "does not know the CA of our certificate"));
}

TEST_F(TlsFailure, T9_AnUnknownClientCaIsToldToBothSides) {
  Authority stranger("Another CA");
  Session session(make_context(plan(box)),
                  make_context(plan(stranger.issue("sip.partner.example", ""))), "sip.example.com");
  session.run();
  EXPECT_TRUE(says(session.server->failure(), "issued by CN=Another CA"));
  EXPECT_TRUE(session.server->peer_names().empty());
  EXPECT_TRUE(says(session.client->failure(), "does not know the CA"));
}

TEST_F(TlsFailure, T9_DatesAreTold) {
  const auto old =
      authority.issue("sip.partner.example", "", "ec", "20200101000000Z", "20210301000000Z");
  Session expired(make_context(plan(box)), make_context(plan(old)), "sip.example.com");
  expired.run();
  EXPECT_TRUE(says(expired.server->failure(), "expired on 2021-03-01"));
  EXPECT_TRUE(says(expired.client->failure(), "our certificate has expired"));
  const auto young =
      authority.issue("sip.partner.example", "", "ec", "20990101000000Z", "20990301000000Z");
  Session early(make_context(plan(box)), make_context(plan(young)), "sip.example.com");
  early.run();
  EXPECT_TRUE(says(early.server->failure(), "not valid before 2099-01-01"));
}

TEST_F(TlsFailure, T9_GarbageIsNotTls) {
  auto stream =
      std::move(*TlsStream::make(make_context(plan(box)), TlsRole::server, "", now_wall()));
  Pipe out;
  std::array<std::byte, 64> plain;
  const Bytes bytes = as_bytes("OPTIONS sip:x SIP/2.0\r\n\r\n");
  const auto progress = stream->receive(bytes, plain, out);
  EXPECT_EQ(progress.state, TlsState::failed);
  EXPECT_EQ(progress.consumed, bytes.size());
  EXPECT_TRUE(says(stream->failure(), "not TLS"));
  EXPECT_FALSE(stream->send(as_bytes("x"), out));
}

TEST_F(TlsFailure, T9_AChangedRecordIsNoticed) {
  Session session(make_context(plan(box)), make_context(plan(partner)), "sip.example.com");
  session.run();
  ASSERT_TRUE(session.both_open());
  ASSERT_TRUE(session.client->send(as_bytes("hello"), session.to_server));
  session.to_server.data.back() = static_cast<char>(session.to_server.data.back() ^ 1);
  session.run();
  EXPECT_TRUE(session.server_got.empty());
  EXPECT_TRUE(says(session.server->failure(), "integrity"));
  EXPECT_EQ(session.client->state(), TlsState::failed);
}

TEST_F(TlsFailure, T2_AStreamIsRefusedWhenItsContextCannotServeIt) {
  auto client_only = plan(partner);
  client_only.trust.clear();
  client_only.client_certificate = snapshot::ClientCertificate::none;
  const auto context = make_context(client_only);
  const auto made = TlsStream::make(context, TlsRole::client, "x.example", now_wall());
  ASSERT_FALSE(made);
  EXPECT_TRUE(says(made.error().text(), "trusts no CA"));
}

// A server stream fed from a real client until it is open or has failed.
std::unique_ptr<TlsStream> serve(const std::shared_ptr<TlsContext>& context, int socket) {
  auto stream = std::move(*TlsStream::make(context, TlsRole::server, "", now_wall()));
  std::array<std::byte, 4096> cipher;
  while (stream->state() == TlsState::handshaking) {
    const ssize_t n = ::recv(socket, cipher.data(), cipher.size(), 0);
    if (n <= 0) break;
    Pipe out;
    stream->receive({cipher.data(), static_cast<size_t>(n)}, {}, out);
    (void)::send(socket, out.data.data(), out.data.size(), MSG_NOSIGNAL);
  }
  return stream;
}

TEST_F(TlsFailure, T9_AMissingClientCertificateIsNamed) {
  const OpensslClient client({"-tls1_2"});
  const auto stream = serve(make_context(plan(box)), client.socket());
  EXPECT_EQ(stream->state(), TlsState::failed);
  EXPECT_TRUE(says(stream->failure(), "presented no certificate"));
}

TEST_F(TlsFailure, T9_AnOldVersionIsNamed) {
  const OpensslClient client({"-tls1_1", "-cipher", "ALL:@SECLEVEL=0"});
  const auto stream = serve(make_context(plan(box)), client.socket());
  EXPECT_EQ(stream->state(), TlsState::failed);
  EXPECT_TRUE(says(stream->failure(), "TLS version"));
}

TEST_F(TlsFailure, T2_AnotherLibrarysClientIsServed) {
  auto open = plan(box);
  open.client_certificate = snapshot::ClientCertificate::none;
  const OpensslClient client({});
  const auto stream = serve(make_context(open), client.socket());
  EXPECT_EQ(stream->state(), TlsState::open) << stream->failure();
}

}  // namespace
}  // namespace fedge::pki
