// Requests as clients write them.
#pragma once

#include <string>
#include <string_view>

namespace fedge::mras::test {

inline const std::string kHead =
    "<request requestID=\"1804289383\" from=\"sip:alice@example.com\" version=\"1.0\" "
    "to=\"sip:edge.example.com@example.com;gruu;opaque=srvr:MRAS:0WH6nNjeGkqzKxQJ1MuMUQAA\" "
    "xmlns=\"http://schemas.microsoft.com/2006/09/sip/mrasp\" "
    "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">";

inline const std::string kRequest =
    kHead +
    "<credentialsRequest credentialsRequestID=\"846930886\">"
    "<identity>sip:alice@example.com</identity><location>internet</location>"
    "<duration>480</duration></credentialsRequest></request>";

// The first occurrence of one text replaced by another, which must be there.
inline std::string replaced(std::string text, std::string_view old, std::string_view other) {
  return text.replace(text.find(old), old.size(), other);
}

// For so many credentials, whose ids count from 0.
inline std::string request_of(size_t count) {
  std::string text = kHead;
  for (size_t i = 0; i < count; ++i)
    text += "<credentialsRequest credentialsRequestID=\"" + std::to_string(i) +
            "\"><identity>sip:a@b</identity></credentialsRequest>";
  return text + "</request>";
}

}  // namespace fedge::mras::test
