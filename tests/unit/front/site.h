// Front with its listeners on loopback, clients around it, and in the fast path's place a test that
// holds the other ends of the rings.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/front/process.h"
#include "tests/unit/front/messages.h"

namespace fedge::front {

uint16_t free_port();

struct Layout {
  struct Listener {
    uint16_t port;
    snapshot::Transport transport = snapshot::Transport::tcp;
    snapshot::Service service = snapshot::Service::av;
  };
  Layout();
  std::vector<Listener> listeners;
  std::string chain, key, trust;  // PEM, of the one TLS context; empty: no context
  snapshot::Signalling limits;
  uint64_t generation = 1;
  std::string realm = "lo";
};

// A context over the layout's certificate: what a client may use as well.
std::shared_ptr<pki::TlsContext> make_context(const Layout& layout);

// One client's socket, blocking no longer than a test may take.
class Client {
 public:
  Client(Loop& loop, uint16_t port, const char* from = "127.0.0.1");
  void send(std::string_view octets);
  // Runs the loop until so many octets came, or the connection ended.
  std::string receive(size_t count);
  std::string receive_now();  // what is there
  bool ended();               // waits for it
  void close() { socket_.reset(); }
  int fd() const { return socket_.get(); }
  Endpoint local() const;

 private:
  bool receive_some();
  Loop& loop_;
  Fd socket_;
  std::string octets_;
  bool over_ = false;
};

// One record, kept.
struct Kept {
  media::FrontRecord record;
  std::string octets;
};

class Site {
 public:
  explicit Site(FrontOptions options = {.use_devices = false, .epoch = 0x1234});
  bool publish(const Layout& layout);
  // A fast path starts; what ran before is gone.
  void start_fastpath(uint16_t workers = 1);
  void stop_fastpath();
  // The next record for that worker.
  Kept next(uint8_t worker = 0);
  // The next of that kind; others in front of it are dropped.
  Kept next(media::FrontKind kind, uint8_t worker = 0);
  bool has_next(uint8_t worker = 0);
  template <class Record>
  void push(const Record& record, std::string_view octets = {}, uint8_t worker = 0) {
    EXPECT_TRUE(rings[worker].out().push(record, as_bytes(octets)));
    rings[worker].out().wake();
  }
  void run_until(const std::function<bool()>& condition);
  uint64_t count(const std::string& series);

  Loop loop;
  std::vector<media::FrontRing> rings;
  std::unique_ptr<link::Channel> init;
  std::optional<link::SnapshotRunning> answer;
  bool ready = false;

 private:
  Mapping page_;
  std::unique_ptr<CountersView> view_;
  std::unique_ptr<link::Channel> fastpath_;
  std::unique_ptr<Process> process_;
  std::array<std::byte, media::kMostFrontMessage> room_{};
};

// With one listener, and a fast path that knows of nobody.
struct Open : Site {
  explicit Open(uint16_t workers = 1,
                FrontOptions options = {.use_devices = false, .epoch = 0x1234})
      : Site(options), port(free_port()) {
    layout.listeners = {{port}};
    EXPECT_TRUE(publish(layout));
    start_fastpath(workers);
    for (uint16_t i = 0; i < workers; ++i) {
      EXPECT_EQ(next(static_cast<uint8_t>(i)).record.kind, media::FrontKind::all_alive);
    }
  }
  Layout layout;
  uint16_t port;
};

}  // namespace fedge::front
