// /v1/media/sessions: what the fast path relays now (M6). Keys that lie in its memory are not
// shown.
#include <algorithm>

#include "firmware/base/log.h"
#include "firmware/control/control.h"
#include "firmware/control/handlers.h"
#include "firmware/wire/rtp/constants.h"

namespace fedge::control {

using media::SessionKind;

namespace {

constexpr size_t kMostPeers = 256;
constexpr Duration kMostWait = 1s;
constexpr std::string_view kKinds[] = {"free", "turn", "ms_turn", "anchor"};
constexpr std::string_view kTransports[] = {"udp", "tcp", "tls"};

std::string_view kind_of(const media::SessionRecord& record) {
  return kKinds[static_cast<size_t>(record.kind)];
}

template <size_t N>
std::string_view text_of(const std::array<char, N>& text) {
  return {text.data(), static_cast<size_t>(std::ranges::find(text, '\0') - text.begin())};
}

std::string endpoint(const media::Address& address, uint16_t port) {
  return Endpoint{address.ip(), port}.text();
}

// Records have monotonic nanoseconds.
std::string time_of(const Control& control, int64_t nanoseconds) {
  const auto now = now_monotonic().time_since_epoch();
  const auto away =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::nanoseconds(nanoseconds) - now);
  return format_time(control.wall() + away);
}

void write_traffic(json::Writer& w, std::string_view name, const media::Traffic& traffic) {
  w.key(name).begin_object().member("packets", traffic.packets);
  w.member("bytes", traffic.bytes).end_object();
}

void write_turn(json::Writer& w, const SessionCopy& session) {
  const media::SessionRecord& r = session.record;
  const media::SessionDetails& d = session.details;
  w.member("user", text_of(d.user_name));
  w.member("transport", kTransports[static_cast<size_t>(r.transport)]);
  w.member("client", endpoint(r.client, r.client_port));
  w.member("client_realm", text_of(d.client_realm));
  w.member("server", endpoint(d.server, r.server_port));
  w.key("relays").begin_array();
  if (d.relay) w.value(endpoint(d.relay, r.relay_port));
  if (d.second_relay) w.value(endpoint(d.second_relay, r.second_relay_port));
  w.end_array().member("relay_realm", text_of(d.relay_realm));
  write_traffic(w, "from_client", r.traffic[0]);
  write_traffic(w, "to_client", r.traffic[1]);
}

// What came from one side of an anchored stream. Nothing before its first packets.
void write_reception(json::Writer& w, const media::AnchorLeg& leg) {
  const rtp::Reception& from = leg.reception;
  if (!from.has_source || from.expected() == 0) return;
  const auto lost = static_cast<uint64_t>(std::max<int64_t>(from.lost(), 0));
  const auto per_mille =
      static_cast<uint32_t>(std::min<uint64_t>(lost * 1000 / from.expected(), 1000));
  const uint32_t clock = rtp::clock_of(leg.payload_type);
  const uint32_t jitter_us =
      clock == 0 ? 0 : static_cast<uint32_t>(uint64_t{from.jitter()} * 1'000'000 / clock);
  w.key("rtp").begin_object().member("packets", from.received).member("lost", lost);
  w.member("loss_percent", per_mille / 10.0);
  if (clock != 0) w.member("jitter_ms", jitter_us / 1000.0);
  w.member("mos", rtp::estimate_mos(per_mille, jitter_us / 1000, 0) / 100.0).end_object();
}

void write_leg(json::Writer& w, const SessionCopy& session, size_t leg) {
  const media::AnchorDetails& anchor = session.details.anchor;
  const media::AnchorLeg& side = anchor.legs[leg];
  const media::AnchorEnd& rtp = anchor.ends[0][leg];
  const auto& realm = leg == 0 ? session.details.client_realm : session.details.relay_realm;
  w.begin_object().member("side", leg == 0 ? "caller" : "callee").member("realm", text_of(realm));
  w.member("local", endpoint(side.local, rtp.local_port));
  if (rtp.remote) w.member("remote", endpoint(rtp.remote, rtp.port));
  w.member("latched", rtp.latched != 0).member("rtcp_mux", side.muxed != 0);
  write_traffic(w, "received", session.record.traffic[leg]);
  write_reception(w, side);
  w.end_object();
}

void write_session(json::Writer& w, Control& control, const SessionCopy& session) {
  w.begin_object().member("id", session.name.text()).member("kind", kind_of(session.record));
  if (session.record.kind == SessionKind::anchor) {
    w.member("call_id", text_of(session.details.user_name)).key("legs").begin_array();
    write_leg(w, session, 0);
    write_leg(w, session, 1);
    w.end_array();
  } else {
    write_turn(w, session);
    w.member("expires", time_of(control, session.details.expires));
  }
  w.member("created", time_of(control, session.details.created));
  w.member("refused_packets", session.details.refused);
}

void write_peers(json::Writer& w, Control& control, const SessionCopy& session) {
  if (session.record.kind == SessionKind::anchor) return;
  w.key("peers").begin_array();
  for (const media::PeerRecord& peer : control.sessions().peers(session, kMostPeers)) {
    w.begin_object().member("address", peer.address.ip().text());
    if (peer.channel != 0) w.member("port", peer.port).member("channel", peer.channel);
    w.member("permitted_until", time_of(control, peer.permitted_until)).end_object();
  }
  w.end_array();
}

void write_totals(json::Writer& w, const SessionTotals& totals) {
  w.key("totals").begin_object();
  for (int kind = 1; kind < media::kSessionKinds; ++kind) {
    w.member(kKinds[kind], totals.sessions[kind]);
  }
  write_traffic(w, "relayed", totals.relayed);
  w.end_object();
}

struct Filter {
  std::optional<SessionKind> kind;
  media::Address client;
  std::string user;

  // Of a long name the memory has the beginning.
  bool is_user(std::string_view shown) const {
    const bool is_cut = shown.size() == sizeof media::SessionDetails{}.user_name;
    return shown == user || (is_cut && user.starts_with(shown));
  }
  bool wants_record(const media::SessionRecord& r) const {
    return (!kind || r.kind == *kind) &&
           (!client || r.kind == SessionKind::anchor || r.client == client);
  }
  bool wants(const SessionCopy& s) const {
    if (!user.empty() && !is_user(text_of(s.details.user_name))) return false;
    if (!client || s.record.kind != SessionKind::anchor) return true;
    const auto& ends = s.details.anchor.ends[0];
    return ends[0].remote == client || ends[1].remote == client;
  }
};

Result<Filter> read_filter(const Query& query) {
  Filter out;
  if (const std::string* kind = query.find("kind")) {
    const auto* const found = std::ranges::find(kKinds, *kind);
    if (found == std::end(kKinds) || found == std::begin(kKinds)) {
      return fail("query parameter kind", "found \"" + *kind + "\"",
                  "allowed: turn, ms_turn, anchor");
    }
    out.kind = static_cast<SessionKind>(found - std::begin(kKinds));
  }
  if (const std::string* client = query.find("client")) {
    const auto address = IpAddress::parse(*client);
    if (!address) {
      return fail("query parameter client", "found \"" + *client + "\"",
                  "allowed: an address such as 192.0.2.1 or 2001:db8::1");
    }
    out.client = media::Address::of(*address);
  }
  out.user = query.text("user");
  return out;
}

std::string next_page(const Query& query, SessionCursor next) {
  std::string path = "/v1/media/sessions?after=" + next.text();
  for (const auto& [name, value] : query.all()) {
    if (name != "after") path += "&" + name + "=" + encode_percent(value);
  }
  return path;
}

std::string describe(const SessionCopy& session) {
  std::string out = session.name.text();
  out.append(" (").append(kind_of(session.record));
  const bool is_anchor = session.record.kind == SessionKind::anchor;
  out.append(is_anchor ? ", call " : ", user ").append(text_of(session.details.user_name));
  return out.append(")");
}

// Sessions can be ended without a database: the log has it then.
void note_ending(Control& control, const store::Actor& who, const SessionCopy& session) {
  const std::string what = describe(session);
  log::info("control", "media session {} is ended by {} ({})", what, who.name, who.client);
  if (control.store() == nullptr) return;
  if (auto noted = control.store()->note(who, "media session ended", what, control.wall());
      !noted) {
    log::error("control", "{}", noted.error().text());
  }
}

Reply no_session(const std::string& id) {
  return error_reply(404, "/v1/media/sessions/" + id, "there is no such session (any more)",
                     "GET /v1/media/sessions lists them");
}

}  // namespace

Answer on_list_sessions(Control& control, Request& request) {
  const auto limit = request.query.number("limit", 50, 1, 500);
  if (!limit) return error_reply(400, limit.error());
  const auto filter = read_filter(request.query);
  if (!filter) return error_reply(400, filter.error());
  SessionCursor from;
  const std::string* const after = request.query.find("after");
  if (after != nullptr) {
    const auto cursor = SessionCursor::parse(*after);
    if (!cursor) {
      return error_reply(400, "query parameter after", "found \"" + *after + "\"",
                         "take it from \"next\" of the page before");
    }
    from = *cursor;
  }
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("sessions").begin_array();
  uint64_t shown = 0;
  const auto next = control.sessions().each(
      from, [&](const media::SessionRecord& record) { return filter->wants_record(record); },
      [&](const SessionCopy& session) {
        if (!filter->wants(session)) return true;
        if (shown++ == *limit) return false;
        write_session(w, control, session);
        w.end_object();
        return true;
      });
  w.end_array();
  if (after == nullptr) write_totals(w, control.sessions().totals());
  if (next) w.member("next", next_page(request.query, *next));
  w.end_object();
  return json_reply(w.take());
}

Answer on_get_session(Control& control, Request& request) {
  const auto name = SessionName::parse(request.names[0]);
  const auto session = name ? control.sessions().find(*name) : std::nullopt;
  if (!session) return no_session(request.names[0]);
  json::Writer w(json::Writer::Style::pretty);
  write_session(w, control, *session);
  write_peers(w, control, *session);
  w.end_object();
  return json_reply(w.take());
}

Answer on_delete_session(Control& control, Request& request) {
  const auto name = SessionName::parse(request.names[0]);
  const auto session = name ? control.sessions().find(*name) : std::nullopt;
  if (!session) return no_session(request.names[0]);
  if (!control.session_ender().is_linked()) {
    return error_reply(503, "fastpath", "it is not running", "ask again in a moment");
  }
  note_ending(control, request.actor, *session);
  control.session_ender().end(
      *name, control.now() + kMostWait,
      [id = name->text(), respond = std::move(request.respond)](bool gone) {
        if (gone) return respond(json_reply("", 204));
        json::Writer w;
        w.begin_object().member("id", id).member("state", "the fast path is told").end_object();
        respond(json_reply(w.take(), 202));
      });
  return later;
}

}  // namespace fedge::control
