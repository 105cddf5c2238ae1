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

// Keeps the last two messages in place: the list of the other tests allocates.
class LastMessages : public Outbound {
 public:
  SendOutcome send(ConnectionId, std::string_view) override { return SendOutcome::sent; }
  SendResult send_to_next_hop(uint32_t next_hop, std::string_view bytes, SendToken) override {
    before = last;
    last.size = bytes.copy(last.text, sizeof last.text);
    return {SendOutcome::sent, 1000 + next_hop};
  }
  struct Kept {
    char text[4096];
    size_t size = 0;
  };
  Kept before;
  Kept last;
};

class Allocation : public World {
 public:
  // The request that was sent, made a response: its start line replaced.
  void answer(Proxy& quiet, const LastMessages::Kept& request, std::string_view status) {
    static char response[4200];
    size_t size = status.copy(response, status.size());
    const std::string_view whole(request.text, request.size);
    const std::string_view head = whole.substr(whole.find("\r\n"));
    size += head.copy(response + size, head.size());
    ASSERT_EQ(parse({response, size}, *message), Defect::none);
    quiet.on_message(back, *message, now);
  }
  static std::string invite() {
    RequestText request;
    request.method = "INVITE";
    return request.text();
  }
  const std::string text = invite();
  const std::unique_ptr<Message> message = std::make_unique<Message>();
  const Arrival arrival = from_partner();
  const Arrival back = from_fe1();
  LastMessages sent;
};

TEST_F(Allocation, R10_NothingIsAllocatedPerMessage) {
  Proxy quiet({1024, 65536}, wheel, sent, counters, 1);
  quiet.use(sections.view(), now);
  const size_t before = g_allocations;
  ASSERT_EQ(parse(text, *message), Defect::none);
  quiet.on_message(arrival, *message, now);
  answer(quiet, sent.last, "SIP/2.0 200 OK");
  wheel.advance(now + 40s);
  EXPECT_EQ(g_allocations, before);
  EXPECT_EQ(quiet.server_transactions(), 0u);
}

TEST_F(Allocation, R10_NothingIsAllocatedWhenARequestIsForked) {
  const Sections forked(WorldOptions{.ours = {{fe1, 1, 1}, {fe2, 1, 1}, {imp, 2, 1}},
                                     .forking = snapshot::Forking::all});
  Proxy quiet({1024, 65536}, wheel, sent, counters, 1);
  quiet.use(forked.view(), now);
  const size_t before = g_allocations;
  ASSERT_EQ(parse(text, *message), Defect::none);
  quiet.on_message(arrival, *message, now);
  const LastMessages::Kept first = sent.before;
  const LastMessages::Kept second = sent.last;
  answer(quiet, first, "SIP/2.0 180 Ringing");
  answer(quiet, first, "SIP/2.0 401 X\r\nWWW-Authenticate: Digest realm=\"a\"");
  answer(quiet, second, "SIP/2.0 407 X\r\nProxy-Authenticate: Digest realm=\"b\"");
  ASSERT_EQ(parse(text, *message), Defect::none);
  quiet.on_message(arrival, *message, now);  // and hears it again
  wheel.advance(now + 40s);
  EXPECT_EQ(g_allocations, before);
  EXPECT_EQ(quiet.server_transactions(), 0u);
  EXPECT_EQ(quiet.client_transactions(), 0u);
}

}  // namespace fedge::sip
