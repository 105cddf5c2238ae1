// Nothing is allocated on a message's path: from the socket through the proxy to the socket.
#include <cstdlib>
#include <new>

#include "tests/unit/signal/site.h"

namespace {
size_t g_allocations = 0;
}

// Weak: the thread sanitizer brings its own.
[[gnu::weak]] void* operator new(size_t size) {
  ++g_allocations;
  if (void* p = std::malloc(size)) return p;
  std::abort();
}
[[gnu::weak]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::weak]] void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace fedge::signal {
namespace {

TEST(Allocation, R10_NothingIsAllocatedPerMessage) {
  Server front_end("127.0.0.2");
  Layout layout;
  const uint16_t port = free_port();
  layout.listeners = {{port}};
  layout.front_end.endpoints = {front_end.endpoint()};
  Site site;
  ASSERT_TRUE(site.publish(layout));
  Peer partner = site.connect(port);
  Peer fe;
  size_t allocated = 0;
  // Runs the worker alone, until `counter` has gone up by one.
  const auto run = [&](const char* series) {
    const uint32_t index = site.counters.series(series);
    const uint64_t before = site.counters.value(index);
    const size_t start = g_allocations;
    for (int i = 0; i < 1000 && site.counters.value(index) == before; ++i) site.loop.run_once(1ms);
    allocated += g_allocations - start;
    EXPECT_GT(site.counters.value(index), before);
  };
  for (int i = 0; i < 10; ++i) {
    if (i == 2) allocated = 0;  // the first ones dial and warm up
    partner.send(message(i));
    run("fedge_signal_received_messages_total");
    if (i == 0) fe = site.expect_connection(front_end);
    const std::string request = site.expect(fe, "hello");
    fe.send(answer(request));
    run("fedge_signal_received_messages_total");
    site.expect(partner, "200 OK");
  }
  EXPECT_EQ(allocated, 0u);
}

}  // namespace
}  // namespace fedge::signal
