// The few words of SIP the load generator speaks, on its own and not with the product's codec.
#pragma once

#include <strings.h>

#include <string>
#include <string_view>
#include <vector>

namespace load {

// Calls back with each header line of a head, without its CRLF.
template <class Callback>
void for_each_header(std::string_view message, Callback callback) {
  size_t at = message.find("\r\n") + 2;
  for (;;) {
    const size_t end = message.find("\r\n", at);
    if (end == message.npos || end == at) return;
    callback(message.substr(at, end - at));
    at = end + 2;
  }
}

inline bool names(std::string_view line, std::string_view name) {
  return line.size() > name.size() && line[name.size()] == ':' &&
         strncasecmp(line.data(), name.data(), name.size()) == 0;
}

inline std::string_view value_of(std::string_view line) {
  line.remove_prefix(line.find(':') + 1);
  while (!line.empty() && line.front() == ' ') line.remove_prefix(1);
  return line;
}

inline std::string_view find_header(std::string_view message, std::string_view name) {
  std::string_view found;
  for_each_header(message, [&](std::string_view line) {
    if (found.empty() && names(line, name)) found = value_of(line);
  });
  return found;
}

// What a server answers, into `out`.
inline void append_response(std::string& out, std::string_view request, std::string_view status,
                            std::string_view contact) {
  (out += "SIP/2.0 ") += status;
  out += "\r\n";
  for_each_header(request, [&](std::string_view line) {
    const bool to = names(line, "To");
    if (!to && !names(line, "Via") && !names(line, "From") && !names(line, "Call-ID") &&
        !names(line, "CSeq") && (contact.empty() || !names(line, "Record-Route")))
      return;
    out += line;
    if (to && line.find(";tag=") == line.npos) out += ";tag=server";
    out += "\r\n";
  });
  if (!contact.empty()) ((out += "Contact: ") += contact) += "\r\n";
  out += "Content-Length: 0\r\n\r\n";
}

// What a dialog's client needs from the answer to its INVITE.
struct Dialog {
  std::string target, to, routes;

  explicit Dialog(std::string_view answer) {
    std::vector<std::string_view> recorded;
    for_each_header(answer, [&](std::string_view line) {
      if (names(line, "To")) to = value_of(line);
      if (names(line, "Record-Route")) recorded.push_back(value_of(line));
      if (names(line, "Contact")) {
        const size_t open = line.find('<');
        const size_t close = line.find('>');
        if (open < close && close != line.npos) target = line.substr(open + 1, close - open - 1);
      }
    });
    // The route set is the recorded one read backwards, values of one line included.
    for (size_t i = recorded.size(); i-- > 0;) {
      std::string_view list = recorded[i];
      for (;;) {
        const size_t comma = list.rfind(',');
        std::string_view value = comma == list.npos ? list : list.substr(comma + 1);
        while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
        ((routes += "Route: ") += value) += "\r\n";
        if (comma == list.npos) break;
        list = list.substr(0, comma);
      }
    }
  }
};

}  // namespace load
