// Media sessions as they lie in the fast path's memory (M6), for the operator. Nothing there is
// believed: it is copied out, never mapped, so that whatever the fast path does to its memory
// control goes on; a record that changed while it was read is passed over.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/base/fd.h"
#include "firmware/link/session_records.h"

namespace fedge::control {

// "WORKER.INDEX.GENERATION".
struct SessionName {
  uint16_t worker = 0;
  media::SessionId id;
  static std::optional<SessionName> parse(std::string_view text);
  std::string text() const;
};

// The record that a page begins with: "WORKER.INDEX".
struct SessionCursor {
  uint16_t worker = 0;
  uint32_t index = 0;
  static std::optional<SessionCursor> parse(std::string_view text);
  std::string text() const;
};

struct SessionCopy {
  SessionName name;
  media::SessionRecord record;
  media::SessionDetails details;
};

struct SessionTotals {
  uint64_t sessions[media::kSessionKinds] = {};  // by SessionKind
  media::Traffic relayed;                        // by the sessions of now, both ways
};

class SessionBook {
 public:
  // One worker's memory of `workers`, as init passes it: each at the start.
  void take_memory(uint16_t worker, uint16_t workers, Fd memory);
  bool has_memory() const { return !memories_.empty(); }

  // nullopt: there is none, or not any more.
  std::optional<SessionCopy> find(const SessionName& name) const;
  // A session's peers; the list of TURN's permissions and channels.
  std::vector<media::PeerRecord> peers(const SessionCopy& session, size_t most) const;

  // `wants_record` sees every record in use from the cursor on, and only where it says so the
  // details are read and `visit` is called; false from it: this one begins the next page. Gives
  // where that begins; nullopt: that was all.
  using WantsRecord = std::function<bool(const media::SessionRecord&)>;
  using Visit = std::function<bool(const SessionCopy&)>;
  std::optional<SessionCursor> each(SessionCursor from, const WantsRecord& wants_record,
                                    const Visit& visit) const;
  SessionTotals totals() const;

  // Details that one page reads at most: the loop has others to serve.
  static constexpr uint32_t kMostDetails = 50'000;

 private:
  struct View {  // of one memory: its header makes sense, and it is as large as it says
    int fd = -1;
    uint32_t mark = 0;
    uint32_t peer_mark = 0;
    media::Layout layout;
  };
  std::optional<View> view(uint16_t worker) const;
  static bool read_details(const View& view, SessionCopy& session);
  template <class F>
  static void each_record(const View& view, uint32_t from, F&& f);

  std::vector<Fd> memories_;
};

}  // namespace fedge::control
