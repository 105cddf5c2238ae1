// A machine of the test's own: a namespace with two interfaces, and realms sections. Needs root.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <vector>

#include "firmware/init/wire.h"
#include "firmware/netlink/tap.h"
#include "firmware/snapshot/writer.h"

namespace fedge::init {

using netlink::Inside;
using netlink::Link;
using netlink::NetworkNamespace;
using netlink::Socket;

struct NetworkTest : testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    name = "ft" + std::to_string(::getpid());
    // Where the machine's interfaces would be.
    auto space = NetworkNamespace::open(name + "-home");
    ASSERT_TRUE(space) << space.error().text();
    home = std::move(*space);
    inside.emplace(home);
    for (const char* port : {"p0", "p1"})
      queues.push_back(std::move(*netlink::open_tap_queue(port)));
  }
  void TearDown() override {
    inside.reset();
    for (const char* suffix : {"-home", "-wire", "-punt"}) {
      (void)NetworkNamespace::remove(name + suffix);
    }
  }
  static std::optional<Link> find(const std::string& link) {
    auto socket = Socket::open();
    auto found = find_link(*socket, link);
    return found ? *found : std::nullopt;
  }
  const std::vector<board::Port> ports{{"port0", "p0"}, {"port1", "p1"}};
  std::string name;
  NetworkNamespace home;
  std::optional<Inside> inside;
  std::vector<Fd> queues;
};

struct RealmOfTest {
  const char* name;
  const char* device;
  std::vector<const char*> addresses;
  const char* gateway;  // of the IPv4 default route, or null
  uint16_t mtu;
};

inline std::string realms_section(const std::vector<RealmOfTest>& list) {
  snapshot::Writer w(snapshot::Kind::realms);
  std::vector<snapshot::Port> ports;
  std::vector<snapshot::Realm> realms;
  for (const RealmOfTest& one : list) {
    std::vector<snapshot::RealmAddress> addresses;
    for (const char* text : one.addresses) addresses.push_back({*Prefix::parse(text), {}});
    std::vector<snapshot::RealmRoute> routes;
    if (one.gateway != nullptr) {
      routes.push_back({*Prefix::parse("0.0.0.0/0"), *IpAddress::parse(one.gateway)});
    }
    snapshot::Realm realm{};
    realm.name = w.text(one.name);
    realm.port = static_cast<uint16_t>(ports.size());
    realm.mtu = one.mtu;
    realm.addresses = w.slice(addresses);
    realm.routes = w.slice(routes);
    realms.push_back(realm);
    ports.push_back({w.text(one.name), w.text(one.device)});
  }
  snapshot::Realms root{};
  root.ports = w.slice(ports);
  root.realms = w.slice(realms);
  return w.finish(root);
}

}  // namespace fedge::init
