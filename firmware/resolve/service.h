// A Resolver with its sockets, in one event loop. Nothing here waits.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>

#include "firmware/base/loop.h"
#include "firmware/resolve/discovery.h"

namespace fedge::resolve {

class NameService {
 public:
  // Called from the loop, never inside find(): the question has something new to say.
  using OnSettled = std::function<void(const dns::Question&)>;

  // Sockets are bound to `device` (the tap of the resolver's realm) unless it is empty.
  NameService(Loop& loop, Settings settings, RandomSource& random, std::string device,
              OnSettled on_settled);
  ~NameService();
  NameService(const NameService&) = delete;
  NameService& operator=(const NameService&) = delete;

  Finding find(const dns::Question& question);
  Partner find_partner(const DiscoveryRules& rules, std::string_view domain);
  Partner find_host(const DiscoveryRules& rules, std::string_view host);
  void set_servers(std::vector<Endpoint> servers);
  const Resolver& resolver() const { return resolver_; }

 private:
  class Exchange;
  class Datagram;
  class Stream;

  void carry_out();
  // Also tells what settled. `this` may do anything in the callback but be destroyed.
  void round();
  void schedule();
  Status open(const Action& action);

  Loop& loop_;
  Resolver resolver_;
  RandomSource& random_;
  std::string device_;
  OnSettled on_settled_;
  Alarm alarm_;
  std::unordered_map<uint64_t, std::unique_ptr<Exchange>> exchanges_;
};

}  // namespace fedge::resolve
