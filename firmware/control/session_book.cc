#include "firmware/control/session_book.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

namespace fedge::control {

using media::PeerRecord;
using media::SessionDetails;
using media::SessionKind;
using media::SessionRecord;

namespace {

constexpr uint32_t kMostCapacity = 1u << 24;  // beyond what any box has: a damaged header
constexpr uint32_t kChunk = 1024;             // records read at once

bool read_at(int fd, uint64_t at, void* out, size_t size) {
  return ::pread(fd, out, size, static_cast<off_t>(at)) == static_cast<ssize_t>(size);
}

bool is_session(const SessionRecord& record) {
  return record.kind > SessionKind::free && record.kind <= SessionKind::anchor &&
         record.transport <= media::ClientTransport::tls;
}

// Numbers with dots between them, as many as `out` has.
template <size_t N>
bool parse_numbers(std::string_view text, std::array<uint32_t, N>& out) {
  const char* at = text.data();
  const char* const end = at + text.size();
  for (size_t i = 0; i < N; ++i) {
    if (i > 0 && (at == end || *at++ != '.')) return false;
    const auto [next, error] = std::from_chars(at, end, out[i]);
    if (error != std::errc{}) return false;
    at = next;
  }
  return at == end && out[0] <= 0xffff;
}

}  // namespace

std::optional<SessionName> SessionName::parse(std::string_view text) {
  std::array<uint32_t, 3> n{};
  if (!parse_numbers(text, n)) return std::nullopt;
  return SessionName{static_cast<uint16_t>(n[0]), {n[1], n[2]}};
}
std::string SessionName::text() const {
  return fmt::format("{}.{}.{}", worker, id.index, id.generation);
}

std::optional<SessionCursor> SessionCursor::parse(std::string_view text) {
  std::array<uint32_t, 2> n{};
  if (!parse_numbers(text, n)) return std::nullopt;
  return SessionCursor{static_cast<uint16_t>(n[0]), n[1]};
}
std::string SessionCursor::text() const { return fmt::format("{}.{}", worker, index); }

void SessionBook::take_memory(uint16_t worker, uint16_t workers, Fd memory) {
  if (worker >= workers) return;
  memories_.resize(workers);
  memories_[worker] = std::move(memory);
}

std::optional<SessionBook::View> SessionBook::view(uint16_t worker) const {
  if (worker >= memories_.size() || !memories_[worker]) return std::nullopt;
  const int fd = memories_[worker].get();
  media::MemoryHeader header;
  struct stat state{};
  if (::fstat(fd, &state) != 0 || !read_at(fd, 0, &header, sizeof header)) return std::nullopt;
  const auto layout = media::Layout::of(header.capacity, header.peers);
  if (header.magic != media::MemoryHeader::kMagic ||
      header.format != media::MemoryHeader::kFormat || header.worker != worker ||
      header.capacity > kMostCapacity || header.peers > kMostCapacity * 8 ||
      static_cast<uint64_t>(state.st_size) < layout.size) {
    return std::nullopt;
  }
  return View{fd, std::min(header.session_mark, header.capacity),
              std::min(header.peer_mark, header.peers), layout};
}

// Calls f(index, record) for records in use until it says false.
template <class F>
void SessionBook::each_record(const View& view, uint32_t from, F&& f) {
  const auto chunk = std::make_unique<SessionRecord[]>(kChunk);
  for (uint32_t at = from; at < view.mark; at += kChunk) {
    const uint32_t count = std::min(kChunk, view.mark - at);
    const uint64_t place = view.layout.records + uint64_t{at} * sizeof(SessionRecord);
    if (!read_at(view.fd, place, chunk.get(), count * sizeof(SessionRecord))) return;
    for (uint32_t i = 0; i < count; ++i) {
      if (is_session(chunk[i]) && !f(at + i, chunk[i])) return;
    }
  }
}

// False when the record is another session's by now.
bool SessionBook::read_details(const View& view, SessionCopy& session) {
  const uint64_t index = session.name.id.index;
  SessionRecord again;
  return read_at(view.fd, view.layout.details + index * sizeof(SessionDetails), &session.details,
                 sizeof(SessionDetails)) &&
         read_at(view.fd, view.layout.records + index * sizeof(SessionRecord), &again,
                 sizeof again) &&
         again.generation == session.record.generation && again.kind == session.record.kind;
}

std::optional<SessionCopy> SessionBook::find(const SessionName& name) const {
  const auto at = view(name.worker);
  if (!at || name.id.index >= at->mark) return std::nullopt;
  SessionCopy out;
  out.name = name;
  const uint64_t place = at->layout.records + uint64_t{name.id.index} * sizeof(SessionRecord);
  if (!read_at(at->fd, place, &out.record, sizeof out.record) || !is_session(out.record) ||
      out.record.generation != name.id.generation || !read_details(*at, out)) {
    return std::nullopt;
  }
  return out;
}

std::vector<PeerRecord> SessionBook::peers(const SessionCopy& session, size_t most) const {
  std::vector<PeerRecord> out;
  const auto at = view(session.name.worker);
  if (!at || session.record.kind == SessionKind::anchor) return out;
  for (uint32_t i = session.record.first_peer; i < at->peer_mark && out.size() < most;
       i = out.back().next) {
    PeerRecord peer;
    const uint64_t place = at->layout.peers + uint64_t{i} * sizeof(PeerRecord);
    if (!read_at(at->fd, place, &peer, sizeof peer)) break;
    out.push_back(peer);
  }
  return out;
}

std::optional<SessionCursor> SessionBook::each(SessionCursor from, const WantsRecord& wants_record,
                                               const Visit& visit) const {
  std::optional<SessionCursor> next;
  uint32_t read = 0;
  for (uint16_t worker = from.worker; worker < memories_.size() && !next; ++worker) {
    const auto at = view(worker);
    if (!at) continue;
    const uint32_t first = worker == from.worker ? from.index : 0;
    each_record(*at, first, [&](uint32_t index, const SessionRecord& record) {
      if (!wants_record(record)) return true;
      if (read++ == kMostDetails) {
        next = SessionCursor{worker, index};
        return false;
      }
      SessionCopy copy;
      copy.name = {worker, {index, record.generation}};
      copy.record = record;
      if (!read_details(*at, copy) || visit(copy)) return true;
      next = SessionCursor{worker, index};
      return false;
    });
  }
  return next;
}

SessionTotals SessionBook::totals() const {
  SessionTotals out;
  for (uint16_t worker = 0; worker < memories_.size(); ++worker) {
    const auto at = view(worker);
    if (!at) continue;
    each_record(*at, 0, [&](uint32_t, const SessionRecord& record) {
      ++out.sessions[static_cast<size_t>(record.kind)];
      for (const media::Traffic& way : record.traffic) {
        out.relayed.packets += way.packets;
        out.relayed.bytes += way.bytes;
      }
      return true;
    });
  }
  return out;
}

}  // namespace fedge::control
