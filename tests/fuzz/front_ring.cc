// The rings between front and a worker, with a neighbour that writes anything into the memory at
// any moment; and the streams of front's clients, cut anywhere.
#include <cstdlib>

#include "dataplane/front/client_stream.h"
#include "dataplane/media/front_ring.h"

namespace {

using namespace fedge;
using namespace fedge::media;

// Octets of the input, zeros behind its end.
class Script {
 public:
  explicit Script(Bytes octets) : octets_(octets) {}
  bool at_end() const { return at_ >= octets_.size(); }
  template <class T>
  T take() {
    T value{};
    const size_t size = std::min(sizeof value, octets_.size() - std::min(at_, octets_.size()));
    if (size != 0) std::memcpy(&value, &octets_[at_], size);
    at_ += sizeof value;
    return value;
  }

 private:
  Bytes octets_;
  size_t at_ = 0;
};

void require(bool holds) {
  if (!holds) std::abort();
}

struct Memory {
  Memory() : memory(static_cast<FrontRingMemory*>(std::aligned_alloc(64, sizeof *memory))) {
    std::memset(static_cast<void*>(memory), 0, sizeof *memory);
  }
  ~Memory() { std::free(memory); }
  FrontRingMemory* memory;
};

// What the other side may do to the memory.
void damage(FrontRingMemory& memory, Script& script) {
  const uint64_t value = script.take<uint64_t>();
  switch (script.take<uint8_t>() % 5) {
    case 0:
      memory.to_worker.tail = value;
      break;
    case 1:
      memory.to_worker.head = value;
      break;
    case 2:
      memory.to_worker.tail += value % 256 * 8;
      break;
    case 3:  // at the beginning, and where the end meets it
      std::memcpy(&memory.for_worker[value % 4096 & ~uint64_t{7}], &value, sizeof value);
      break;
    default:
      std::memcpy(&memory.for_worker[FrontRingMemory::kCapacity - 8 - (value % 64 & ~uint64_t{7})],
                  &value, sizeof value);
  }
}

void run_ring(Script& script) {
  static Memory shared;
  FrontRingMemory& memory = *shared.memory;
  memory.to_worker.tail = memory.to_worker.head = 0;
  FrontWriter writer(memory.to_worker, memory.for_worker, -1);
  FrontReader reader(memory.to_worker, memory.for_worker, -1, true);
  static std::array<std::byte, kMostFrontMessage> octets;
  for (int step = 0; step < 2000 && !script.at_end(); ++step) {
    const uint8_t what = script.take<uint8_t>();
    if (what < 100) {
      const size_t size = script.take<uint16_t>() % (octets.size() + 1);
      writer.push(FrontMessage{}, Bytes(octets).first(size));
    } else if (what < 200) {
      FrontRecord record;
      const size_t room = script.take<uint16_t>() % (octets.size() + 1);
      if (reader.pop(record, MutableBytes(octets).first(room))) {
        require(is_for_worker(record.kind) && record.size <= kMostFrontMessage);
      }
    } else {
      damage(memory, script);
    }
  }
}

void run_stream(Bytes octets, size_t step, bool inside_tls) {
  front::ClientStream stream(inside_tls);
  size_t at = 0;
  for (size_t there = 0; at < octets.size();) {
    there = std::min(octets.size(), there + step);
    const Bytes view = octets.subspan(at, there - at);
    const front::Piece piece = stream.take(view);
    using enum front::Piece::Kind;
    require(piece.size <= view.size());
    require(piece.kind != message || (piece.message.size() <= piece.size && piece.size != 0));
    if (piece.kind == bad || piece.kind == tls) return;
    if (piece.kind == need_more && piece.size == 0) {
      require(view.size() <= front::ClientStream::kMostPartial + step);
      if (there == octets.size()) return;
    }
    at += piece.size;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Bytes input{reinterpret_cast<const std::byte*>(data), size};
  Script script(input);
  const uint8_t mode = script.take<uint8_t>();
  if (mode % 2 == 0) {
    run_ring(script);
  } else if (size > 1) {
    run_stream(input.subspan(1), 1 + mode / 4, mode & 2);
  }
  return 0;
}
