// The messages of RFC 4475, RFC 5118 and Kamailio's tests, where they are at hand: everything goes
// through the framer and the parser, and where a parser can decide the published verdict holds.
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>

#include "firmware/wire/sip/stream.h"
#include "firmware/wire/sip/writer.h"

namespace fedge::sip {
namespace {

namespace fs = std::filesystem;

// Beside the repository: ../shared/conformance seen from its root.
std::optional<fs::path> conformance_folder() {
  for (fs::path at = fs::current_path(); at != at.root_path(); at = at.parent_path())
    if (fs::exists(at / "Makefile") && fs::exists(at / "firmware")) {
      const fs::path folder = at.parent_path() / "shared" / "conformance";
      if (fs::exists(folder)) return folder;
    }
  return std::nullopt;
}

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// What an edge would do with the first message of a stream: "forward", a status, "drop" for a
// response, "close".
std::string outcome_of(const std::string& stream) {
  StreamFramer framer;
  size_t at = 0;
  Frame frame;
  do {
    frame = framer.next(std::string_view(stream).substr(at));
    if (frame.kind == Frame::Kind::need_more) return "close";
    if (frame.kind == Frame::Kind::message || frame.kind == Frame::Kind::bad) break;
    at += frame.size;
  } while (true);
  if (frame.size == 0) return "close";
  Message m;
  Defect defect = parse(std::string_view(stream).substr(at, frame.size), m);
  if (frame.kind == Frame::Kind::bad) defect = frame.defect;
  if (defect == Defect::none) return "forward";
  return m.is_request ? std::to_string(status_for(defect)) : "drop";
}

// Verdicts that policy gives and not the parser: for the parser they are as good as "forward".
bool allows(const std::string& verdicts, const std::string& outcome) {
  std::istringstream in(verdicts);
  for (std::string verdict; std::getline(in, verdict, '|');) {
    if (verdict == "-" || verdict == outcome) return true;
    const bool of_policy = verdict == "420" || verdict == "483" || verdict == "200" ||
                           verdict == "501" || verdict == "drop";
    if (of_policy && outcome == "forward") return true;
  }
  return false;
}

TEST(R11, AgreesWithTheVerdictsOfRfc4475) {
  const auto folder = conformance_folder();
  if (!folder) GTEST_SKIP() << "no ../shared/conformance beside the repository";
  std::ifstream table(*folder / "sip-rfc4475" / "verdicts.tsv");
  std::string line;
  std::getline(table, line);
  int checked = 0;
  while (std::getline(table, line)) {
    std::istringstream columns(line);
    std::string file, section, kind, verdicts;
    std::getline(columns, file, '\t');
    std::getline(columns, section, '\t');
    std::getline(columns, kind, '\t');
    std::getline(columns, verdicts, '\t');
    std::string stream = contents(*folder / "sip-rfc4475" / file);
    ASSERT_FALSE(stream.empty()) << file;
    // A message of RFC 2543 without Content-Length: RFC 3261 18.3 ends the stream it comes in.
    // What is asked about here is the rest of it.
    if (file == "inv2543.dat") {
      EXPECT_EQ(outcome_of(stream), "400");
      stream.replace(
          stream.find("\r\n\r\n"), 2,
          "\r\nl: " + std::to_string(stream.size() - stream.find("\r\n\r\n") - 4) + "\r\n");
    }
    const std::string outcome = outcome_of(stream);
    EXPECT_TRUE(allows(verdicts, outcome)) << file << ": " << outcome << " not in " << verdicts;
    if (kind == "invalid-response") {
      EXPECT_EQ(outcome, "drop") << file;
    }
    ++checked;
  }
  EXPECT_GE(checked, 49);
}

TEST(R11, AgreesWithTheVerdictsOfRfc5118) {
  const auto folder = conformance_folder();
  if (!folder) GTEST_SKIP() << "no ../shared/conformance beside the repository";
  std::ifstream table(*folder / "sip-rfc5118" / "verdicts.tsv");
  std::string line;
  std::getline(table, line);
  while (std::getline(table, line)) {
    std::istringstream columns(line);
    std::string file, section, kind, verdicts;
    std::getline(columns, file, '\t');
    std::getline(columns, section, '\t');
    std::getline(columns, kind, '\t');
    std::getline(columns, verdicts, '\t');
    const std::string stream = contents(*folder / "sip-rfc5118" / "wire" / (file + ".sip"));
    ASSERT_FALSE(stream.empty()) << file;
    const std::string outcome = outcome_of(stream);
    EXPECT_TRUE(allows(verdicts, outcome)) << file << ": " << outcome << " not in " << verdicts;
  }
}

TEST(R11, SurvivesEveryMessageAndForwardsItByteForByte) {
  const auto folder = conformance_folder();
  if (!folder) GTEST_SKIP() << "no ../shared/conformance beside the repository";
  std::array<char, 65536> out;
  Message m;
  for (const char* name : {"sip-rfc4475", "sip-rfc5118/wire", "sip-kamailio-messages"})
    for (const auto& entry : fs::directory_iterator(*folder / name)) {
      const std::string text = contents(entry.path());
      outcome_of(text);
      if (parse(text, m) != Defect::none) continue;
      const auto size = Editor(m).write(out);
      ASSERT_TRUE(size) << entry.path();
      EXPECT_EQ(std::string_view(out.data(), *size), m.whole) << entry.path();
      EXPECT_TRUE(text.starts_with(m.whole)) << entry.path();
    }
}

}  // namespace
}  // namespace fedge::sip
