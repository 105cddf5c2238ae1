// fedge-agent: HTTPS on the management port, and nothing but a link behind it.
#include "firmware/base/log.h"
#include "firmware/base/loop.h"
#include "firmware/base/sandbox.h"
#include "mgmt/agent/agent.h"

int main() {
  fedge::log::start("agent");
  fedge::Loop loop;
  fedge::SignalWatcher signals(loop, [&](int) { loop.stop(); });
  fedge::agent::Agent agent(loop, fedge::Fd(fedge::link::kInitLinkFd));
  if (auto done = fedge::enter_sandbox(fedge::Profile::agent); !done) {
    fedge::log::error("agent", "{}", done.error().text());
    return 1;
  }
  agent.announce_ready();
  loop.run();
  return 0;
}
