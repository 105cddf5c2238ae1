// Anchored streams (M4): only after signalling, only from where it said, latched, told, ended.
#include <gtest/gtest.h>

#include "tests/unit/media/site.h"

namespace fedge::media::test {
namespace {

const Endpoint kOutsideRtp{to_ip("9.9.0.1"), 52004}, kInsideRtp{to_ip(Site::kInside), 52008};
const Endpoint kCaller{to_ip("40.0.0.1"), 7000}, kCallee{to_ip("10.2.0.77"), 8000};

Endpoint behind(Endpoint endpoint) {
  ++endpoint.port;
  return endpoint;
}

std::string rtp(uint16_t sequence, uint8_t type = 0) {
  std::string out(12 + 160, 'v');
  out[0] = static_cast<char>(0x80);
  out[1] = static_cast<char>(type);
  store_be16(&out[2], sequence);
  store_be32(&out[4], sequence * 160u);
  store_be32(&out[8], 0x1234);
  return out;
}
std::string rtcp() {
  std::string out(8, '\0');
  out[0] = static_cast<char>(0x80);
  out[1] = static_cast<char>(201);
  out[3] = 1;
  return out;
}

class Anchored : public testing::TestWithParam<int> {
 protected:
  explicit Anchored(uint8_t relatch = 0)
      : site_([&] {
          Options out;
          out.workers = static_cast<uint8_t>(GetParam());
          out.relatch = relatch;
          return out;
        }()) {
    call_.id = 4711;
    call_.call = 99;
    call_.call_id = "call@example";
    call_.caller = {"outside", kOutsideRtp, kCaller, behind(kCaller), 32, false};
    call_.callee = {"inside", kInsideRtp, kCallee, behind(kCallee), 32, false};
  }
  // As the edge tells every worker.
  bool tell() {
    bool all = true;
    for (uint8_t i = 0; i < GetParam(); ++i) {
      all = site_.station(i).anchor(call_, site_.now()).has_value() && all;
    }
    return all;
  }
  uint32_t held() {
    uint32_t sum = 0;
    for (uint8_t i = 0; i < GetParam(); ++i) sum += site_.sessions(i).size();
    return sum;
  }
  Outcome from_caller(const Endpoint& from, std::string_view payload) {
    return site_.deliver(Site::frame(from, kOutsideRtp, payload));
  }
  Outcome from_callee(const Endpoint& from, std::string_view payload) {
    return site_.deliver(Site::frame(from, kInsideRtp, payload));
  }

  Site site_;
  link::Anchor call_;
};
class Relatching : public Anchored {
 protected:
  Relatching() : Anchored(1) {}
};
INSTANTIATE_TEST_SUITE_P(Workers, Anchored, testing::Values(1, 2));
INSTANTIATE_TEST_SUITE_P(Workers, Relatching, testing::Values(1, 2));

TEST_P(Anchored, M4_rtp_and_rtcp_pass_both_ways_and_are_counted) {
  ASSERT_TRUE(tell());
  EXPECT_EQ(held(), 1u);
  for (uint16_t i = 0; i < 50; ++i) {
    const Outcome there = from_caller(kCaller, rtp(i));
    ASSERT_EQ(there.fate, Fate::send);
    EXPECT_EQ(there.realm, 1);
    EXPECT_EQ(there.from(), kInsideRtp);
    EXPECT_EQ(there.to(), kCallee);
    EXPECT_EQ(there.payload(), rtp(i));
    EXPECT_TRUE(there.has_right_checksum());
    const Outcome back = from_callee(kCallee, rtp(i));
    ASSERT_EQ(back.fate, Fate::send);
    EXPECT_EQ(back.from(), kOutsideRtp);
    EXPECT_EQ(back.to(), kCaller);
    site_.pass(20ms);
  }
  const Outcome report = site_.deliver(Site::frame(behind(kCaller), behind(kOutsideRtp), rtcp()));
  ASSERT_EQ(report.fate, Fate::send);
  EXPECT_EQ(report.from(), behind(kInsideRtp));
  EXPECT_EQ(report.to(), behind(kCallee));
  const Sessions& table = site_.sessions(owner_of_port(52004, static_cast<uint8_t>(GetParam())));
  EXPECT_EQ(table.record(0).traffic[0].packets, 51u);
  EXPECT_EQ(table.record(0).traffic[1].packets, 50u);
  EXPECT_EQ(table.details(0).anchor.legs[0].reception.lost(), 0);
  EXPECT_GE(table.details(0).anchor.legs[0].reception.received, 48u);
}

TEST_P(Anchored, M4_nobody_is_let_in_before_during_or_after_a_call) {
  const Endpoint thief{to_ip("66.6.6.6"), 7000};
  const auto spray = [&] {
    int sent = 0;
    for (uint16_t port = Site::kAnchorFirst; port <= Site::kAnchorLast; ++port) {
      const Endpoint to{kOutsideRtp.address, port};
      sent += site_.deliver(Site::frame(thief, to, rtp(1))).fate != Fate::drop ? 1 : 0;
    }
    return sent;
  };
  EXPECT_EQ(spray(), 0);
  ASSERT_TRUE(tell());
  EXPECT_EQ(spray(), 0) << "before the first packet";
  EXPECT_EQ(from_caller(kCaller, rtp(1)).fate, Fate::send);
  EXPECT_EQ(spray(), 0) << "during the call";
  EXPECT_EQ(from_callee(kCallee, rtp(1)).to(), kCaller) << "its media goes nowhere else";
  for (uint8_t i = 0; i < GetParam(); ++i) site_.station(i).end_anchor({call_.id, call_.call, {}});
  EXPECT_EQ(held(), 0u);
  EXPECT_EQ(spray(), 0);
  EXPECT_EQ(from_caller(kCaller, rtp(2)).reason, Reason::no_session);
  EXPECT_EQ(site_.count_dropped(Reason::source_foreign), 4u);
}

TEST_P(Anchored, M4_latches_to_the_first_source_within_the_prefix_and_stays) {
  call_.caller.prefix = 24;
  ASSERT_TRUE(tell());
  const Endpoint behind_nat{to_ip("40.0.0.200"), 61000};
  EXPECT_EQ(from_callee(kCallee, rtp(1)).to(), kCaller) << "as the SDP says, at first";
  EXPECT_EQ(from_caller(behind_nat, "no media").reason, Reason::source_foreign);
  EXPECT_EQ(from_caller(behind_nat, rtp(1)).fate, Fate::send);
  EXPECT_EQ(from_callee(kCallee, rtp(2)).to(), behind_nat);
  const Endpoint neighbour{to_ip("40.0.0.201"), 61000};
  EXPECT_EQ(from_caller(neighbour, rtp(1)).reason, Reason::source_foreign) << "the first one wins";
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_callee(kCallee, rtp(3)).to(), behind_nat) << "the same SDP again moves nothing";
  call_.caller.remote.port = 7100;
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_callee(kCallee, rtp(4)).to(), call_.caller.remote);
  EXPECT_EQ(from_caller(kCaller, rtp(2)).fate, Fate::send) << "and latches anew";
}

TEST_P(Anchored, M4_who_was_first_gives_way_to_whom_signalling_named) {
  call_.caller.prefix = 24;
  ASSERT_TRUE(tell());
  const Endpoint thief{to_ip("40.0.0.200"), 61000};
  EXPECT_EQ(from_caller(thief, rtp(1)).fate, Fate::send) << "as good as a NAT's other address";
  EXPECT_EQ(from_caller(kCaller, rtp(1)).fate, Fate::send);
  EXPECT_EQ(from_callee(kCallee, rtp(1)).to(), kCaller) << "the thief hears no more";
  EXPECT_EQ(from_caller(thief, rtp(2)).reason, Reason::source_foreign) << "and is not heard";
}

TEST_P(Anchored, M4_M5_latches_to_no_address_of_ours_and_to_nobodys) {
  call_.caller.prefix = 0;
  ASSERT_TRUE(tell());
  for (const auto* address : {"9.9.0.1", "9.8.0.1", "10.2.0.1", "127.0.0.1", "224.0.0.5",
                              "255.255.255.255", "0.0.0.0", "169.254.169.254"}) {
    EXPECT_EQ(from_caller({to_ip(address), 7000}, rtp(1)).reason, Reason::source_foreign)
        << address;
  }
  EXPECT_EQ(from_caller({to_ip("66.6.6.6"), 7000}, rtp(1)).fate, Fate::send);
}

TEST_P(Anchored, M4_M5_a_relay_port_that_an_sdp_names_is_that_port_alone) {
  const Flow named = site_.make_flow(1), other = site_.make_flow(2);
  call_.caller.remote = named.relay;
  call_.caller.remote_rtcp = behind(named.relay);
  ASSERT_TRUE(tell());
  const auto send = [&](const Flow& flow) {
    site_.bind(flow, 0x4007, kOutsideRtp);
    return site_.deliver(Site::frame(flow.client, flow.server, channel_data(0x4007, rtp(1))),
                         flow.worker);
  };
  EXPECT_EQ(send(other).reason, Reason::source_foreign) << "another user's, of the same address";
  EXPECT_EQ(from_caller(named.relay, rtp(1)).reason, Reason::source_foreign)
      << "off the wire nobody is at our own address";
  EXPECT_EQ(send(named).to(), kCallee);
  EXPECT_EQ(from_callee(kCallee, rtp(1)).to(), named.client);
  EXPECT_EQ(from_caller(named.relay, rtp(1)).reason, Reason::source_foreign);
}

TEST_P(Relatching, M4_moves_within_its_prefix_where_that_is_configured) {
  call_.caller.prefix = 24;
  ASSERT_TRUE(tell());
  const Endpoint other{to_ip("40.0.0.9"), 61000};
  const Endpoint thief{to_ip("40.0.1.9"), 61000};
  EXPECT_EQ(from_caller(kCaller, rtp(1)).fate, Fate::send);
  EXPECT_EQ(from_caller(other, rtp(2)).fate, Fate::send);
  EXPECT_EQ(from_callee(kCallee, rtp(2)).to(), other);
  EXPECT_EQ(from_caller(thief, rtp(3)).reason, Reason::source_foreign);
}

TEST_P(Anchored, M4_waits_for_signalling_to_say_where_a_side_is) {
  call_.callee.remote = call_.callee.remote_rtcp = {};
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_caller(kCaller, rtp(1)).reason, Reason::not_latched);
  EXPECT_EQ(from_callee(kCallee, rtp(1)).reason, Reason::not_latched);
  call_.caller.remote = {};  // the answer tells of its side only
  call_.callee.remote = kCallee;
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_caller(kCaller, rtp(2)).to(), kCallee);
  EXPECT_EQ(from_callee(kCallee, rtp(2)).to(), kCaller);
}

TEST_P(Anchored, M4_rtcp_has_its_own_ports_unless_both_sides_mux) {
  call_.caller.muxed = true;  // offered, and not taken up
  ASSERT_TRUE(tell());
  const auto send = [&](const Endpoint& from, const Endpoint& to, std::string_view payload) {
    return site_.deliver(Site::frame(behind(from), behind(to), payload));
  };
  EXPECT_EQ(send(kCaller, kOutsideRtp, rtcp()).to(), behind(kCallee));
  EXPECT_EQ(send(kCallee, kInsideRtp, rtcp()).to(), behind(kCaller));
  call_.callee.muxed = true;
  ASSERT_TRUE(tell());
  const Outcome there = from_caller(kCaller, rtcp());
  EXPECT_EQ(there.to(), kCallee);
  EXPECT_EQ(there.from(), kInsideRtp);
  for (const std::string& payload : {rtcp(), rtp(1)}) {
    EXPECT_EQ(send(kCaller, kOutsideRtp, payload).reason, Reason::source_foreign)
        << "nobody uses the second port: who sends there is no side of the call";
  }
}

TEST_P(Anchored, M4_ends_after_silence_and_not_before) {
  ASSERT_TRUE(tell());
  for (int i = 0; i < 4; ++i) {
    site_.pass(25s);
    EXPECT_EQ(from_caller(kCaller, rtp(1)).fate, Fate::send);
  }
  site_.pass(29s);
  EXPECT_EQ(held(), 1u);
  site_.pass(2s);
  EXPECT_EQ(held(), 0u);
}

TEST_P(Anchored, M4_the_next_hops_are_asked_for_before_the_first_packet) {
  ASSERT_TRUE(tell());
  EXPECT_EQ(site_.next_hops.asked, 2);
}

TEST_P(Anchored, M4_a_hold_does_not_end_by_silence) {
  ASSERT_TRUE(tell());
  call_.caller.state = link::StreamState::held;
  ASSERT_TRUE(tell());
  site_.pass(3600s);
  EXPECT_EQ(held(), 1u);
  site_.restart();
  site_.pass(1800s);
  EXPECT_EQ(held(), 1u);
  EXPECT_EQ(from_callee(kCallee, rtp(1)).to(), kCaller);
  call_.caller.state = link::StreamState::active;
  ASSERT_TRUE(tell());
  site_.pass(29s);
  EXPECT_EQ(held(), 1u) << "silence counts from the end of the hold";
  site_.pass(2s);
  EXPECT_EQ(held(), 0u);
}

TEST_P(Anchored, M4_a_hold_that_nobody_ends_ends) {
  call_.callee.state = link::StreamState::held;
  ASSERT_TRUE(tell());
  site_.pass(4h + 1s);
  EXPECT_EQ(held(), 0u);
}

TEST_P(Anchored, M4_port_zero_closes_a_stream_until_both_sides_name_one_again) {
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_caller(kCaller, rtp(1)).fate, Fate::send);
  const link::Anchor open = call_;
  call_.caller.remote = call_.caller.remote_rtcp = {};
  call_.callee.remote = call_.callee.remote_rtcp = {};
  call_.callee.state = link::StreamState::closed;
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_caller(kCaller, rtp(2)).fate, Fate::drop);
  EXPECT_EQ(from_callee(kCallee, rtp(1)).fate, Fate::drop);
  site_.pass(60s);
  EXPECT_EQ(held(), 1u) << "the call's other streams go on";
  call_.callee.state = link::StreamState::as_before;
  call_.caller.remote = kCaller;
  call_.caller.state = link::StreamState::active;
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_caller(kCaller, rtp(3)).fate, Fate::drop) << "the other side's is not known";
  call_ = open;
  call_.callee.state = link::StreamState::active;
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_caller(kCaller, rtp(4)).to(), kCallee);
  EXPECT_EQ(from_callee(kCallee, rtp(2)).to(), kCaller);
}

TEST_P(Anchored, M4_a_stream_that_is_closed_from_the_first_takes_nothing) {
  call_.callee.state = link::StreamState::closed;
  ASSERT_TRUE(tell());
  EXPECT_EQ(held(), 0u);
}

TEST_P(Anchored, M7_survives_a_restart_and_is_told_again) {
  ASSERT_TRUE(tell());
  EXPECT_EQ(from_caller(kCaller, rtp(1)).fate, Fate::send);
  site_.restart();
  EXPECT_EQ(held(), 1u);
  EXPECT_EQ(from_caller(kCaller, rtp(2)).to(), kCallee);
  link::Anchor told;
  bool found = false;
  for (uint8_t i = 0; i < GetParam(); ++i) {
    found = found || site_.station(i).describe_anchor(0, told);
  }
  ASSERT_TRUE(found);
  EXPECT_EQ(told.id, call_.id);
  EXPECT_EQ(told.call, call_.call);
  EXPECT_EQ(told.call_id, call_.call_id);
  EXPECT_EQ(told.caller.local, kOutsideRtp);
  EXPECT_EQ(told.caller.realm, "outside");
  EXPECT_EQ(told.caller.remote, kCaller);
  EXPECT_EQ(told.callee.remote_rtcp, behind(kCallee));
  EXPECT_EQ(told.callee.prefix, 32);
}

TEST_P(Anchored, M4_M5_takes_no_ports_twice_and_sends_nothing_to_ourselves) {
  ASSERT_TRUE(tell());
  call_.id = 4712;
  EXPECT_FALSE(tell()) << "the ports are held";
  EXPECT_EQ(held(), 1u);
  call_.caller.local.port = 52012;
  call_.callee.local.port = 52012;
  call_.caller.remote = {to_ip(Site::kServer), 3478};
  EXPECT_FALSE(tell());
  call_.caller.remote = {to_ip("127.0.0.1"), 3478};
  EXPECT_FALSE(tell());
  for (const auto* address : {"64:ff9b::7f00:1", "64:ff9b::908:1", "64:ff9b::909:1",
                              "64:ff9b::a9fe:a9fe", "2002:7f00:1::1", "2002:909:1::1",
                              "::ffff:127.0.0.1", "::ffff:9.9.0.1", "ff02::1", "224.0.0.1"}) {
    call_.caller.remote = {to_ip(address), 4000};
    EXPECT_FALSE(tell()) << address;
    call_.caller.remote = kCaller;
    call_.caller.remote_rtcp = {to_ip(address), 4000};
    EXPECT_FALSE(tell()) << address;
    call_.caller.remote_rtcp = {};
  }
  call_.caller.remote = kCaller;
  EXPECT_TRUE(tell());
  EXPECT_EQ(held(), 2u);
  for (uint8_t i = 0; i < GetParam(); ++i) site_.station(i).end_anchor({0, call_.call, {}});
  EXPECT_EQ(held(), 0u) << "every stream of the call";
}

}  // namespace
}  // namespace fedge::media::test
