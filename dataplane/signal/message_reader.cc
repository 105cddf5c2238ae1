#include "dataplane/signal/message_reader.h"

#include <algorithm>
#include <cstring>

#include "firmware/snapshot/sections.h"
#include "firmware/wire/sip/constants.h"

namespace fedge::signal {

namespace {

using snapshot::Signalling;

constexpr uint32_t kSmall = 4096 - sizeof(Buffer);
constexpr uint32_t kRead = 64 * 1024;
// A large buffer has room for a whole TLS record behind the largest message.
constexpr uint32_t kBehind = 20 * 1024;

}  // namespace

// Address space for the largest limits there are; memory goes by those in force.
MessageReader::MessageReader(size_t memory)
    : memory_(memory),
      small_(kSmall, Signalling::kMostConnections * 2),
      large_(Signalling::kMostMessage + kBehind, static_cast<uint32_t>(memory / kBehind)),
      shared_(kRead + kSmall) {}

void MessageReader::allow(uint32_t most_message, uint32_t most_connections) {
  most_message_ = std::min(most_message, Signalling::kMostMessage);
  small_.allow(most_connections * 2);
  const size_t large = memory_ / (most_message_ + kBehind);
  large_.allow(static_cast<uint32_t>(std::max<size_t>(large, 4)));
  shared_.resize(std::max<size_t>(shared_.size(), size_t{most_message_} + kSmall));
}

MutableBytes MessageReader::room(Connection& connection) {
  if (connection.partial == nullptr) return shared_;
  if (connection.partial_is_large) return connection.partial->room();
  const Bytes kept = connection.partial->filled();
  std::memcpy(shared_.data(), kept.data(), kept.size());
  return MutableBytes(shared_).subspan(kept.size());
}

MessageReader::Verdict MessageReader::take(Connection& connection, size_t n, Instant now,
                                           MessageEvents& events) {
  std::string_view text;
  if (connection.partial_is_large) {
    connection.partial->end += static_cast<uint32_t>(n);
    text = as_text(connection.partial->filled());
  } else {
    const size_t kept = connection.partial == nullptr ? 0 : connection.partial->filled().size();
    text = as_text(Bytes(shared_).first(kept + n));
  }
  const size_t before = text.size();
  const Verdict verdict = frame(connection, text, events);
  if (verdict != Verdict::ok) return verdict;
  // The time for a message runs from its first octet.
  if (!connection.framer.inside_message()) {
    connection.partial_since = never;
  } else if (connection.partial_since == never || text.size() < before) {
    connection.partial_since = now;
  }
  return keep(connection, text) ? Verdict::ok : Verdict::no_memory;
}

MessageReader::Verdict MessageReader::frame(Connection& connection, std::string_view& text,
                                            MessageEvents& events) {
  for (;;) {
    if (text.empty()) return Verdict::ok;
    const sip::Frame frame = connection.framer.next(text);
    const std::string_view cut = text.substr(0, frame.size);
    switch (frame.kind) {
      case sip::Frame::Kind::need_more:
        return Verdict::ok;
      case sip::Frame::Kind::message: {
        const sip::Defect defect = sip::parse(cut, message_, events.parse_events());
        if (defect == sip::Defect::none) {
          events.on_message(connection, message_);
        } else {
          events.on_malformed(connection, message_, defect);
        }
        break;
      }
      case sip::Frame::Kind::ping:
        events.on_ping(connection);
        break;
      case sip::Frame::Kind::bad:
        if (frame.size != 0) {
          sip::parse(cut, message_);
          events.on_malformed(connection, message_, frame.defect);
        }
        return Verdict::broken;
      case sip::Frame::Kind::oversized:
        sip::parse(cut, message_);
        events.on_malformed(connection, message_, frame.defect);
        break;
      case sip::Frame::Kind::pong:
      case sip::Frame::Kind::skip:
        break;
    }
    text.remove_prefix(frame.size);
  }
}

bool MessageReader::keep(Connection& connection, std::string_view rest) {
  Buffer* held = connection.partial;
  if (rest.empty()) {
    release(connection);
    return true;
  }
  const bool fits_small = rest.size() <= small_.capacity();
  if (held == nullptr || (connection.partial_is_large && fits_small) ||
      (!connection.partial_is_large && !fits_small)) {
    Buffer* fresh = fits_small ? small_.take() : large_.take();
    if (fresh == nullptr || rest.size() > fresh->capacity) {
      if (fresh != nullptr) (fits_small ? small_ : large_).give(fresh);
      return false;
    }
    std::memcpy(fresh->data(), rest.data(), rest.size());
    release(connection);
    connection.partial = fresh;
    connection.partial_is_large = !fits_small;
  } else {
    std::memmove(held->data(), rest.data(), rest.size());
  }
  connection.partial->begin = 0;
  connection.partial->end = static_cast<uint32_t>(rest.size());
  return true;
}

void MessageReader::release(Connection& connection) {
  if (connection.partial == nullptr) return;
  (connection.partial_is_large ? large_ : small_).give(connection.partial);
  connection.partial = nullptr;
  connection.partial_is_large = false;
}

}  // namespace fedge::signal
