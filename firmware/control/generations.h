// Compiled sections on the disk, beside the database: what the box starts from when control or
// the database is not there. Init reads the same files (init/held_snapshot.h).
//
//   generations/G/<kind number>.section    one section, header included
//   generations/G/manifest                 "fedge-generation 1", "generation G revision R",
//                                          "<kind> <checksum> <size>" each, "end"
//   generations/current                    "G\n", written when all of G is on the disk
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "firmware/base/fd.h"
#include "firmware/snapshot/layout.h"
#include "firmware/store/fault.h"

namespace fedge::control {

// One section in a sealed memfd, shared by all generations that have it unchanged.
struct HeldSection {
  snapshot::Kind kind{};
  std::array<uint64_t, 2> checksum{};
  Fd fd;
  Mapping mapping;
};
using SectionPointer = std::shared_ptr<const HeldSection>;

// Checks the envelope on the way.
Result<SectionPointer> hold_section(snapshot::Kind kind, Bytes section);

struct Generation {
  uint64_t number = 0;  // 0: there is none
  uint64_t revision = 0;
  std::vector<SectionPointer> sections;  // by kind
  // Null when there is no such section.
  SectionPointer find(snapshot::Kind kind) const;
};

class Generations {
 public:
  // `folder` is the state folder; `generations` in it is made when missing.
  static Result<Generations> open(const std::string& folder, store::Fault fault = {});

  // What `current` names; 0 when nothing was ever made current.
  Result<uint64_t> current() const;
  // The highest number in use, whole or not: the next one is above it.
  uint64_t newest() const;
  Result<Generation> load(uint64_t number) const;
  // Writes all of it and flushes it to the disk; does not make it current.
  Status store(const Generation& generation);
  Status make_current(uint64_t number);
  // Removes every other generation's files.
  void keep_only(const std::set<uint64_t>& numbers);
  const std::string& folder() const { return folder_; }

 private:
  Generations(std::string folder, store::Fault fault);
  std::vector<uint64_t> numbers() const;
  std::string folder_of(uint64_t number) const;

  std::string folder_;
  store::Fault fault_;
};

// Files of a folder that exists and that nobody reads yet, with or without flushing them to the
// disk: any one, and those of one generation.
enum class Flush : uint8_t { no, yes };
Status write_new_file(const std::string& path, Bytes contents, Flush flush);
Status write_generation(const std::string& folder, const Generation& generation, Flush flush,
                        const store::Fault& fault = {});

}  // namespace fedge::control
