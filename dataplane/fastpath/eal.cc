#include "dataplane/fastpath/eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>

#include <charconv>
#include <string_view>
#include <vector>

#include "firmware/base/fd.h"
#include "firmware/base/log.h"

namespace fedge::fastpath {

namespace {

// Free memory in hugepages of 2 MB, in megabytes.
unsigned free_huge_megabytes() {
  constexpr unsigned kPageMegabytes = 2;
  const auto text = read_file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", 64);
  unsigned pages = 0;
  if (text) std::from_chars(text->data(), text->data() + text->size(), pages);
  return pages * kPageMegabytes;
}

// "(0,2-3)" for the processors that this process may use. EAL pins its main thread; one logical
// core that floats over all of them leaves the choice to the scheduler or to taskset.
std::string allowed_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::string out;
  if (::sched_getaffinity(0, sizeof set, &set) == 0) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
      if (CPU_ISSET(cpu, &set)) out += (out.empty() ? "" : ",") + std::to_string(cpu);
    }
  }
  return "(" + (out.empty() ? "0" : out) + ")";
}

}  // namespace

Status start_eal(const std::string& instance, std::span<const std::string> pci,
                 unsigned megabytes) {
  std::vector<std::string> arguments{"fedge-fastpath",
                                     "--no-telemetry",
                                     "--log-level=*:warning",
                                     "--file-prefix=fedge-" + instance,
                                     "-m",
                                     std::to_string(megabytes),
                                     "--lcores=0@" + allowed_processors()};
  const bool huge = free_huge_megabytes() >= megabytes;
  if (huge) {
    arguments.emplace_back("--in-memory");
  } else {
    arguments.insert(arguments.end(), {"--no-huge", "--no-shconf"});
  }
  if (pci.empty()) arguments.emplace_back("--no-pci");
  for (const std::string& address : pci) arguments.insert(arguments.end(), {"-a", address});
  std::vector<char*> pointers;
  pointers.reserve(arguments.size());
  for (std::string& a : arguments) pointers.push_back(a.data());
  if (rte_eal_init(static_cast<int>(pointers.size()), pointers.data()) < 0) {
    return fail("DPDK", std::string("cannot start: ") + rte_strerror(rte_errno),
                "the lines above say what it missed");
  }
  log::info("fastpath", "memory: {} MB in {}", megabytes, huge ? "hugepages" : "ordinary pages");
  return {};
}

}  // namespace fedge::fastpath
