// M6: sessions in the fast path's memory, as the operator sees them.
#include <unistd.h>

#include <cstring>

#include "tests/unit/control/box.h"

namespace fedge::control::testing {
namespace {

using link::Process;
using media::SessionDetails;
using media::SessionKind;
using media::SessionRecord;

constexpr uint32_t kCapacity = 64;

// A worker's memory as the fast path lays it out.
class Memory {
 public:
  explicit Memory(uint16_t worker, uint16_t workers)
      : layout_(media::Layout::of(kCapacity, kCapacity)),
        fd_(*make_shared_memfd("sessions", layout_.size)),
        mapping_(*Mapping::read_write(fd_.get())) {
    header() = {};
    header().magic = media::MemoryHeader::kMagic;
    header().format = media::MemoryHeader::kFormat;
    header().worker = worker;
    header().workers = workers;
    header().capacity = header().peers = kCapacity;
  }
  int fd() const { return fd_.get(); }
  media::MemoryHeader& header() { return at<media::MemoryHeader>(0, 0); }
  SessionRecord& record(uint32_t i) { return at<SessionRecord>(layout_.records, i); }
  SessionDetails& details(uint32_t i) { return at<SessionDetails>(layout_.details, i); }
  media::PeerRecord& peer(uint32_t i) { return at<media::PeerRecord>(layout_.peers, i); }

  void add_turn(uint32_t i, const char* user, const char* client) {
    SessionRecord& r = record(i);
    r = {};
    r.kind = SessionKind::turn;
    r.generation = 7;
    r.client = media::Address::of(*IpAddress::parse(client));
    r.client_port = 4000;
    r.server_port = 3478;
    r.relay_port = static_cast<uint16_t>(50000 + i);
    r.traffic[0] = {10, 1600};
    r.traffic[1] = {20, 3200};
    SessionDetails& d = *new (&details(i)) SessionDetails();
    d.refused = 3;
    d.expires = now_monotonic().time_since_epoch().count() + 600'000'000'000;
    std::memcpy(d.user_name.data(), user, std::strlen(user));
    std::strcpy(d.client_realm.data(), "outside");
    std::strcpy(d.relay_realm.data(), "outside");
    d.server = d.relay = media::Address::of(*IpAddress::parse("10.1.0.1"));
    d.created = now_monotonic().time_since_epoch().count();
    d.turn.key.fill(std::byte{'K'});
    header().session_mark = std::max(header().session_mark, i + 1);
  }
  void add_anchor(uint32_t i) {
    add_turn(i, "call-1@example.com", "0.0.0.0");
    SessionRecord& r = record(i);
    r.kind = SessionKind::anchor;
    r.client = {};
    SessionDetails& d = details(i);
    d.anchor = {};
    for (size_t leg = 0; leg < 2; ++leg) {
      d.anchor.legs[leg].local = media::Address::of(*IpAddress::parse("10.1.0.1"));
      d.anchor.ends[0][leg].local_port = static_cast<uint16_t>(60000 + 2 * leg);
      d.anchor.ends[0][leg].remote = media::Address::of(*IpAddress::parse("192.0.2.9"));
      d.anchor.ends[0][leg].port = 7000;
      d.anchor.ends[0][leg].latched = 1;
    }
    media::AnchorLeg& leg = d.anchor.legs[0];
    leg.payload_type = 0;
    leg.reception.has_source = true;
    leg.reception.base_sequence = 100;
    leg.reception.max_sequence = 199;
    leg.reception.received = 98;
    leg.reception.jitter_16 = 16 * 80;  // 10 ms of 8000 Hz
  }

 private:
  template <class T>
  T& at(uint64_t part, uint32_t i) {
    return *reinterpret_cast<T*>(mapping_.data() + part + i * sizeof(T));
  }
  media::Layout layout_;
  Fd fd_;
  Mapping mapping_;
};

class MediaSessions : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(box_.start());
    for (size_t i = 0; i < 2; ++i) {
      box_.pass_sessions(static_cast<uint16_t>(i), 2, memories_[i].fd());
    }
    box_.run_until([&] { return box_.control().sessions().has_memory(); });
    ASSERT_EQ(box_.get("/v1/health").status, 200);  // the second has arrived as well
  }
  std::vector<std::string> list(const std::string& query = {}) {
    const Answered a = box_.get("/v1/media/sessions", query);
    EXPECT_EQ(a.status, 200) << a.body;
    const auto document = a.json();
    std::vector<std::string> out;
    for (const json::Value s : document.root().find("sessions").items()) {
      out.push_back(*s.find("id").text());
    }
    return out;
  }
  Box box_;
  Memory memories_[2] = {Memory(0, 2), Memory(1, 2)};
};

using Ids = std::vector<std::string>;

TEST_F(MediaSessions, M6_ListsFiltersAndCounts) {
  EXPECT_EQ(list(), Ids{});
  memories_[0].add_turn(0, "alice", "192.0.2.1");
  memories_[0].add_turn(5, "bob", "192.0.2.2");
  memories_[1].add_turn(2, "alice", "2001:db8::1");
  memories_[1].add_anchor(3);
  memories_[1].record(2).kind = SessionKind::ms_turn;
  EXPECT_EQ(list(), (Ids{"0.0.7", "0.5.7", "1.2.7", "1.3.7"}));
  EXPECT_EQ(list("user=alice"), (Ids{"0.0.7", "1.2.7"}));
  EXPECT_EQ(list("client=2001:db8::1"), Ids{"1.2.7"});
  EXPECT_EQ(list("client=192.0.2.9"), Ids{"1.3.7"}) << "either end of a call";
  EXPECT_EQ(list("kind=turn"), (Ids{"0.0.7", "0.5.7"}));
  EXPECT_EQ(list("kind=anchor&user=call-1%40example.com"), Ids{"1.3.7"});
  EXPECT_EQ(box_.get("/v1/media/sessions", "kind=free").status, 400);
  EXPECT_EQ(box_.get("/v1/media/sessions", "client=x").status, 400);
  EXPECT_EQ(box_.get("/v1/media/sessions", "after=1.2.3").status, 400);
  const auto document = box_.get("/v1/media/sessions").json();
  const json::Value totals = document.root().find("totals");
  EXPECT_EQ(*totals.find("turn").integer(0, 99), 2);
  EXPECT_EQ(*totals.find("ms_turn").integer(0, 99), 1);
  EXPECT_EQ(*totals.find("anchor").integer(0, 99), 1);
  EXPECT_EQ(*totals.find("relayed").find("packets").integer(0, 999), 120);
}

TEST_F(MediaSessions, M6_PagesGoOnBehindTheLastOne) {
  for (uint32_t i = 0; i < 5; ++i) memories_[i / 3].add_turn(i, "a b&c", "192.0.2.1");
  Ids all;
  std::string query = "limit=2&user=a+b%26c";
  for (int page = 0; page < 3; ++page) {
    const auto document = box_.get("/v1/media/sessions", query).json();
    EXPECT_EQ(document.root().find("totals") ? true : false, page == 0);
    for (const json::Value s : document.root().find("sessions").items()) {
      all.push_back(*s.find("id").text());
    }
    const json::Value next = document.root().find("next");
    ASSERT_EQ(next ? true : false, page < 2);
    if (next) query = next.text()->substr(next.text()->find('?') + 1);
  }
  EXPECT_EQ(all, (Ids{"0.0.7", "0.1.7", "0.2.7", "1.3.7", "1.4.7"}));
}

TEST_F(MediaSessions, M6_OneSessionWithItsPeersAndNoKey) {
  memories_[0].add_turn(4, "alice", "192.0.2.1");
  memories_[0].record(4).first_peer = 9;
  memories_[0].header().peer_mark = 10;
  auto& peer = memories_[0].peer(9);
  peer = {};
  peer.address = media::Address::of(*IpAddress::parse("203.0.113.5"));
  peer.port = 9000;
  peer.channel = 0x4001;
  const Answered a = box_.get("/v1/media/sessions/0.4.7");
  ASSERT_EQ(a.status, 200) << a.body;
  const auto document = a.json();
  const json::Value root = document.root();
  EXPECT_EQ(*root.find("client").text(), "192.0.2.1:4000");
  EXPECT_EQ(*root.find("relays").items()[0].text(), "10.1.0.1:50004");
  EXPECT_EQ(*root.find("from_client").find("bytes").integer(0, 9999), 1600);
  const auto peers = root.find("peers").items();
  ASSERT_EQ(peers.size(), 1u);
  EXPECT_EQ(*peers[0].find("address").text(), "203.0.113.5");
  EXPECT_EQ(*peers[0].find("channel").integer(0, 0xffff), 0x4001);
  EXPECT_EQ(a.body.find("KKKK"), std::string::npos);
  for (const char* other : {"0.4.8", "0.5.7", "0.4", "2.4.7", "x", "0.4.7.1", "0.4000000000.7"}) {
    EXPECT_EQ(box_.get("/v1/media/sessions/" + std::string(other)).status, 404) << other;
  }
}

TEST_F(MediaSessions, M6_LossJitterAndMosOfACall) {
  memories_[0].add_anchor(1);
  const auto document = box_.get("/v1/media/sessions/0.1.7").json();
  const auto legs = document.root().find("legs").items();
  ASSERT_EQ(legs.size(), 2u);
  const json::Value rtp = legs[0].find("rtp");
  EXPECT_EQ(*rtp.find("lost").integer(0, 99), 2);
  EXPECT_DOUBLE_EQ(*rtp.find("loss_percent").number(), 2.0);
  EXPECT_DOUBLE_EQ(*rtp.find("jitter_ms").number(), 10.0);
  EXPECT_DOUBLE_EQ(*rtp.find("mos").number(), rtp::estimate_mos(20, 10, 0) / 100.0);
  EXPECT_FALSE(legs[1].find("rtp")) << "nothing came from there";
  EXPECT_EQ(*legs[1].find("local").text(), "10.1.0.1:60002");
}

TEST_F(MediaSessions, M6_NothingInTheMemoryIsBelieved) {
  memories_[0].add_turn(0, "alice", "192.0.2.1");
  auto& header = memories_[0].header();
  const auto good = header;
  header.capacity = 0xffffffff, header.session_mark = 0xffffffff;
  EXPECT_EQ(list(), Ids{});
  header = good;
  header.session_mark = 0xffffffff;
  EXPECT_EQ(list(), Ids{"0.0.7"}) << "as far as the capacity goes";
  header = good;
  header.worker = 1;
  EXPECT_EQ(list(), Ids{});
  header = good;
  header.magic = 0;
  EXPECT_EQ(list(), Ids{});
  header = good;
  // A ring of peers, and peers that are not there.
  memories_[0].record(0).first_peer = 0;
  header.peer_mark = 1;
  memories_[0].peer(0) = {};
  memories_[0].peer(0).next = 0;
  EXPECT_EQ(box_.get("/v1/media/sessions/0.0.7").json().root().find("peers").size(), 256u);
  memories_[0].peer(0).next = 77;
  EXPECT_EQ(box_.get("/v1/media/sessions/0.0.7").json().root().find("peers").size(), 1u);
  // Octets that are no text, numbers that are no kind.
  memories_[0].details(0).user_name.fill('\xff');
  memories_[0].details(0).client_realm.fill('\x01');
  EXPECT_EQ(list(), Ids{"0.0.7"});
  memories_[0].record(0).kind = static_cast<SessionKind>(200);
  EXPECT_EQ(list(), Ids{});
  memories_[0].record(0).kind = SessionKind::turn;
  memories_[0].record(0).transport = static_cast<media::ClientTransport>(9);
  EXPECT_EQ(list(), Ids{});
}

TEST_F(MediaSessions, M6_TheOperatorEndsASession) {
  memories_[0].add_turn(0, "alice", "192.0.2.1");
  memories_[1].add_turn(1, "bob", "192.0.2.1");
  EXPECT_EQ(box_.ask({"DELETE", "/v1/media/sessions/0.0.6"}).status, 404);
  EXPECT_EQ(box_.ask({"DELETE", "/v1/media/sessions/0.0.7"}).status, 503) << "no fast path";
  auto ends = link::make_link();
  link::Channel fastpath(box_.loop(), Process::fastpath, Process::control, std::move(ends->first));
  std::vector<link::SessionEnd> told;
  fastpath.start(
      [&](const link::Received& r) {
        told.push_back(*link::decode<link::SessionEnd>(r.payload));
        if (told.back().worker == 0) memories_[0].record(told.back().index) = SessionRecord();
      },
      [](const std::string&) {});
  box_.open_link(Process::fastpath, std::move(ends->second));
  box_.run_until([&] { return box_.control().session_ender().is_linked(); });
  EXPECT_EQ(box_.ask({"DELETE", "/v1/media/sessions/0.0.7"}).status, 204);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].generation, 7u);
  const auto events = box_.get("/v1/events", "limit=1").json();
  const json::Value event = events.root().find("events").items()[0];
  EXPECT_EQ(event.find("what").text().value_or(""), "media session ended");
  EXPECT_EQ(event.find("detail").text().value_or(""), "0.0.7 (turn, user alice)");
  EXPECT_EQ(event.find("who").text().value_or(""), "admin");
  EXPECT_EQ(box_.ask({"DELETE", "/v1/media/sessions/0.0.7"}).status, 404);
  // One that the fast path is slow with.
  const Answered slow = box_.ask({"DELETE", "/v1/media/sessions/1.1.7"});
  EXPECT_EQ(slow.status, 202) << slow.body;
  EXPECT_EQ(list(), Ids{"1.1.7"});
}

}  // namespace
}  // namespace fedge::control::testing
