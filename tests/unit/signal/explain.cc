#include "dataplane/signal/explain.h"

#include <filesystem>

#include "firmware/base/json.h"
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class Explain : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = std::filesystem::temp_directory_path() / "fedge-explain-XXXXXX";
    folder = ::mkdtemp(pattern.data());
    const link::Offer compiled = compile(Layout{});
    for (size_t i = 0; i < compiled.fds.size(); ++i) {
      const auto mapping = Mapping::read_only(compiled.fds[i].get());
      const auto kind = static_cast<unsigned>(compiled.message.sections[i].kind);
      ASSERT_TRUE(
          write_file_durably(folder + "/" + std::to_string(kind) + ".section", mapping->bytes()));
    }
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string ask(const std::string& from, const std::string& to, const std::string& peer = "") {
    Question question;
    question.folder = folder;
    question.from = from;
    question.to = to;
    question.peer = peer;
    const auto answer = explain(question);
    return answer ? *answer : answer.error().text();
  }

  std::string folder;
};

TEST_F(Explain, P3_TellsWhereAPartnersRequestGoes) {
  const std::string answer = ask("sip:bob@partner.example", "sip:alice@example.com");
  ASSERT_TRUE(json::Document::parse(answer)) << answer;
  EXPECT_TRUE(answer.starts_with(R"({"decision":"forward","status":0,)")) << answer;
  EXPECT_NE(answer.find(R"("rule":"/presence_domains/0")"), std::string::npos) << answer;
  EXPECT_NE(answer.find(R"("host":"fe1.example.com")"), std::string::npos) << answer;
  EXPECT_NE(answer.find("assumed from the From address"), std::string::npos) << answer;
}

TEST_F(Explain, P3_TellsWhyARequestIsRefused) {
  const std::string stranger = ask("x@nowhere.example", "alice@example.com");
  EXPECT_TRUE(stranger.starts_with(R"({"decision":"refuse","status":403,)")) << stranger;
  EXPECT_NE(stranger.find(R"("rule":"stranger")"), std::string::npos) << stranger;
  const std::string liar = ask("x@other.example", "alice@example.com", "SIP.partner.example");
  EXPECT_NE(liar.find(R"("rule":"partner_domain")"), std::string::npos) << liar;
  EXPECT_NE(liar.find(R"("targets":[])"), std::string::npos) << liar;
}

TEST_F(Explain, P3_AnInsideUserReachesThePartner) {
  const std::string answer = ask("alice@example.com", "<sip:bob@partner.example;transport=tls>");
  EXPECT_TRUE(answer.starts_with(R"({"decision":"forward")")) << answer;
  EXPECT_NE(answer.find(R"("rule":"inside")"), std::string::npos) << answer;
}

TEST_F(Explain, R3_TellsTheLiveStateOfEachTarget) {
  const auto about = [&](const std::string& lines) {
    EXPECT_TRUE(write_file_durably(folder + "/next_hops", as_bytes(lines)));
    return ask("sip:bob@partner.example", "sip:alice@example.com");
  };
  const std::string name = "fe1.example.com\t9\tlo\ttcp\t";
  EXPECT_NE(about("").find(R"("state":"unknown","text":"nothing was sent to it yet")"),
            std::string::npos);
  const std::string up = about(name + "up\t2026-11-21T08:00:00Z\t\n");
  EXPECT_NE(up.find(R"("state":"up","text":"up since 2026-11-21T08:00:00Z")"), std::string::npos);
  const std::string down = about(name + "down\t2026-11-21T08:00:00Z\tit answered 503\n");
  EXPECT_NE(down.find(R"("text":"down since 2026-11-21T08:00:00Z: it answered 503; it is tried)"
                      R"( all the same, because no other target is up")"),
            std::string::npos)
      << down;
  // What belongs to another next hop, or is no such line.
  EXPECT_NE(about("fe1.example.com\t9\tother\ttcp\tdown\tx\ty\n\t\t\n\nzz").find("unknown"),
            std::string::npos);
}

TEST_F(Explain, P3_SaysWhatIsWrongWithTheQuestion) {
  EXPECT_NE(ask("", "alice@example.com").find("--from"), std::string::npos);
  EXPECT_NE(ask("a b", "alice@example.com").find("no SIP address"), std::string::npos);
  folder += "/none";
  EXPECT_NE(ask("a@b.example", "c@d.example").find("cannot open"), std::string::npos);
  folder = folder.substr(0, folder.size() - 5);
}

TEST(Question, P3_ReadsItsOptionsInAnyOrder) {
  std::string words[] = {"--to", "b@x.example", "/dir", "--from", "a@y.example", "--realm", "in"};
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  const auto question = parse_question(pointers);
  ASSERT_TRUE(question);
  EXPECT_EQ(question->folder, "/dir");
  EXPECT_EQ(question->to, "b@x.example");
  EXPECT_EQ(question->realm, "in");
  pointers.resize(1);
  EXPECT_FALSE(parse_question(pointers));
}

}  // namespace
}  // namespace fedge::signal
