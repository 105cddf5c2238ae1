// The load generator's client: MESSAGE transactions or whole calls, in a window or at a rate.
#pragma once

#include <deque>
#include <vector>

#include "tests/bench/load_measure.h"
#include "tests/bench/load_pool.h"
#include "tests/bench/load_sip.h"

namespace load {

// One slot is one transaction or call under way; its number and generation are in the Call-ID.
struct Slot {
  uint64_t started = 0;
  unsigned generation = 0;
  bool busy = false;
  bool answered = false;  // the INVITE's 200 has come
};

class Client final : public Owner {
 public:
  explicit Client(const Options& options)
      : options_(options),
        pool_(options, poll_, *this),
        is_call_(options.what == "call"),
        body_(options.body, 'x') {
    slots_.resize(options.rate > 0 ? 20000 : options.window);
    for (unsigned i = 0; i < slots_.size(); ++i) free_.push_back(i);
  }

  int run() {
    if (!pool_.open_all(20)) give_up("connections do not come up");
    const uint64_t start = now_ns();
    const auto warm = uint64_t(options_.warm * 1e9);
    const auto length = uint64_t(options_.seconds * 1e9);
    run_until(start, start + warm);
    latency_.clear();
    done_ = failed_ = refused_ = skipped_ = longest_ = 0;
    Meter cpu(options_.pids, cpu_ns);
    const uint64_t own = cpu_ns(getpid());
    const uint64_t first = now_ns();
    run_until(start, first + length);
    const uint64_t last = now_ns();
    const double seconds = double(last - first) / 1e9;
    const uint64_t drained = last + uint64_t(options_.drain * 1e9);
    while (now_ns() < drained && free_.size() < slots_.size()) turn();
    for (const auto& connection : pool_.all) sent_ = std::max(sent_, connection->sent_at());
    print(seconds, cpu, double(cpu_ns(getpid()) - own) / 1e9 / seconds);
    return failed_ == 0 && pool_.lost == 0 ? 0 : 3;
  }

 private:
  void run_until(uint64_t start, uint64_t end) {
    while (now_ns() < end) {
      options_.rate > 0 ? start_due(start) : start_free();
      turn();
    }
  }
  void turn() {
    for (auto& connection : pool_.all)
      if (connection->is_open() && connection->backlog() > 0) connection->flush();
    poll_.run_once(options_.rate > 0 ? 1 : 5);
  }
  // Open rate: latency counts from when it should have started, so a stall is not hidden.
  void start_due(uint64_t start) {
    const uint64_t now = now_ns();
    for (;;) {
      const uint64_t due = start + uint64_t(double(issued_) * 1e9 / options_.rate);
      if (due > now) return;
      ++issued_;
      if (free_.empty()) {
        ++skipped_;
        continue;
      }
      start_one(due);
    }
  }
  void start_free() {
    const uint64_t now = now_ns();
    while (!free_.empty()) start_one(now);
  }

  void start_one(uint64_t at) {
    Connection* connection = nullptr;
    for (size_t i = 0; i < pool_.all.size() && connection == nullptr; ++i) {
      Connection* next = pool_.all[turn_++ % pool_.all.size()].get();
      if (next->is_open()) connection = next;
    }
    if (connection == nullptr) give_up("every connection is lost");
    const unsigned number = free_.front();
    free_.pop_front();
    Slot& slot = slots_[number];
    slot = {at, slot.generation + 1, true, false};
    write_first(number, slot.generation);
    connection->send(out_);
    connection->mark();
  }

  void write_first(unsigned number, unsigned generation) {
    char head[1024];
    const char* method = is_call_ ? "INVITE" : "MESSAGE";
    const int n = snprintf(
        head, sizeof head,
        "%s sip:bob@%s SIP/2.0\r\nVia: SIP/2.0/TLS %s:5061;branch=z9hG4bK%x.%x.%x.1;rport\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:alice@%s>;tag=a%x\r\nTo: <sip:bob@%s>\r\n"
        "Call-ID: %x-%x-%x@%s\r\nCSeq: 1 %s\r\nContact: <sip:alice@%s:5061;transport=tls>\r\n"
        "User-Agent: sip_load\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n",
        method, options_.to.c_str(), options_.source.c_str(), unsigned(getpid()), number,
        generation, options_.from.c_str(), number, options_.to.c_str(), number, generation,
        unsigned(getpid()), options_.from.c_str(), method, options_.source.c_str(), body_.size());
    out_.assign(head, size_t(n));
    out_ += body_;
  }

  void write_in_dialog(unsigned number, unsigned generation, const Dialog& dialog,
                       const char* method, int serial) {
    char head[4096];
    const int n = snprintf(
        head, sizeof head,
        "%s %s SIP/2.0\r\nVia: SIP/2.0/TLS %s:5061;branch=z9hG4bK%x.%x.%x.%d%c;rport\r\n"
        "Max-Forwards: 70\r\n%sFrom: <sip:alice@%s>;tag=a%x\r\nTo: %s\r\nCall-ID: %x-%x-%x@%s\r\n"
        "CSeq: %d %s\r\nContent-Length: 0\r\n\r\n",
        method, dialog.target.c_str(), options_.source.c_str(), unsigned(getpid()), number,
        generation, serial, method[0], dialog.routes.c_str(), options_.from.c_str(), number,
        dialog.to.c_str(), number, generation, unsigned(getpid()), options_.from.c_str(), serial,
        method);
    out_.assign(head, size_t(n));
  }

  // RFC 3261 17.1.1.3: with the Via of the INVITE.
  void write_refusal_ack(unsigned number, unsigned generation, std::string_view answer) {
    char head[1024];
    const std::string to(find_header(answer, "To"));
    const int n = snprintf(
        head, sizeof head,
        "ACK sip:bob@%s SIP/2.0\r\nVia: SIP/2.0/TLS %s:5061;branch=z9hG4bK%x.%x.%x.1;rport\r\n"
        "Max-Forwards: 70\r\nFrom: <sip:alice@%s>;tag=a%x\r\nTo: %s\r\n"
        "Call-ID: %x-%x-%x@%s\r\nCSeq: 1 ACK\r\nContent-Length: 0\r\n\r\n",
        options_.to.c_str(), options_.source.c_str(), unsigned(getpid()), number, generation,
        options_.from.c_str(), number, to.c_str(), number, generation, unsigned(getpid()),
        options_.from.c_str());
    out_.assign(head, size_t(n));
  }

  void on_message(Connection& connection, std::string_view answer) override {
    if (!answer.starts_with("SIP/2.0 ")) return;
    const int status = atoi(answer.data() + 8);
    unsigned number = 0;
    unsigned generation = 0;
    const std::string id(find_header(answer, "Call-ID"));
    if (status < 200 || sscanf(id.c_str(), "%x-%x", &number, &generation) != 2 ||
        number >= slots_.size())
      return;
    Slot& slot = slots_[number];
    if (!slot.busy || slot.generation != generation) return;
    const uint64_t now = now_ns();
    longest_ = std::max(longest_, now - std::min(now, slot.started));
    if (status >= 300) {
      if (is_call_ && !slot.answered) {
        write_refusal_ack(number, generation, answer);
        connection.send(out_);
      }
      if (status == 503 && !find_header(answer, "Retry-After").empty() && !slot.answered) {
        ++refused_;
        return set_free(number);
      }
      if (failed_ < 3)
        fprintf(stderr, "sip_load: got %.*s\n", int(answer.find('\r')), answer.data());
      return finish(number, false);
    }
    if (!is_call_ || slot.answered) {
      if (!is_call_) latency_.add(now - std::min(now, slot.started));
      if (is_call_ && find_header(answer, "CSeq").find("BYE") == answer.npos) return;
      return finish(number, true);
    }
    slot.answered = true;
    latency_.add(now - std::min(now, slot.started));
    const Dialog dialog(answer);
    write_in_dialog(number, generation, dialog, "ACK", 1);
    connection.send(out_);
    write_in_dialog(number, generation, dialog, "BYE", 2);
    connection.send(out_);
  }
  void set_free(unsigned number) {
    slots_[number].busy = false;
    free_.push_back(number);
  }
  void finish(unsigned number, bool good) {
    set_free(number);
    good ? ++done_ : ++failed_;
  }
  void on_open(Connection&) override { ++pool_.opened; }
  void on_closed(Connection&, bool) override { ++pool_.lost; }

  void print(double seconds, const Meter& cpu, double own_load) const {
    printf(
        "{\"what\": \"%s\", \"rate\": %.1f, \"done\": %lu, \"failed\": %lu, \"refused\": %lu, "
        "\"skipped\": %lu, \"longest_ms\": %.1f, \"sent_ns\": %lu, "
        "\"under_way\": %zu, \"lost_connections\": %zu, \"own_load\": %.3f, "
        "\"p50_us\": %.1f, \"p99_us\": %.1f, \"cpu_us\": {",
        options_.what.c_str(), double(done_) / seconds, done_, failed_, refused_, skipped_,
        double(longest_) / 1e6, sent_, slots_.size() - free_.size(), pool_.lost, own_load,
        latency_.quantile_us(0.5), latency_.quantile_us(0.99));
    const auto growth = cpu.growth();
    for (size_t i = 0; i < growth.size(); ++i)
      printf("%s\"%d\": %.2f", i ? ", " : "", options_.pids[i],
             done_ ? growth[i] / 1e3 / double(done_) : 0);
    printf("}, \"load\": {");
    for (size_t i = 0; i < growth.size(); ++i)
      printf("%s\"%d\": %.3f", i ? ", " : "", options_.pids[i], growth[i] / 1e9 / seconds);
    printf("}}\n");
  }

  const Options& options_;
  Poll poll_;
  Pool pool_;
  bool is_call_;
  std::string body_;
  std::vector<Slot> slots_;
  std::deque<unsigned> free_;  // oldest first, so that a slot rests before it is used again
  size_t turn_ = 0;
  uint64_t issued_ = 0, done_ = 0, failed_ = 0, skipped_ = 0;
  uint64_t refused_ = 0;  // with 503 and Retry-After
  uint64_t longest_ = 0;  // from when it should have started to any final response, in ns
  uint64_t sent_ = 0;     // when the last request that starts something was written
  Histogram latency_;
  std::string out_;
};

}  // namespace load
