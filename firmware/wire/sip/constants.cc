#include "firmware/wire/sip/constants.h"

#include <array>
#include <utility>

#include "firmware/wire/sip/scan.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {
namespace {

// In the order of HeaderId.
constexpr std::string_view kHeaderNames[] = {
    "Via",
    "From",
    "To",
    "Call-ID",
    "CSeq",
    "Max-Forwards",
    "Max-Breadth",
    "Route",
    "Record-Route",
    "Contact",
    "Content-Length",
    "Content-Type",
    "Require",
    "Proxy-Require",
    "Supported",
    "Unsupported",
    "Expires",
    "Event",
    "Allow",
    "User-Agent",
    "Retry-After",
    "Timestamp",
    "P-Asserted-Identity",
    "ms-edge-proxy-message-trust",
    "ms-diagnostics",
};
constexpr size_t kHeaderCount = std::size(kHeaderNames);
static_assert(kHeaderCount == size_t(HeaderId::other));

constexpr std::pair<std::string_view, HeaderId> kCompactForms[] = {
    {"v", HeaderId::via},          {"f", HeaderId::from},      {"t", HeaderId::to},
    {"i", HeaderId::call_id},      {"m", HeaderId::contact},   {"l", HeaderId::content_length},
    {"c", HeaderId::content_type}, {"k", HeaderId::supported}, {"o", HeaderId::event},
};

// In the order of Method.
constexpr std::string_view kMethodNames[] = {
    "INVITE", "ACK",    "BYE",   "CANCEL", "OPTIONS", "REGISTER", "MESSAGE",  "SUBSCRIBE", "NOTIFY",
    "INFO",   "UPDATE", "PRACK", "REFER",  "PUBLISH", "SERVICE",  "BENOTIFY", "NEGOTIATE",
};
static_assert(std::size(kMethodNames) == size_t(Method::other));

// A perfect hash over length, first and last octet, so that a name costs one comparison.
constexpr size_t kSlots = 256;
constexpr size_t slot_of(std::string_view name) {
  const auto first = static_cast<uint8_t>(name.front()) | 0x20u;
  const auto last = static_cast<uint8_t>(name.back()) | 0x20u;
  return (name.size() * 59 + first * 50 + last * 57) % kSlots;
}
struct Slot {
  std::string_view name;
  HeaderId id = HeaderId::other;
};
consteval std::array<Slot, kSlots> make_slots() {
  std::array<Slot, kSlots> slots{};
  for (size_t i = 0; i < kHeaderCount; ++i)
    slots[slot_of(kHeaderNames[i])] = {kHeaderNames[i], static_cast<HeaderId>(i)};
  for (const auto& [name, id] : kCompactForms) slots[slot_of(name)] = {name, id};
  return slots;
}
constexpr std::array<Slot, kSlots> kHeaderSlots = make_slots();

consteval size_t count_used_slots() {
  size_t used = 0;
  for (const Slot& slot : kHeaderSlots) used += slot.name.empty() ? 0 : 1;
  return used;
}
static_assert(count_used_slots() == kHeaderCount + std::size(kCompactForms),
              "two names share a slot: change slot_of()");

struct Reason {
  uint16_t status;
  std::string_view text;
};
constexpr Reason kReasons[] = {
    {100, "Trying"},
    {180, "Ringing"},
    {181, "Call Is Being Forwarded"},
    {182, "Queued"},
    {183, "Session Progress"},
    {200, "OK"},
    {202, "Accepted"},
    {204, "No Notification"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Moved Temporarily"},
    {305, "Use Proxy"},
    {380, "Alternative Service"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {410, "Gone"},
    {413, "Request Entity Too Large"},
    {414, "Request-URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Unsupported URI Scheme"},
    {420, "Bad Extension"},
    {421, "Extension Required"},
    {423, "Interval Too Brief"},
    {430, "Flow Failed"},
    {440, "Max-Breadth Exceeded"},
    {480, "Temporarily Unavailable"},
    {481, "Call/Transaction Does Not Exist"},
    {482, "Loop Detected"},
    {483, "Too Many Hops"},
    {484, "Address Incomplete"},
    {485, "Ambiguous"},
    {486, "Busy Here"},
    {487, "Request Terminated"},
    {488, "Not Acceptable Here"},
    {489, "Bad Event"},
    {491, "Request Pending"},
    {493, "Undecipherable"},
    {500, "Server Internal Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Server Time-out"},
    {505, "Version Not Supported"},
    {513, "Message Too Large"},
    {600, "Busy Everywhere"},
    {603, "Decline"},
    {604, "Does Not Exist Anywhere"},
    {606, "Not Acceptable"},
};

}  // namespace

std::string_view name_of(HeaderId id) {
  return id < HeaderId::other ? kHeaderNames[size_t(id)] : std::string_view();
}

HeaderId header_id_of(std::string_view name) {
  if (name.empty()) return HeaderId::other;
  const Slot& slot = kHeaderSlots[slot_of(name)];
  return equal_ignoring_case(slot.name, name) ? slot.id : HeaderId::other;
}

std::string_view name_of(Method method) {
  return method < Method::other ? kMethodNames[size_t(method)] : std::string_view();
}

Method method_of(std::string_view text) {
  for (size_t i = 0; i < std::size(kMethodNames); ++i)
    if (kMethodNames[i] == text) return static_cast<Method>(i);
  return Method::other;
}

std::string_view reason_of(uint16_t status) {
  for (const Reason& reason : kReasons)
    if (reason.status == status) return reason.text;
  return "Unknown";
}

}  // namespace fedge::sip
