#include "dataplane/media/front_ring.h"

#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace fedge::media {

namespace {

constexpr size_t kCapacity = FrontRingMemory::kCapacity;
static_assert(std::atomic<uint64_t>::is_always_lock_free);

// In front of each record. Records begin at multiples of eight, so this never runs over the end.
struct Prefix {
  uint32_t size;  // of head and octets
  FrontKind kind;
  uint8_t reserved[3];
};
static_assert(sizeof(Prefix) == 8);

constexpr size_t round_up(size_t n) { return (n + 7) & ~size_t{7}; }

constexpr std::array<uint8_t, kFrontKinds> kHeadSizes{
    sizeof(FrontMessage), sizeof(FrontClosed), sizeof(FrontAlive),  sizeof(FrontAllAlive),
    sizeof(TcpConnected), sizeof(TcpFailed),   sizeof(TcpIncoming), sizeof(TcpClosed),
    sizeof(TcpThere),     sizeof(FrontReply),  sizeof(FrontClose),  sizeof(TcpListen),
    sizeof(TcpUnlisten),  sizeof(TcpConnect),  sizeof(TcpBind),     sizeof(TcpDrop),
    sizeof(TcpAccept),    sizeof(TcpSend),     sizeof(TcpActive),   sizeof(TcpReview)};

}  // namespace

void FrontWriter::copy_in(uint64_t at, Bytes bytes) {
  const size_t from = at & (kCapacity - 1);
  const size_t first = std::min(bytes.size(), kCapacity - from);
  if (first != 0) std::memcpy(data_ + from, bytes.data(), first);
  if (first != bytes.size()) std::memcpy(data_, &bytes[first], bytes.size() - first);
}

bool FrontWriter::has_room(size_t wanted) {
  if (kCapacity - (tail_ - known_head_) >= wanted) return true;
  const uint64_t head = ring_->head.load(std::memory_order_acquire);
  // It only moves forward, and never past what was written.
  if (head - known_head_ > tail_ - known_head_) {
    broken_ = true;
    return false;
  }
  known_head_ = head;
  return kCapacity - (tail_ - known_head_) >= wanted;
}

bool FrontWriter::push(FrontKind kind, Bytes head, Bytes octets) {
  const size_t size = head.size() + octets.size();
  if (broken_ || octets.size() > kMostFrontMessage) return false;
  if (!has_room(sizeof(Prefix) + round_up(size))) return false;
  const Prefix prefix{static_cast<uint32_t>(size), kind, {}};
  copy_in(tail_, {reinterpret_cast<const std::byte*>(&prefix), sizeof prefix});
  copy_in(tail_ + sizeof prefix, head);
  copy_in(tail_ + sizeof prefix + head.size(), octets);
  tail_ += sizeof prefix + round_up(size);
  ring_->tail.store(tail_, std::memory_order_release);
  pushed_ = true;
  return true;
}

// Whoever exchanges second sees what the other did before: the reader the record, or the writer
// that the reader sleeps.
void FrontWriter::wake() {
  if (!pushed_) return;
  pushed_ = false;
  if (ring_->asleep.exchange(0, std::memory_order_acq_rel) == 0) return;
  const uint64_t one = 1;
  (void)!::write(wakes_, &one, sizeof one);
}

void FrontReader::copy_out(uint64_t at, MutableBytes into) const {
  const size_t from = at & (kCapacity - 1);
  const size_t first = std::min(into.size(), kCapacity - from);
  if (first != 0) std::memcpy(into.data(), data_ + from, first);
  if (first != into.size()) std::memcpy(&into[first], data_, into.size() - first);
}

// Whether there is anything before the writer's tail.
bool FrontReader::look() {
  if (broken_) return false;
  if (head_ != known_tail_) return true;
  const uint64_t tail = ring_->tail.load(std::memory_order_acquire);
  if (tail - head_ > kCapacity || tail % sizeof(Prefix) != 0) {
    broken_ = true;
    return false;
  }
  known_tail_ = tail;
  return head_ != tail;
}

bool FrontReader::pop(FrontRecord& out, MutableBytes into) {
  if (!look()) return false;
  Prefix prefix;
  copy_out(head_, {reinterpret_cast<std::byte*>(&prefix), sizeof prefix});
  const bool is_known =
      static_cast<int>(prefix.kind) < kFrontKinds && is_for_worker(prefix.kind) == for_worker_;
  const size_t head = is_known ? kHeadSizes[static_cast<size_t>(prefix.kind)] : 0;
  if (!is_known || prefix.size < head || prefix.size - head > kMostFrontMessage ||
      sizeof prefix + round_up(prefix.size) > known_tail_ - head_) {
    broken_ = true;
    return false;
  }
  out.kind = prefix.kind;
  out.size = static_cast<uint32_t>(prefix.size - head);
  copy_out(head_ + sizeof prefix, MutableBytes(out.head).first(head));
  copy_out(head_ + sizeof prefix + head, into.first(std::min<size_t>(into.size(), out.size)));
  head_ += sizeof prefix + round_up(prefix.size);
  ring_->head.store(head_, std::memory_order_release);
  return true;
}

bool FrontReader::may_sleep() {
  if (broken_) return true;
  ring_->asleep.exchange(1, std::memory_order_acq_rel);
  if (!look()) return true;
  ring_->asleep.exchange(0, std::memory_order_acq_rel);
  return false;
}

void FrontReader::on_woken() {
  ring_->asleep.store(0, std::memory_order_relaxed);
  uint64_t count;
  (void)!::read(woken_by_, &count, sizeof count);
}

Result<FrontRing> FrontRing::make(uint16_t worker) {
  const std::string name = "front-ring-" + std::to_string(worker);
  FrontRing ring;
  auto memory = make_shared_memfd(name, sizeof(FrontRingMemory));
  if (!memory) return std::unexpected(memory.error());
  ring.memory_ = std::move(*memory);
  ring.wakes_worker_ = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  ring.wakes_front_ = Fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!ring.wakes_worker_ || !ring.wakes_front_) return fail_errno(name, "cannot make an eventfd");
  if (auto done = ring.map(true); !done) return std::unexpected(done.error());
  return ring;
}

Result<FrontRing> FrontRing::attach(Fd memory, Fd wakes_worker, Fd wakes_front) {
  FrontRing ring;
  ring.memory_ = std::move(memory);
  ring.wakes_worker_ = std::move(wakes_worker);
  ring.wakes_front_ = std::move(wakes_front);
  if (!ring.wakes_worker_ || !ring.wakes_front_) return fail("front ring", "came without eventfds");
  if (auto done = ring.map(false); !done) return std::unexpected(done.error());
  return ring;
}

Status FrontRing::map(bool is_front) {
  is_front_ = is_front;
  struct stat st{};
  // A size that could shrink would kill whoever reads behind the end.
  if (::fstat(memory_.get(), &st) != 0 || st.st_size != sizeof(FrontRingMemory) ||
      !is_size_sealed(memory_.get())) {
    return fail("front ring", "its memory has not the fixed size that it must have");
  }
  auto mapping = Mapping::read_write(memory_.get());
  if (!mapping) return std::unexpected(mapping.error());
  mapping_ = std::move(*mapping);
  FrontRingMemory& memory = shared();
  if (is_front) {
    memory.magic = FrontRingMemory::kMagic;
    out_ = FrontWriter(memory.to_worker, memory.for_worker, wakes_worker_.get());
    in_ = FrontReader(memory.to_front, memory.for_front, wakes_front_.get(), false);
    return {};
  }
  if (memory.magic != FrontRingMemory::kMagic) {
    return fail("front ring", "its memory is of another version");
  }
  out_ = FrontWriter(memory.to_front, memory.for_front, wakes_front_.get());
  in_ = FrontReader(memory.to_worker, memory.for_worker, wakes_worker_.get(), true);
  return {};
}

}  // namespace fedge::media
