#include "mgmt/agent/server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>

#include "tests/unit/agent/https_client.h"

namespace fedge::agent {
namespace {

constexpr std::string_view kGet = "GET /v1/status HTTP/1.1\r\nHost: box\r\n\r\n";

Reply go_on() {
  Reply reply;
  reply.status = 100;
  return reply;
}

// Notes what is asked; answers at once when told to, else when the test says so.
class NotedBackend final : public Backend {
 public:
  bool ask(uint64_t id, http::Request request, const std::string&) override {
    if (gone) return false;
    ids.push_back(id);
    requests.push_back(std::move(request));
    if (at_once) server->deliver(id, *at_once);
    return true;
  }
  // Of a body to come: answered at once, unless the test says so itself.
  bool announce(uint64_t id, const http::Request& head, const std::string&) override {
    if (gone) return false;
    heads.push_back(head);
    if (head_answer) {
      server->deliver(id, *head_answer);
    } else {
      ids.push_back(id);
    }
    return true;
  }
  Server* server = nullptr;
  std::vector<http::Request> heads;
  std::optional<Reply> head_answer = go_on();
  std::vector<uint64_t> ids;
  std::vector<http::Request> requests;
  std::optional<Reply> at_once;
  bool gone = false;
};

Reply reply_of(std::string body) {
  Reply reply;
  reply.status = 200;
  reply.content_type = "application/json";
  reply.body = std::move(body);
  return reply;
}

class AgentServer : public testing::Test {
 protected:
  AgentServer() : server(loop, backend, counters) {
    backend.server = &server;
    use({});
    LoopbackListener listener;
    port = listener.port;
    server.listen(listener.endpoint(), std::move(listener.socket));
  }
  void use(const ServerLimits& limits) { server.use(credentials.server_context(), limits); }
  HttpsClient connect() { return HttpsClient(loop, port, client_context); }
  bool asked(HttpsClient& client, size_t count) {
    return client.await([&] { return backend.requests.size() >= count; });
  }
  uint64_t count_of(std::string_view series) { return counters.value(counters.series(series)); }

  static inline const Credentials credentials;
  std::shared_ptr<pki::TlsContext> client_context = credentials.client_context();
  Loop loop;
  Counters counters;
  NotedBackend backend;
  Server server;
  uint16_t port = 0;
};

TEST_F(AgentServer, P1_CarriesRequestsAndKeepsTheConnection) {
  auto client = connect();
  client.send(
      "PUT /v1/topology/candidate?a=b HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer t\r\n"
      "If-Match: \"3\"\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
  ASSERT_TRUE(asked(client, 1));
  EXPECT_EQ(backend.requests[0].method, "PUT");
  EXPECT_EQ(backend.requests[0].path, "/v1/topology/candidate");
  EXPECT_EQ(backend.requests[0].query, "a=b");
  EXPECT_EQ(backend.requests[0].authorization, "Bearer t");
  EXPECT_EQ(backend.requests[0].body, "{}");
  Reply reply = reply_of("{\"one\":1}");
  reply.etag = "\"4\"";
  server.deliver(backend.ids[0], reply);
  ASSERT_TRUE(client.await_text("{\"one\":1}"));
  EXPECT_NE(client.got.find("ETag: \"4\"\r\n"), std::string::npos);
  client.send(kGet);
  ASSERT_TRUE(asked(client, 2));
  server.deliver(backend.ids[1], reply_of("{\"two\":2}"));
  EXPECT_TRUE(client.await_text("{\"two\":2}"));
  EXPECT_EQ(count_of("fedge_agent_requests_total"), 2u);
}

TEST_F(AgentServer, P1_AnswersPipelinedRequestsInOrder) {
  auto client = connect();
  client.send("GET /a HTTP/1.1\r\nHost: box\r\n\r\nGET /b HTTP/1.1\r\nHost: box\r\n\r\n");
  ASSERT_TRUE(asked(client, 1));
  EXPECT_EQ(backend.requests.size(), 1u);  // the second waits for the first one's answer
  server.deliver(backend.ids[0], reply_of("first"));
  ASSERT_TRUE(asked(client, 2));
  EXPECT_EQ(backend.requests[1].path, "/b");
  server.deliver(backend.ids[1], reply_of("second"));
  ASSERT_TRUE(client.await_text("second"));
  EXPECT_LT(client.got.find("first"), client.got.find("second"));
}

TEST_F(AgentServer, P1_ThousandsOfPipelinedRequestsDoNotNest) {
  backend.at_once = reply_of("x");
  auto client = connect();
  std::string many;
  constexpr size_t kMany = 3000;
  for (size_t i = 0; i < kMany; ++i) many += "GET / HTTP/1.1\r\nHost:b\r\n\r\n";
  client.send(many);
  EXPECT_TRUE(asked(client, kMany));
}

TEST_F(AgentServer, P1_AClientThatNeverReadsIsNotAskedForMore) {
  backend.at_once = reply_of(std::string(1 << 18, 'x'));
  auto client = connect();
  ASSERT_TRUE(client.await([&] { return client.open; }));
  client.pause(true);
  std::string many;
  for (int i = 0; i < 500; ++i) many += kGet;
  client.send(many);
  ASSERT_TRUE(asked(client, 1));
  for (int i = 0; i < 20; ++i) loop.run_once(0ms);
  EXPECT_LT(backend.requests.size(), 100u);  // what the sockets' buffers hold, and one
  auto other = connect();
  other.send(kGet);
  EXPECT_TRUE(other.await_text("200 OK"));
  client.pause(false);
  EXPECT_TRUE(asked(client, 501));
}

TEST_F(AgentServer, P1_TellsThatControlIsDown) {
  backend.gone = true;
  auto client = connect();
  client.send(kGet);
  ASSERT_TRUE(client.await_text("traffic goes on"));
  EXPECT_TRUE(client.got.starts_with("HTTP/1.1 503 "));
  EXPECT_NE(client.got.find("Retry-After: "), std::string::npos);
  backend.gone = false;
  client.got.clear();
  client.send(kGet);
  ASSERT_TRUE(asked(client, 1));
  server.fail_outstanding();
  EXPECT_TRUE(client.await_text("it stopped before it answered"));
}

TEST_F(AgentServer, P1_AnswersForAClientThatWentAreDropped) {
  auto client = connect();
  client.send(kGet);
  ASSERT_TRUE(asked(client, 1));
  client.hang_up();
  ASSERT_TRUE(client.await([&] { return server.connections() == 0; }));
  server.deliver(backend.ids[0], reply_of("late"));
  EXPECT_EQ(count_of("fedge_agent_connections"), 0u);
}

TEST_F(AgentServer, P1_HeadOptionsAndUnknownMethods) {
  backend.at_once = reply_of("the body");
  auto client = connect();
  client.send("HEAD /v1/status HTTP/1.1\r\nHost: box\r\n\r\n");
  ASSERT_TRUE(client.await_text("\r\n\r\n"));
  EXPECT_NE(client.got.find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_EQ(client.got.find("the body"), std::string::npos);
  EXPECT_EQ(backend.requests[0].method, "GET");
  client.got.clear();
  client.send("OPTIONS /v1/status HTTP/1.1\r\nHost: box\r\n\r\n");
  ASSERT_TRUE(client.await_text("\r\n\r\n"));
  EXPECT_TRUE(client.got.starts_with("HTTP/1.1 204 "));
  EXPECT_NE(client.got.find("Allow: GET"), std::string::npos);
  client.got.clear();
  client.send("BREW /pot HTTP/1.1\r\nHost: box\r\n\r\n");
  ASSERT_TRUE(client.await_text("not known here"));
  EXPECT_TRUE(client.got.starts_with("HTTP/1.1 501 "));
}

TEST_F(AgentServer, P1_ABadRequestIsAnsweredAndEndsTheConnection) {
  auto client = connect();
  client.send(
      "GET / HTTP/1.1\r\nHost: box\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
  ASSERT_TRUE(client.await_end());
  EXPECT_TRUE(client.got.starts_with("HTTP/1.1 400 "));
  EXPECT_NE(client.got.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(backend.requests.empty());
  EXPECT_EQ(count_of("fedge_agent_bad_requests_total"), 1u);
}

TEST_F(AgentServer, P1_ContinueIsToldBeforeTheBody) {
  auto client = connect();
  client.send("PUT /x HTTP/1.1\r\nHost: box\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(client.await_text("100 Continue\r\n\r\n"));
  client.send("abc");
  ASSERT_TRUE(asked(client, 1));
  EXPECT_EQ(backend.requests[0].body, "abc");
}

TEST_F(AgentServer, P6_WhoMayNotAskIsToldBeforeABodyIsRead) {
  backend.head_answer = error_reply(401, "Authorization", "the token is not known", "");
  for (const std::string expects : {"", "Expect: 100-continue\r\n"}) {
    auto client = connect();
    client.send(
        "PUT /v1/topology/candidate HTTP/1.1\r\nHost: box\r\nAuthorization: Bearer wrong\r\n" +
        expects + "Content-Length: 1048576\r\n\r\n");
    ASSERT_TRUE(client.await_end());
    EXPECT_TRUE(client.got.starts_with("HTTP/1.1 401 ")) << client.got;
    EXPECT_NE(client.got.find("Connection: close"), std::string::npos);
  }
  ASSERT_EQ(backend.heads.size(), 2u);
  EXPECT_EQ(backend.heads[0].authorization, "Bearer wrong");
  EXPECT_TRUE(backend.requests.empty());
  EXPECT_EQ(count_of("fedge_agent_bad_requests_total"), 2u);
}

TEST_F(AgentServer, P6_NothingOfABodyIsReadBeforeTheAnswer) {
  backend.head_answer.reset();
  auto client = connect();
  client.send("PUT /x HTTP/1.1\r\nHost: box\r\nContent-Length: 900000\r\n\r\n");
  ASSERT_TRUE(client.await([&] { return backend.heads.size() == 1; }));
  client.send(std::string(900'000, 'x'));
  for (int i = 0; i < 50; ++i) loop.run_once(0ms);
  EXPECT_EQ(server.held(), 0u);
  server.deliver(backend.ids[0], go_on());
  ASSERT_TRUE(asked(client, 1));
  EXPECT_EQ(backend.requests[0].body.size(), 900'000u);
  EXPECT_EQ(backend.heads.size(), 1u);
  server.deliver(backend.ids[1], reply_of("taken"));
  ASSERT_TRUE(client.await_text("taken"));
  EXPECT_EQ(client.got.find("100 Continue"), std::string::npos) << "nobody asked for it";
  // The next one on the connection is asked about as well.
  client.send("PUT /y HTTP/1.1\r\nHost: box\r\nContent-Length: 9\r\n\r\n");
  EXPECT_TRUE(client.await([&] { return backend.heads.size() == 2; }));
}

TEST_F(AgentServer, P1_WithoutControlNoBodyIsTaken) {
  backend.gone = true;
  auto client = connect();
  client.send("PUT /x HTTP/1.1\r\nHost: box\r\nContent-Length: 9\r\n\r\n");
  ASSERT_TRUE(client.await_end());
  EXPECT_TRUE(client.got.starts_with("HTTP/1.1 503 "));
}

TEST_F(AgentServer, P1_EveryWaitHasItsLimit) {
  ServerLimits limits;
  limits.patience = {50ms, 50ms, 50ms, 50ms, 50ms, 50ms, 50ms};
  use(limits);
  HttpsClient silent(loop, port, nullptr);  // no handshake
  EXPECT_TRUE(silent.await_end());
  auto idle = connect();
  EXPECT_TRUE(idle.await_end());
  EXPECT_TRUE(idle.open);
  EXPECT_TRUE(idle.got.empty());
  auto header = connect();
  header.send("GET / HTTP/1.1\r\nHos");
  EXPECT_TRUE(header.await_end());
  EXPECT_TRUE(header.got.starts_with("HTTP/1.1 408 "));
  auto body = connect();
  body.send("PUT / HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\nhalf");
  EXPECT_TRUE(body.await_end());
  EXPECT_TRUE(body.got.starts_with("HTTP/1.1 408 "));
  auto unanswered = connect();
  unanswered.send(kGet);
  EXPECT_TRUE(unanswered.await_end());
  EXPECT_TRUE(unanswered.got.starts_with("HTTP/1.1 504 "));
  EXPECT_TRUE(unanswered.await([&] { return server.connections() == 0; }));
}

TEST_F(AgentServer, P1_AnIdleConnectionMakesWayForANewOne) {
  ServerLimits limits;
  limits.connections = 2;
  use(limits);
  auto first = connect();
  ASSERT_TRUE(first.await([&] { return first.open; }));
  auto busy = connect();
  busy.send(kGet);
  ASSERT_TRUE(asked(busy, 1));
  auto third = connect();
  third.send(kGet);
  ASSERT_TRUE(asked(third, 2));
  EXPECT_TRUE(first.await_end());
  auto fourth = connect();  // both are busy now
  EXPECT_TRUE(fourth.await_end());
  server.deliver(backend.ids[0], reply_of("kept"));
  EXPECT_TRUE(busy.await_text("kept"));
}

TEST_F(AgentServer, P1_ClientsThatKeepUsWaitingLockNobodyOut) {
  ServerLimits limits;
  limits.connections = 3;
  use(limits);
  auto busy = connect();
  busy.send(kGet);
  ASSERT_TRUE(asked(busy, 1));
  auto header = connect();
  header.send("GET / HTTP/1.1\r\nHos");
  ASSERT_TRUE(header.await([&] { return header.open; }));
  auto body = connect();
  body.send("PUT / HTTP/1.1\r\nHost: b\r\nContent-Length: 9\r\n\r\nhalf");
  ASSERT_TRUE(body.await([&] { return body.open; }));
  auto other = connect();
  other.send(kGet);
  ASSERT_TRUE(asked(other, 2));
  EXPECT_TRUE(header.await_end()) << "it was there first";
  server.deliver(backend.ids[0], reply_of("kept"));
  EXPECT_TRUE(busy.await_text("kept"));
}

TEST_F(AgentServer, P1_BodiesOfManyTakeNoMoreThanTwoOfTheLargest) {
  ServerLimits limits;
  limits.http.body_bytes = 100'000;
  use(limits);
  const auto upload = [](size_t announced, size_t sent) {
    return "PUT / HTTP/1.1\r\nHost: b\r\nContent-Length: " + std::to_string(announced) +
           "\r\n\r\n" + std::string(sent, 'x');
  };
  auto first = connect();
  first.send(upload(100'000, 95'000));
  auto second = connect();
  second.send(upload(100'000, 80'000));
  ASSERT_TRUE(first.await([&] { return server.held() == 175'000; }));
  auto third = connect();
  third.send(upload(90'000, 90'000));
  EXPECT_TRUE(asked(third, 1)) << "a smaller one passes";
  EXPECT_TRUE(first.await_end());
  EXPECT_TRUE(first.got.starts_with("HTTP/1.1 503 "));
  second.send(std::string(20'000, 'x'));
  EXPECT_TRUE(asked(second, 2)) << "there is room again";
  EXPECT_EQ(server.held(), 0u);
}

TEST_F(AgentServer, P1_AClosedListenerTakesNobodyMore) {
  server.keep_only({});
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage to;
  const socklen_t size = Endpoint{IpAddress::v4(INADDR_LOOPBACK), port}.to_sockaddr(to);
  EXPECT_NE(::connect(socket.get(), reinterpret_cast<sockaddr*>(&to), size), 0);
}

}  // namespace
}  // namespace fedge::agent
