// How the control path reports failure: what went wrong, where, and what to do next.
#pragma once

#include <expected>
#include <string>
#include <utility>

namespace fedge {

// An error for a person. `where` is a JSON path, a file name or a process; `what` says what was
// found; `remedy` says the next step. `where` and `remedy` may be empty.
struct Error {
  std::string where;
  std::string what;
  std::string remedy;

  // "where: what (remedy)", on one line.
  std::string text() const;
};

template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

inline std::unexpected<Error> fail(std::string where, std::string what, std::string remedy = {}) {
  return std::unexpected(Error{std::move(where), std::move(what), std::move(remedy)});
}

// The same with the text of `errno` appended to `what`.
std::unexpected<Error> fail_errno(std::string where, std::string what, std::string remedy = {});

}  // namespace fedge
