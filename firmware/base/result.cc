#include "firmware/base/result.h"

#include <cerrno>
#include <cstring>

namespace fedge {

std::string Error::text() const {
  std::string out = where;
  if (!out.empty()) out += ": ";
  out += what;
  if (!remedy.empty()) out += " (" + remedy + ")";
  return out;
}

std::unexpected<Error> fail_errno(std::string where, std::string what, std::string remedy) {
  const int code = errno;
  what += ": ";
  what += std::strerror(code);
  return fail(std::move(where), std::move(what), std::move(remedy));
}

}  // namespace fedge
