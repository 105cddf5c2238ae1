// DNS messages (RFC 1035 section 4): queries out, and what an answer is an answer to.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "firmware/base/bytes.h"
#include "firmware/wire/dns/constants.h"
#include "firmware/wire/dns/name.h"

namespace fedge::dns {

// Always in class IN.
struct Question {
  Name name;
  Type type = Type::a;
  friend bool operator==(const Question&, const Question&) = default;
};

// A recursive query; with EDNS0 it says that we take kUdpPayload octets (RFC 6891).
std::vector<std::byte> build_query(const Question& question, uint16_t id, bool with_edns);

// The header and the question of a message: what a response is matched by.
struct Envelope {
  uint16_t id = 0;
  bool is_response = false;
  uint8_t opcode = 0;
  bool is_authoritative = false;
  bool is_truncated = false;
  Rcode rcode = Rcode::no_error;      // the header's four bits
  std::array<uint16_t, 3> records{};  // answer, authority, additional
  std::optional<Question> question;   // some servers leave it out of an error
  size_t records_at = 0;
};

// Nothing when the header or the question cannot be read, or when there are several questions.
std::optional<Envelope> read_envelope(Bytes message);

enum class Section : uint8_t { answer, authority, additional };

struct Record {
  Section section = Section::answer;
  Name owner;
  Type type = Type::a;
  uint16_t record_class = 0;
  uint32_t ttl = 0;  // seconds; for OPT its flags
  size_t data_at = 0;
  uint16_t data_size = 0;
};

// Every record of the message, or nothing when one runs over its end. Data is not looked into.
std::optional<std::vector<Record>> read_records(Bytes message, const Envelope& envelope);

}  // namespace fedge::dns

template <>
struct std::hash<fedge::dns::Question> {
  size_t operator()(const fedge::dns::Question& question) const {
    return std::hash<fedge::dns::Name>{}(question.name) ^
           (static_cast<size_t>(question.type) * 0x9e3779b97f4a7c15u);
  }
};
