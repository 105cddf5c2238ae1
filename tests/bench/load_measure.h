// What the load generator measures: latencies, the CPU time of given processes, their memory.
#pragma once

#include <dirent.h>
#include <time.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace load {

inline uint64_t now_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return uint64_t(t.tv_sec) * 1'000'000'000 + uint64_t(t.tv_nsec);
}

// Nanoseconds in 64 slots for each power of two: quantiles within 1.6 %.
class Histogram {
 public:
  void add(uint64_t ns) {
    ++counts_[slot_of(ns)];
    ++total_;
  }
  void clear() { *this = Histogram(); }
  uint64_t total() const { return total_; }
  double quantile_us(double q) const {
    const auto wanted = uint64_t(double(total_) * q);
    uint64_t seen = 0;
    for (size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > wanted) return double(value_of(i)) / 1e3;
    }
    return 0;
  }

 private:
  static size_t slot_of(uint64_t ns) {
    if (ns < 64) return ns;
    const unsigned shift = unsigned(std::bit_width(ns)) - 7;
    return (size_t(shift) + 1) * 64 + (ns >> shift) - 64;
  }
  static uint64_t value_of(size_t slot) {
    if (slot < 64) return slot;
    const size_t shift = slot / 64 - 1;
    return (slot % 64 + 64) << shift;
  }
  std::array<uint64_t, 64 * 59> counts_{};
  uint64_t total_ = 0;
};

// Time on a CPU of all threads of a process, user and system together. schedstat counts in
// nanoseconds what stat counts in ticks of 10 ms.
inline uint64_t cpu_ns(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  DIR* threads = opendir(folder.c_str());
  if (threads == nullptr) return 0;
  uint64_t sum = 0;
  while (const dirent* entry = readdir(threads)) {
    if (entry->d_name[0] == '.') continue;
    FILE* file = fopen((folder + "/" + entry->d_name + "/schedstat").c_str(), "r");
    if (file == nullptr) continue;
    unsigned long long ns = 0;
    if (fscanf(file, "%llu", &ns) == 1) sum += ns;
    fclose(file);
  }
  closedir(threads);
  return sum;
}

// Proportional set size in kB: shared pages count in part, so a sum over processes is honest.
inline uint64_t pss_kb(int pid) {
  FILE* file = fopen(("/proc/" + std::to_string(pid) + "/smaps_rollup").c_str(), "r");
  if (file == nullptr) return 0;
  char line[256];
  unsigned long long kb = 0;
  while (fgets(line, sizeof line, file) != nullptr)
    if (sscanf(line, "Pss: %llu", &kb) == 1) break;
  fclose(file);
  return kb;
}

// One reading of each process, and what it was at the start.
class Meter {
 public:
  Meter(const std::vector<int>& pids, uint64_t (*read)(int)) : pids_(pids), read_(read) { start(); }
  void start() {
    first_.clear();
    for (const int pid : pids_) first_.push_back(read_(pid));
  }
  // Growth since start() by process; what shrank or died counts as it is.
  std::vector<double> growth() const {
    std::vector<double> out;
    for (size_t i = 0; i < pids_.size(); ++i)
      out.push_back(double(read_(pids_[i])) - double(first_[i]));
    return out;
  }

 private:
  std::vector<int> pids_;
  uint64_t (*read_)(int);
  std::vector<uint64_t> first_;
};

}  // namespace load
