// Asking the workers' own code what it would do: `fedge-signal --explain` over the sections of a
// generation, as a child process with a time limit. The loop never waits for it.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "firmware/base/loop.h"

namespace fedge::control {

class Explainer {
 public:
  // The child's output, or why there is none. An error of the child's own (it does not
  // understand the question) has "query string" as its place.
  using Done = std::function<void(Result<std::string>)>;

  // `program`: path of fedge-signal.
  Explainer(Loop& loop, std::string program);
  ~Explainer();

  // Starts one with `arguments` behind the program's name. Fails at once when too many run.
  Status run(const std::vector<std::string>& arguments, Done done);
  size_t running() const { return children_.size(); }

  static constexpr size_t kMost = 4;
  static constexpr Duration kTimeLimit = 5s;
  static constexpr size_t kMostOutput = 1u << 20;

 private:
  class Child;
  void finish(Child& child, Result<std::string> result);
  Loop& loop_;
  std::string program_;
  std::list<std::unique_ptr<Child>> children_;
};

}  // namespace fedge::control
