// SIP over mutual TLS as load: a server that answers everything, a client that runs MESSAGE
// transactions or whole calls in a closed window or at an open rate, and a client that only holds
// connections. One thread, epoll, OpenSSL. Prints one JSON object.
//
//   sip_load server --netns NS --bind IP:PORT --cert F --key F --trust F
//   sip_load client --netns NS --connect IP:PORT --source IP --cert F --key F --trust F
//       --what message|call --connections N (--window N | --rate PER_SECOND) --warm S --seconds S
//       --from DOMAIN --to DOMAIN --pid PID...   [--drain S: wait so long for what is under way]
//   sip_load idle   ... --connections N --pid PID...    (memory of PIDs before and with them)
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <sys/resource.h>

#include <csignal>
#include <map>

#include "tests/bench/load_client.h"
#include "tests/bench/load_server.h"

namespace load {
namespace {

class Idle final : public Owner {
 public:
  explicit Idle(const Options& options) : options_(options), pool_(options, poll_, *this) {}

  int run() {
    Meter memory(options_.pids, pss_kb);
    const uint64_t start = now_ns();
    const bool all = pool_.open_all(300);
    const double took = double(now_ns() - start) / 1e9;
    const uint64_t settled = now_ns() + uint64_t(options_.seconds * 1e9);
    while (now_ns() < settled) poll_.run_once(50);
    double sum = 0;
    printf("{\"connections\": %zu, \"lost_connections\": %zu, \"opened_in_s\": %.1f, \"pss_kb\": {",
           pool_.opened, pool_.lost, took);
    const auto growth = memory.growth();
    for (size_t i = 0; i < growth.size(); ++i) {
      printf("%s\"%d\": %.0f", i ? ", " : "", options_.pids[i], growth[i]);
      sum += growth[i];
    }
    printf("}, \"kb_per_connection\": %.2f}\n", pool_.opened ? sum / double(pool_.opened) : 0);
    return all && pool_.lost == 0 ? 0 : 3;
  }

 private:
  void on_open(Connection&) override { ++pool_.opened; }
  void on_message(Connection&, std::string_view) override {}
  void on_closed(Connection&, bool) override { ++pool_.lost; }

  const Options& options_;
  Poll poll_;
  Pool pool_;
};

Options read_options(int count, char** words) {
  Options o;
  if (count < 2) give_up("say server, client or idle");
  o.mode = words[1];
  const std::map<std::string, std::string*> texts = {
      {"netns", &o.netns},     {"bind", &o.bind},
      {"connect", &o.connect}, {"source", &o.source},
      {"what", &o.what},       {"from", &o.from},
      {"to", &o.to},           {"cert", &o.files.certificate},
      {"key", &o.files.key},   {"trust", &o.files.trust}};
  const std::map<std::string, size_t*> sizes = {
      {"connections", &o.connections}, {"window", &o.window}, {"body", &o.body}};
  const std::map<std::string, double*> numbers = {
      {"rate", &o.rate}, {"warm", &o.warm}, {"seconds", &o.seconds}, {"drain", &o.drain}};
  for (int i = 2; i + 1 < count; i += 2) {
    const std::string name = std::string(words[i]).substr(std::min<size_t>(2, strlen(words[i])));
    if (name == "pid") {
      o.pids.push_back(atoi(words[i + 1]));
    } else if (texts.contains(name)) {
      *texts.at(name) = words[i + 1];
    } else if (sizes.contains(name)) {
      *sizes.at(name) = size_t(atol(words[i + 1]));
    } else if (numbers.contains(name)) {
      *numbers.at(name) = atof(words[i + 1]);
    } else {
      give_up(std::string("no such option: ") + words[i]);
    }
  }
  return o;
}

void enter(const std::string& netns) {
  if (netns.empty()) return;
  const int fd = open(("/run/netns/" + netns).c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0 || setns(fd, CLONE_NEWNET) != 0) give_up("cannot enter the namespace " + netns);
  close(fd);
}

int run(const Options& options) {
  signal(SIGPIPE, SIG_IGN);
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  enter(options.netns);
  if (options.mode == "server") Server(options).run();
  if (options.mode == "client") return Client(options).run();
  if (options.mode == "idle") return Idle(options).run();
  give_up("no such mode: " + options.mode);
}

}  // namespace
}  // namespace load

int main(int count, char** words) { return load::run(load::read_options(count, words)); }
