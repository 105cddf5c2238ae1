#include "firmware/wire/dns/answer.h"

#include <algorithm>

namespace fedge::dns {

namespace {

using Records = std::vector<Record>;

// The name that is the whole of a record's data, or its data from `skip` on.
std::optional<Name> read_target(Bytes message, const Record& record, size_t skip = 0) {
  const size_t end = record.data_at + record.data_size;
  size_t at = record.data_at + skip;
  if (record.data_size <= skip) return std::nullopt;
  // Cut there: a name may not run over its record's end.
  auto name = Name::read(message.first(end), at);
  if (!name || at != end) return std::nullopt;
  return name;
}

bool is_about(const Record& record, const Name& name, Type type) {
  return record.section == Section::answer && record.record_class == kClassInternet &&
         record.type == type && record.owner == name;
}

template <class T>
void add_once(std::vector<T>& list, T value) {
  if (list.size() < kMostRecords && std::ranges::find(list, value) == list.end())
    list.push_back(std::move(value));
}

bool add_address(Bytes message, const Record& record, Answer& answer) {
  const size_t size = record.type == Type::a ? 4 : 16;
  if (record.data_size != size) return false;
  IpAddress address;
  address.family = record.type == Type::a ? 4 : 6;
  std::memcpy(address.octets.data(), &message[record.data_at], size);
  add_once(answer.addresses, address);
  return true;
}

bool add_service(Bytes message, const Record& record, Answer& answer) {
  auto target = read_target(message, record, 6);
  if (!target) return false;
  const std::byte* data = &message[record.data_at];
  add_once(answer.services,
           Service{load_be16(data), load_be16(data + 2), load_be16(data + 4), std::move(*target)});
  return true;
}

bool add_record(Bytes message, const Record& record, Answer& answer) {
  switch (record.type) {
    case Type::a:
    case Type::aaaa:
      return add_address(message, record, answer);
    case Type::srv:
      return add_service(message, record, answer);
    default: {
      auto name = read_target(message, record);
      if (name) add_once(answer.names, std::move(*name));
      return name.has_value();
    }
  }
}

enum class Chain : uint8_t { followed, endless, malformed };

// Follows CNAMEs from the question to answer.name, in whatever order they stand.
Chain follow_aliases(Bytes message, const Records& records, Answer& answer) {
  for (unsigned hops = 0;; ++hops) {
    const auto alias = std::ranges::find_if(
        records, [&](const Record& r) { return is_about(r, answer.name, Type::cname); });
    if (alias == records.end()) return Chain::followed;
    if (hops == kMostAliases) return Chain::endless;
    auto target = read_target(message, *alias);
    if (!target) return Chain::malformed;
    answer.ttl = std::min(answer.ttl, alias->ttl);
    answer.name = std::move(*target);
  }
}

enum class Denial : uint8_t { none, proven, malformed };

// The SOA that says for how long there is nothing (RFC 2308 section 3).
Denial read_denial(Bytes message, const Records& records, Answer& answer) {
  for (const Record& record : records) {
    if (record.section != Section::authority || record.type != Type::soa) continue;
    if (!answer.name.is_within(record.owner)) continue;
    const size_t end = record.data_at + record.data_size;
    size_t at = record.data_at;
    const Bytes cut = message.first(end);
    if (!Name::read(cut, at) || !Name::read(cut, at) || end - at != 20) return Denial::malformed;
    const uint32_t minimum = load_be32(&message[end - 4]);
    answer.ttl = std::min({answer.ttl, record.ttl, minimum > 0x7fffffffu ? 0 : minimum});
    return Denial::proven;
  }
  return Denial::none;
}

bool has_referral(const Records& records) {
  return std::ranges::any_of(records, [](const Record& r) {
    return r.section == Section::authority && r.type == Type::ns;
  });
}

// The four bits of the header and the eight of OPT (RFC 6891 section 6.1.3).
std::optional<Rcode> read_rcode(const Records& records, const Envelope& envelope) {
  auto rcode = static_cast<unsigned>(envelope.rcode);
  bool seen = false;
  for (const Record& record : records) {
    if (record.type != Type::opt) continue;
    if (seen || record.section != Section::additional || !record.owner.is_root())
      return std::nullopt;
    seen = true;
    rcode |= record.ttl >> 24 << 4;
  }
  return static_cast<Rcode>(rcode);
}

}  // namespace

std::optional<Answer> read_answer(Bytes message, const Envelope& envelope) {
  const auto records = read_records(message, envelope);
  if (!records) return std::nullopt;
  const auto rcode = read_rcode(*records, envelope);
  if (!rcode) return std::nullopt;
  Answer answer;
  answer.rcode = *rcode;
  if (*rcode != Rcode::no_error && *rcode != Rcode::name_error) return answer;
  if (!envelope.question) return std::nullopt;
  const Question& question = *envelope.question;
  answer.name = question.name;
  answer.ttl = 0x7fffffff;
  if (question.type != Type::cname) {
    const Chain chain = follow_aliases(message, *records, answer);
    if (chain == Chain::malformed) return std::nullopt;
    if (chain == Chain::endless) return answer;
  }
  if (*rcode == Rcode::no_error) {
    for (const Record& record : *records) {
      if (!is_about(record, answer.name, question.type)) continue;
      if (!add_record(message, record, answer)) return std::nullopt;
      answer.ttl = std::min(answer.ttl, record.ttl);
      answer.outcome = Outcome::found;
    }
    if (answer.outcome == Outcome::found) return answer;
  }
  const Denial denial = read_denial(message, *records, answer);
  if (denial == Denial::malformed) return std::nullopt;
  if (*rcode == Rcode::name_error) {
    answer.outcome = Outcome::no_name;
  } else if (denial == Denial::none && answer.name != question.name) {
    answer.outcome = Outcome::alias;
    return answer;
  } else if (denial == Denial::none && !envelope.is_authoritative && has_referral(*records)) {
    return answer;  // sent elsewhere: not a recursive server
  } else {
    answer.outcome = Outcome::no_data;
  }
  if (denial == Denial::none) answer.ttl = 0;
  return answer;
}

}  // namespace fedge::dns
