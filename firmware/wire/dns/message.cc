#include "firmware/wire/dns/message.h"

namespace fedge::dns {

namespace {

constexpr uint16_t kResponse = 0x8000;
constexpr uint16_t kAuthoritative = 0x0400;
constexpr uint16_t kTruncated = 0x0200;
constexpr uint16_t kRecursionDesired = 0x0100;

class Writer {
 public:
  void put(std::string_view text) {
    const Bytes bytes = as_bytes(text);
    out_.insert(out_.end(), bytes.begin(), bytes.end());
  }
  void put16(uint16_t value) {
    out_.push_back(static_cast<std::byte>(value >> 8));
    out_.push_back(static_cast<std::byte>(value & 0xff));
  }
  std::vector<std::byte> take() { return std::move(out_); }

 private:
  std::vector<std::byte> out_;
};

}  // namespace

std::vector<std::byte> build_query(const Question& question, uint16_t id, bool with_edns) {
  Writer writer;
  writer.put16(id);
  writer.put16(kRecursionDesired);
  writer.put16(1);
  writer.put16(0);
  writer.put16(0);
  writer.put16(with_edns ? 1 : 0);
  writer.put(question.name.wire());
  writer.put16(static_cast<uint16_t>(question.type));
  writer.put16(kClassInternet);
  if (with_edns) {
    writer.put(std::string_view("\0", 1));  // owner: the root
    writer.put16(static_cast<uint16_t>(Type::opt));
    writer.put16(kUdpPayload);
    writer.put16(0);  // extended rcode and version
    writer.put16(0);  // flags
    writer.put16(0);  // no options
  }
  return writer.take();
}

std::optional<Envelope> read_envelope(Bytes message) {
  if (message.size() < kHeaderSize) return std::nullopt;
  Envelope envelope;
  envelope.id = load_be16(message.data());
  const uint16_t flags = load_be16(&message[2]);
  envelope.is_response = (flags & kResponse) != 0;
  envelope.opcode = (flags >> 11) & 15;
  envelope.is_authoritative = (flags & kAuthoritative) != 0;
  envelope.is_truncated = (flags & kTruncated) != 0;
  envelope.rcode = static_cast<Rcode>(flags & 15);
  const uint16_t questions = load_be16(&message[4]);
  for (size_t i = 0; i < 3; ++i) envelope.records[i] = load_be16(&message[6 + 2 * i]);
  if (questions > 1) return std::nullopt;
  size_t at = kHeaderSize;
  if (questions == 1) {
    auto name = Name::read(message, at);
    if (!name || message.size() - at < 4) return std::nullopt;
    if (load_be16(&message[at + 2]) != kClassInternet) return std::nullopt;
    envelope.question = Question{std::move(*name), static_cast<Type>(load_be16(&message[at]))};
    at += 4;
  }
  envelope.records_at = at;
  return envelope;
}

std::optional<std::vector<Record>> read_records(Bytes message, const Envelope& envelope) {
  std::vector<Record> records;
  size_t at = envelope.records_at;
  for (size_t section = 0; section < envelope.records.size(); ++section) {
    for (unsigned i = 0; i < envelope.records[section]; ++i) {
      auto owner = Name::read(message, at);
      if (!owner || message.size() - at < 10) return std::nullopt;
      Record record;
      record.section = static_cast<Section>(section);
      record.owner = std::move(*owner);
      record.type = static_cast<Type>(load_be16(&message[at]));
      record.record_class = load_be16(&message[at + 2]);
      record.ttl = load_be32(&message[at + 4]);
      record.data_size = load_be16(&message[at + 8]);
      record.data_at = at + 10;
      if (message.size() - record.data_at < record.data_size) return std::nullopt;
      // RFC 2181 section 8: the top bit set means zero.
      if (record.type != Type::opt && record.ttl > 0x7fffffffu) record.ttl = 0;
      at = record.data_at + record.data_size;
      records.push_back(std::move(record));
    }
  }
  return records;
}

}  // namespace fedge::dns
