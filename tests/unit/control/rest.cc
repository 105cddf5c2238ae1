// The REST interface: tokens, methods, bodies, ETags, the OpenAPI document.
#include <algorithm>
#include <filesystem>
#include <set>

#include "firmware/control/resources.h"
#include "tests/unit/control/box.h"

namespace fedge::control::testing {
namespace {

class Rest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(box_.start()); }
  std::string filled(std::string_view pattern, std::string_view with = "1") {
    std::string path;
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (pattern[i] != '{') {
        path += pattern[i];
        continue;
      }
      path += with;
      i = pattern.find('}', i);
    }
    return path;
  }
  Box box_;
};

TEST_F(Rest, P6_OnlyAKnownTokenIsAnswered) {
  for (const Resource& r : resources()) {
    for (const char* token : {"", "wrong", "\xff\xfe"}) {
      Ask ask{std::string(r.method), filled(r.path), "{}"};
      ask.token = token;
      EXPECT_EQ(box_.ask(ask).status == 401, !r.open) << r.path;
    }
  }
}

TEST_F(Rest, P6_ABodyMayComeOnlyFromWhoMayAsk) {
  const auto announce = [this](const std::string& method, const std::string& path,
                               const std::string& token, const std::string& type) {
    Ask ask{method, path};
    ask.token = token;
    ask.content_type = type;
    ask.announces = true;
    return box_.ask(ask).status;
  };
  const std::string candidate = "/v1/topology/candidate";
  EXPECT_EQ(announce("PUT", candidate, box_.token, "application/json"), 100);
  EXPECT_EQ(announce("PUT", candidate, "wrong", "application/json"), 401);
  EXPECT_EQ(announce("PUT", candidate, "", "application/json"), 401);
  EXPECT_EQ(announce("PUT", candidate, box_.token, "text/html"), 415);
  EXPECT_EQ(announce("PUT", "/v1/nothing", box_.token, "application/json"), 404);
  EXPECT_EQ(announce("PUT", "/v1/status", box_.token, "application/json"), 405);
  EXPECT_EQ(announce("GET", "/v1/status", box_.token, "application/json"), 400);
  EXPECT_EQ(box_.get(candidate).etag, "\"r0\"") << "nothing was done";
}

TEST_F(Rest, P6_TheTokenFileGoesWithItsFirstUse) {
  EXPECT_TRUE(std::filesystem::exists(box_.folder() + "/first-token"));
  const auto mode = std::filesystem::status(box_.folder() + "/first-token").permissions();
  EXPECT_EQ(mode, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(box_.get("/v1/status").status, 200);
  EXPECT_FALSE(std::filesystem::exists(box_.folder() + "/first-token"));
  box_.stop();
  ASSERT_TRUE(box_.start());
  EXPECT_EQ(box_.get("/v1/status").status, 200);
  EXPECT_FALSE(std::filesystem::exists(box_.folder() + "/first-token"));
}

TEST_F(Rest, P6_TheTokenIsNowhereInTheDatabase) {
  EXPECT_EQ(box_.get("/v1/status").status, 200);
  box_.stop();
  for (const auto& entry : std::filesystem::directory_iterator(box_.folder())) {
    if (!entry.is_regular_file()) continue;
    const std::string contents = read_file(entry.path()).value();
    EXPECT_EQ(contents.find(box_.token), std::string::npos) << entry.path();
  }
}

TEST_F(Rest, P6_RolesDecide) {
  using enum store::Role;
  EXPECT_TRUE(permits(administrator, security_officer));
  EXPECT_TRUE(permits(viewer, viewer));
  EXPECT_FALSE(permits(viewer, operator_role));
  EXPECT_FALSE(permits(operator_role, security_officer));
  EXPECT_FALSE(permits(security_officer, operator_role));
}

TEST_F(Rest, P1_UnknownPathsAndMethodsSayWhatThereIs) {
  EXPECT_EQ(box_.get("/v1/nothing").status, 404);
  EXPECT_EQ(box_.get("/").status, 404);
  EXPECT_EQ(box_.get("/v1/status/").status, 404);
  EXPECT_EQ(box_.get("/v1/../../etc/passwd").status, 404);
  EXPECT_EQ(box_.get("/v1/certificates/%zz").status, 404);
  const Answered a = box_.ask({"BREW", "/v1/topology/candidate"});
  EXPECT_EQ(a.status, 405);
  EXPECT_EQ(a.allow, "GET, PUT, DELETE");
}

TEST_F(Rest, P1_BodiesOfTheWrongKindAreRefused) {
  const std::string path = "/v1/topology/candidate";
  EXPECT_EQ(box_.ask({"PUT", path, "{}", "", "*", "text/xml"}).status, 415);
  EXPECT_EQ(box_.ask({"PUT", path, "", "", "*"}).status, 400);
  EXPECT_EQ(box_.ask({"PUT", path, "{", "", "*"}).status, 400);
  EXPECT_EQ(box_.ask({"PUT", path, "[]", "", "*"}).status, 422);
  EXPECT_EQ(box_.ask({"PUT", path, "{}", "", "*", "application/json; charset=utf-8"}).status, 422);
  EXPECT_EQ(box_.ask({"POST", "/v1/topology/publish", "{}"}).status, 400);
  const std::string large((1u << 20) + 1, ' ');
  EXPECT_EQ(box_.ask({"PUT", "/v1/certificates/a", large}).status, 413);
}

TEST_F(Rest, P1_ParametersAreChecked) {
  EXPECT_EQ(box_.get("/v1/revisions", "limit=0").status, 400);
  EXPECT_EQ(box_.get("/v1/revisions", "limit=abc").status, 400);
  EXPECT_EQ(box_.get("/v1/revisions", "limit=1&limit=2").status, 400);
  EXPECT_EQ(box_.get("/v1/revisions", "surprise=1").status, 400);
  EXPECT_EQ(box_.get("/v1/revisions", "limit=%zz").status, 400);
  EXPECT_EQ(box_.get("/v1/revisions", "limit=1").status, 200);
  EXPECT_EQ(box_.ask({"POST", "/v1/topology/publish", "", "wait=soon"}).status, 400);
  EXPECT_EQ(box_.ask({"POST", "/v1/topology/publish", "", "wait=3h"}).status, 400);
  EXPECT_EQ(box_.get("/v1/routes/explain").status, 400);
}

TEST_F(Rest, P1_ETagsGuardTheCandidate) {
  const std::string path = "/v1/topology/candidate";
  const Answered first = box_.get(path);
  EXPECT_EQ(first.etag, "\"r0\"");
  EXPECT_EQ(box_.ask({"PUT", path, topology_text(), "", "\"r1\""}).status, 412);
  const Answered put = box_.ask({"PUT", path, topology_text(), "", first.etag});
  ASSERT_EQ(put.status, 200) << put.body;
  EXPECT_EQ(box_.get(path).etag, put.etag);
  EXPECT_EQ(box_.ask({"PUT", path, topology_text()}).status, 428);
  EXPECT_EQ(box_.ask({"PUT", path, topology_text(), "", first.etag}).status, 412);
  const Answered again = box_.ask({"PUT", path, topology_text(), "", "\"x\", " + put.etag});
  EXPECT_EQ(again.status, 200);
  EXPECT_NE(again.etag, put.etag);
  EXPECT_EQ(box_.ask({"POST", "/v1/topology/publish", "", "", put.etag}).status, 412);
  EXPECT_EQ(box_.ask({"DELETE", path, "", "", put.etag}).status, 412);
  EXPECT_EQ(box_.ask({"DELETE", path, "", "", again.etag}).status, 204);
  EXPECT_EQ(box_.ask({"DELETE", path}).status, 404);
  EXPECT_EQ(box_.ask({"POST", "/v1/topology/publish"}).status, 409);
  EXPECT_EQ(box_.ask({"PUT", path, topology_text()}).status, 200);  // nobody's edits are lost
}

TEST_F(Rest, P2_AllErrorsOfADocumentAtOnce) {
  const std::string bad = R"({"version": 1, "surprise": 1, "realms": [{"name": 7}]})";
  for (const char* call : {"validate", "candidate"}) {
    const bool put = std::string_view(call) == "candidate";
    const Answered a =
        box_.ask({put ? "PUT" : "POST", std::string("/v1/topology/") + call, bad, "", "*"});
    EXPECT_EQ(a.status, 422);
    std::set<std::string> paths;
    const auto document = a.json();
    for (const auto& e : document.root().find("errors").items()) {
      paths.insert(e.find("path").text().value());
      EXPECT_TRUE(e.find("found") && e.find("allowed") && e.find("remedy"));
    }
    EXPECT_TRUE(paths.contains("/surprise") && paths.contains("/realms/0/name")) << a.body;
  }
}

TEST_F(Rest, P1_PublishingWhatCannotWorkIs422) {
  const Answered a = publish(box_, topology_text());  // no certificates yet
  EXPECT_EQ(a.status, 422) << a.body;
  EXPECT_NE(a.body.find("/tls_contexts/0/certificates/0"), std::string::npos) << a.body;
  EXPECT_EQ(box_.get("/v1/topology/candidate").etag, "\"c1\"");
}

TEST_F(Rest, P1_ValidateTellsWhatWouldChange) {
  import_all(box_);
  const Answered a = box_.ask({"POST", "/v1/topology/validate", topology_text()});
  ASSERT_EQ(a.status, 200) << a.body;
  const auto document = a.json();
  EXPECT_GT(document.root().find("changes").size(), 3u);
  EXPECT_EQ(box_.ask({"POST", "/v1/topology/validate"}).status, 200);  // the running one
}

TEST_F(Rest, P1_ListsArePaged) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text(5071)).status, 200);
  ASSERT_EQ(publish(box_, topology_text(5072)).status, 200);
  const auto first = box_.get("/v1/revisions", "limit=2").json();
  ASSERT_EQ(first.root().find("revisions").size(), 2u);
  EXPECT_EQ(first.root().find("next").text().value(), "/v1/revisions?before=1&limit=2");
  const auto rest = box_.get("/v1/revisions", "before=1&limit=2").json();
  EXPECT_EQ(rest.root().find("revisions").size(), 1u);
  EXPECT_FALSE(rest.root().find("next"));
  const auto ids = box_.get("/v1/certificates", "limit=2").json();
  EXPECT_EQ(ids.root().find("certificates").size(), 2u);
  EXPECT_EQ(ids.root().find("next").text().value(), "/v1/certificates?after=internal&limit=2");
  EXPECT_EQ(box_.get("/v1/events").status, 200);
}

TEST_F(Rest, P1_PeersComeFromTheRouting) {
  import_all(box_);
  ASSERT_EQ(publish(box_, topology_text()).status, 200);
  const auto document = box_.get("/v1/peers").json();
  std::set<std::string> names;
  for (const auto& p : document.root().find("peers").items()) {
    names.insert(p.find("name").text().value());
  }
  EXPECT_TRUE(names.contains("fe1.example.com") && names.contains("sip.partner.example"));
}

TEST_F(Rest, P3_ExplainRunsTheWorkersProgramAndNeverWaitsForIt) {
  const std::string program = box_.folder() + "/fedge-signal";
  const auto explain = [&] {
    return box_.get("/v1/routes/explain", "from=sip:a@b.c&to=sip:d@e.f");
  };
  EXPECT_EQ(explain().status, 503) << "no program";
  (void)write_file_durably(program,
                           as_bytes("#!/bin/sh\ntest -f $2/manifest && ls $2 | grep -q '^10' ||"
                                    " echo \"{\\\"arguments\\\":\\\"$3 $4 $5 $6 $7 $8\\\"}\"\n"),
                           0700);
  const Answered good = explain();
  EXPECT_EQ(good.status, 200) << good.body;
  EXPECT_EQ(good.json().root().find("arguments").text().value(),
            "--from sip:a@b.c --to sip:d@e.f --method MESSAGE");
  EXPECT_TRUE(std::filesystem::is_empty(box_.folder() + "/explain"));
  (void)write_file_durably(program, as_bytes("#!/bin/sh\necho no such >&2\nexit 1\n"), 0700);
  EXPECT_EQ(explain().status, 400);
  EXPECT_NE(explain().body.find("no such"), std::string::npos);
  EXPECT_EQ(box_.get("/v1/routes/explain", "from=-x&to=y").status, 400);
  EXPECT_EQ(box_.get("/v1/routes/explain", "from=x&to=y&candidate").status, 404);
  EXPECT_EQ(box_.get("/v1/routes/explain", "from=x&to=y&revision=9").status, 404);
  (void)write_file_durably(program, as_bytes("#!/bin/sh\necho '{}'\nexec sleep 100\n"), 0700);
  const uint64_t slow = box_.send({"GET", "/v1/routes/explain", "", "from=x&to=y", "", ""});
  EXPECT_EQ(box_.get("/v1/status").status, 200);
  (void)slow;  // ended with the box
}

TEST_F(Rest, P1_JsonTestSuiteBodiesNeverHarm) {
  const std::filesystem::path suite = "../shared/conformance/json/JSONTestSuite";
  if (!std::filesystem::is_directory(suite)) GTEST_SKIP() << suite << " is not here";
  for (const auto& entry : std::filesystem::directory_iterator(suite)) {
    const std::string name = entry.path().filename();
    const std::string body = read_file(entry.path()).value();
    if (body.empty()) continue;
    for (const char* call : {"POST /v1/topology/validate", "PUT /v1/topology/candidate",
                             "PUT /v1/certificates/x", "PUT /v1/trust/x"}) {
      const std::string_view text(call);
      const Answered a = box_.ask({std::string(text.substr(0, text.find(' '))),
                                   std::string(text.substr(text.find(' ') + 1)), body, "", "*"});
      EXPECT_TRUE(a.status == 400 || a.status == 422) << name << " " << a.status;
      if (name.starts_with("n_")) {
        EXPECT_EQ(a.status, 400) << name;
      }
    }
  }
}

// The document names every resource with its parameters, and every status that a call gives is
// one that the document names.
TEST_F(Rest, P1_TheOpenApiDocumentIsTrue) {
  const auto document = box_.get("/v1/openapi.json").json();
  const json::Value paths = document.root().find("paths");
  size_t operations = 0;
  for (const auto& path : paths.members()) operations += path.value.size();
  EXPECT_EQ(operations, resources().size());
  for (const Resource& r : resources()) {
    std::string method(r.method);
    for (char& c : method) c = static_cast<char>(c | 0x20);
    const json::Value operation = paths.find(r.path).find(method);
    ASSERT_TRUE(operation) << r.method << " " << r.path;
    EXPECT_EQ(operation.find("requestBody") ? true : false, r.body != BodyType::none);
    const size_t names = std::ranges::count(r.path, '{') + r.parameters.size();
    EXPECT_EQ(operation.find("parameters").size(), names) << r.path;
    for (const char* body : {"", "{}", "{", "[1]", "\"x\"", "{\"pem\": 7, \"chain\": []}"}) {
      for (const char* name : {"1", "0", "management", "no such", "..."}) {
        const Answered a = box_.ask({std::string(r.method), filled(r.path, name), body, "", "*"});
        EXPECT_TRUE(operation.find("responses").find(std::to_string(a.status)))
            << r.method << " " << r.path << " " << body << ": " << a.status;
        if (a.status >= 400) {
          EXPECT_TRUE(a.json().root().find("error") || a.json().root().find("errors"));
        }
      }
    }
  }
}

}  // namespace
}  // namespace fedge::control::testing
