// Nothing is allocated on a message's path.
#include <cstdlib>
#include <new>

#include "tests/unit/sip/world.h"

namespace {
size_t g_allocations = 0;
}

void* operator new(size_t size) {
  ++g_allocations;
  if (void* p = std::malloc(size)) return p;
  std::abort();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace fedge::sip {

// Keeps the last message in place: the list of the other tests allocates.
class LastMessage : public Outbound {
 public:
  SendOutcome send(ConnectionId, std::string_view) override { return SendOutcome::sent; }
  SendResult send_to_next_hop(uint32_t, std::string_view bytes, SendToken) override {
    size = bytes.copy(text, sizeof text);
    return {SendOutcome::sent, 1000};
  }
  char text[4096];
  size_t size = 0;
};

TEST_F(World, R10_NothingIsAllocatedPerMessage) {
  LastMessage last;
  Proxy quiet({1024, 65536}, wheel, last, counters, 1);
  quiet.use(sections.view(), now);
  RequestText request;
  request.method = "INVITE";
  const std::string text = request.text();
  const auto message = std::make_unique<Message>();
  const Arrival arrival = from_partner();
  const Arrival back = from_fe1();
  const size_t before = g_allocations;
  ASSERT_EQ(parse(text, *message), Defect::none);
  quiet.on_message(arrival, *message, now);
  // The request that was sent, made a response: its start line replaced.
  char response[4096] = "SIP/2.0 200 OK";
  const std::string_view sent(last.text, last.size);
  const std::string_view head = sent.substr(sent.find("\r\n"));
  head.copy(response + 14, sizeof response - 14);
  ASSERT_EQ(parse({response, 14 + head.size()}, *message), Defect::none);
  quiet.on_message(back, *message, now);
  wheel.advance(now + 40s);
  EXPECT_EQ(g_allocations, before);
  EXPECT_EQ(quiet.server_transactions(), 0u);
}

}  // namespace fedge::sip
