#include "firmware/wire/turn/attributes.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "firmware/wire/turn/channel_data.h"

namespace fedge::turn {
namespace {

using stun::Class;
using stun::Method;
using stun::Type;
using namespace std::string_view_literals;

class M1_TurnAttributes : public testing::Test {
 protected:
  stun::Writer make(Method method, Class c) {
    return {out_, method, c, stun::make_transaction(std::array<std::byte, 12>{std::byte{7}})};
  }
  void read(const stun::Writer& writer) {
    ASSERT_TRUE(writer.fits());
    ASSERT_EQ(stun::parse(writer.written(), message_), stun::Malformed::none);
  }
  Bytes value(Type type) { return message_.find_value(type).value_or(Bytes()); }

  std::array<std::byte, 512> out_;
  stun::Message message_;
};

TEST_F(M1_TurnAttributes, GoBothWays) {
  auto writer = make(Method::allocate, Class::request);
  add_transport(writer, kTcp);
  add_even_port(writer, true);
  add_channel_number(writer, 0x4abc);
  add_address_family(writer, Type::requested_address_family, stun::Family::ipv6);
  add_address_family(writer, Type::additional_address_family, stun::Family::ipv4);
  add_address_error(writer, stun::Family::ipv6, stun::Error::insufficient_capacity);
  add_icmp(writer, {3, 4, 1400});
  writer.add_long_number(Type::reservation_token, 0x0102030405060708);
  read(writer);
  EXPECT_EQ(read_transport(value(Type::requested_transport)), kTcp);
  EXPECT_EQ(read_even_port(value(Type::even_port)), true);
  EXPECT_EQ(read_channel_number(value(Type::channel_number)), 0x4abc);
  EXPECT_TRUE(
      is_family(*read_address_family(value(Type::requested_address_family)), stun::Family::ipv6));
  EXPECT_TRUE(
      is_family(*read_address_family(value(Type::additional_address_family)), stun::Family::ipv4));
  const auto error = read_address_error(value(Type::address_error_code));
  ASSERT_TRUE(error);
  EXPECT_EQ(error->family, 2);
  EXPECT_EQ(error->error.code, 508);
  const auto icmp = read_icmp(value(Type::icmp));
  ASSERT_TRUE(icmp);
  EXPECT_EQ(icmp->type, 3);
  EXPECT_EQ(icmp->code, 4);
  EXPECT_EQ(icmp->data, 1400u);
  EXPECT_EQ(read_token(value(Type::reservation_token)), 0x0102030405060708u);
}

TEST_F(M1_TurnAttributes, HaveTheirLength) {
  for (size_t size = 0; size <= 12; ++size) {
    const std::string text(size, '\4');
    const Bytes bytes = as_bytes(text);
    EXPECT_EQ(read_transport(bytes).has_value(), size == 4);
    EXPECT_EQ(read_channel_number(bytes).has_value(), size == 4);
    EXPECT_EQ(read_address_family(bytes).has_value(), size == 4);
    EXPECT_EQ(read_even_port(bytes).has_value(), size == 1);
    EXPECT_EQ(read_token(bytes).has_value(), size == 8);
    EXPECT_EQ(read_icmp(bytes).has_value(), size == 8);
    EXPECT_EQ(read_address_error(bytes).has_value(), size >= 4);
  }
  EXPECT_EQ(read_even_port(as_bytes("\x7f")), false);  // RFFU bits
  EXPECT_FALSE(is_family(3, stun::Family::ipv4) || is_family(3, stun::Family::ipv6));
}

TEST_F(M1_TurnAttributes, ChannelsMayBeBoundAsRfc5766HadThem) {
  EXPECT_FALSE(is_channel(0x3fff));
  EXPECT_TRUE(is_channel(0x4000));
  EXPECT_TRUE(is_channel(0x7fff));
  EXPECT_FALSE(is_channel(0x8000));
}

TEST_F(M1_TurnAttributes, EachRequestUnderstandsItsOwn) {
  const auto is = [](bool (*understands)(uint16_t), Type type) {
    return understands(static_cast<uint16_t>(type));
  };
  const auto all = {understands_binding,           understands_allocate,     understands_refresh,
                    understands_create_permission, understands_channel_bind, understands_connect,
                    understands_connection_bind,   understands_send};
  for (const auto understands : all) {
    for (const Type type :
         {Type::username, Type::userhash, Type::realm, Type::nonce, Type::password_algorithm,
          Type::message_integrity, Type::message_integrity_sha256})
      EXPECT_TRUE(is(understands, type));
    for (const Type type : {Type::access_token, Type::mapped_address, Type::password})
      EXPECT_FALSE(is(understands, type));
    EXPECT_FALSE(understands(0x7fff));
  }
  EXPECT_TRUE(is(understands_allocate, Type::even_port));
  EXPECT_TRUE(is(understands_allocate, Type::requested_transport));
  EXPECT_TRUE(is(understands_allocate, Type::reservation_token));
  EXPECT_FALSE(is(understands_allocate, Type::xor_peer_address));
  EXPECT_TRUE(is(understands_refresh, Type::lifetime));
  EXPECT_FALSE(is(understands_refresh, Type::requested_transport));
  EXPECT_TRUE(is(understands_channel_bind, Type::channel_number));
  EXPECT_FALSE(is(understands_create_permission, Type::channel_number));
  EXPECT_TRUE(is(understands_connect, Type::xor_peer_address));
  EXPECT_TRUE(is(understands_connection_bind, Type::connection_id));
  EXPECT_TRUE(is(understands_binding, Type::change_request));
  EXPECT_FALSE(is(understands_binding, Type::use_candidate));  // no ICE agent is asked here
  EXPECT_TRUE(is(understands_send, Type::dont_fragment));
}

TEST_F(M1_TurnAttributes, SendIndicationsAreReadInOnePass) {
  const Endpoint peer = *Endpoint::parse("192.0.2.9:4000");
  auto writer = make(Method::send, Class::indication);
  writer.add_xor_address(Type::xor_peer_address, peer).add_flag(Type::dont_fragment);
  read(writer);
  EXPECT_FALSE(read_send_indication(message_));  // no DATA
  read(writer.add_text(Type::data, "hello"));
  auto send = read_send_indication(message_);
  ASSERT_TRUE(send);
  EXPECT_EQ(send->peer, peer);
  EXPECT_EQ(as_text(send->data), "hello");
  EXPECT_TRUE(send->dont_fragment);
  read(writer.add_text(Type::data, "again").add_text(Type::software, "x"));
  send = read_send_indication(message_);
  ASSERT_TRUE(send);
  EXPECT_EQ(as_text(send->data), "hello");
  read(writer.add_flag(Type::even_port));
  EXPECT_FALSE(read_send_indication(message_));  // must be understood, is not
}

TEST_F(M1_TurnAttributes, SendIndicationsNeedAPeerButNoOctets) {
  auto writer = make(Method::send, Class::indication);
  read(writer.add_flag(Type::data));
  EXPECT_FALSE(read_send_indication(message_));
  read(writer.add_xor_address(Type::xor_peer_address, *Endpoint::parse("[2001:db8::1]:9")));
  ASSERT_TRUE(read_send_indication(message_));
  EXPECT_TRUE(read_send_indication(message_)->data.empty());
  auto broken = make(Method::send, Class::indication);
  read(broken.add_flag(Type::data).add_text(Type::xor_peer_address, "\0\3\0\1abcd"sv));
  EXPECT_FALSE(read_send_indication(message_));
}

TEST_F(M1_TurnAttributes, DataIndicationsAreWrittenAroundTheirData) {
  for (const char* text : {"192.0.2.9:4000", "[2001:db8::9]:4000"}) {
    const Endpoint peer = *Endpoint::parse(text);
    for (const size_t size : {0, 1, 3, 4, 160, 1400}) {
      const size_t head = data_head_size(peer.address);
      std::vector<std::byte> packet(head + size + padding_of(size));
      std::fill_n(packet.begin() + static_cast<long>(head), size, std::byte{'x'});
      const auto transaction = stun::make_transaction(std::array<std::byte, 12>{std::byte{9}});
      ASSERT_TRUE(write_data_head(std::span(packet).first(head), transaction, peer, size));
      ASSERT_EQ(stun::parse(packet, message_), stun::Malformed::none);
      EXPECT_TRUE(message_.is(Method::data, Class::indication));
      EXPECT_EQ(message_.transaction, transaction);
      EXPECT_EQ(stun::read_xor_address(value(Type::xor_peer_address), transaction), peer);
      EXPECT_EQ(as_text(value(Type::data)), std::string(size, 'x'));
    }
  }
  std::array<std::byte, kDataHeadSizeIpv4> head;
  const Endpoint peer = *Endpoint::parse("192.0.2.9:4000");
  EXPECT_TRUE(write_data_head(head, {}, peer, 65516));
  EXPECT_FALSE(write_data_head(head, {}, peer, 65517));
}

}  // namespace
}  // namespace fedge::turn
