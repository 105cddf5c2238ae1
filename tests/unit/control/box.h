// A whole control in one process: a folder of its own, a fake init that plays the forwarders, and
// a fake agent that asks. Everything runs on one loop, over real links.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "firmware/base/json.h"
#include "firmware/control/control.h"

namespace fedge::control::testing {

struct Answered {
  uint16_t status = 0;
  std::string body, content_type, etag, location, allow;
  json::Document json() const;
};

struct Ask {
  std::string method, path;
  std::string body = {};
  std::string query = {};
  std::string if_match = {};
  std::string content_type = "application/json";
  std::optional<std::string> token = {};  // the administrator's when not given
  bool announces = false;                 // its body is still to come
};

// How a forwarder takes an offer.
enum class Manner : uint8_t { runs, refuses, silent };

class Box {
 public:
  // `folder`: an existing state folder (a restart); empty makes one, removed at the end.
  explicit Box(std::string folder = {}, bool recover = false, store::Fault fault = {});
  ~Box();
  void set_fault(store::Fault fault) { fault_ = std::move(fault); }
  // Starts control; false when it does not start.
  bool start();
  void stop();

  Answered ask(Ask ask);
  Answered get(const std::string& path, const std::string& query = {}) {
    return ask({"GET", path, "", query});
  }
  // Sends without waiting for the answer; collect() waits.
  uint64_t send(const Ask& ask);
  Answered collect(uint64_t id);
  // Runs the loop until `condition`; fails the test after five seconds.
  void run_until(const std::function<bool()>& condition);

  // As after a loss of init's seal folder: the next start gets other sealing keys.
  void lose_sealing_keys();
  void say_process(link::Process process, bool up);
  // As init opens a link from control to another process.
  void open_link(link::Process peer, Fd socket);
  // As init passes a worker's session memory.
  void pass_sessions(uint16_t worker, uint16_t workers, int fd);
  Loop& loop() { return loop_; }
  std::map<link::Process, Manner> manners;
  std::vector<link::SnapshotOffer> offers;
  std::vector<std::vector<SectionPointer>> offered_sections;
  bool ready = false;
  std::string token;
  Control& control() { return *control_; }
  const std::string& folder() const { return folder_; }
  // The opened key section of the newest offer, as the process that has it would.
  std::vector<pki::PrivateKey> keys_offered(snapshot::Kind kind, link::Process owner);

 private:
  void on_control_message(link::Received received);
  void answer_offer(const link::SnapshotOffer& offer);
  void open_agent_link();

  std::string folder_;
  bool owns_folder_;
  bool recover_;
  store::Fault fault_;
  Loop loop_;
  std::unique_ptr<link::Channel> init_;
  std::unique_ptr<link::Channel> agent_;
  std::unique_ptr<Control> control_;
  std::map<link::Process, Fd> keys_;
  std::map<uint64_t, Answered> answers_;
  std::array<Fd, link::kProcessCount> pages_;
  uint64_t next_id_ = 1;
};

// Certificates made once with openssl.
struct Identity {
  std::string chain, key;
  std::string import_body(const std::string& effective_from = {}) const;
};
const Identity& authority();
const Identity& leaf(int number, int days = 20);
std::string trust_body();

// A topology that uses certificates access and internal, trust partners and inside-ca.
std::string topology_text(uint16_t listener_port = 5061);
// Imports what topology_text() needs.
void import_all(Box& box);
// Puts and publishes it; the answer of the publish.
Answered publish(Box& box, const std::string& document, const std::string& query = "wait=5s");

}  // namespace fedge::control::testing
