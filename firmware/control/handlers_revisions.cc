// /v1/revisions and /v1/events: the history.
#include <charconv>

#include "firmware/control/control.h"
#include "firmware/control/handlers.h"

namespace fedge::control {

namespace {

constexpr uint64_t kPage = 50;
constexpr uint64_t kMostPage = 500;

std::optional<uint64_t> number_of(const std::string& name) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size() || number > INT64_MAX) {
    return std::nullopt;
  }
  return number;
}

Reply no_revision(const std::string& name) {
  return error_reply(404, "/v1/revisions/" + name, "there is no such revision",
                     "GET /v1/revisions lists them");
}

void write_revision(json::Writer& w, const store::Revision& r, uint64_t running) {
  w.member("number", r.number).member("running", r.number == running);
  w.member("state", store::name(r.state)).member("author", r.author);
  w.member("comment", r.comment).member("created", format_time(r.created));
}

struct Page {
  uint64_t before;
  uint64_t limit;
};

Result<Page> page_of(const Query& query) {
  auto before = query.number("before", INT64_MAX, 0, INT64_MAX);
  if (!before) return std::unexpected(before.error());
  auto limit = query.number("limit", kPage, 1, kMostPage);
  if (!limit) return std::unexpected(limit.error());
  return Page{*before, *limit};
}

void write_next(json::Writer& w, std::string_view path, size_t shown, const Page& page,
                uint64_t last) {
  if (shown < page.limit) return;
  w.member("next", std::string(path) + "?before=" + std::to_string(last) +
                       "&limit=" + std::to_string(page.limit));
}

}  // namespace

Answer on_list_revisions(Control& control, Request& request) {
  const auto page = page_of(request.query);
  if (!page) return error_reply(400, page.error());
  auto list = control.store()->revisions(page->before, page->limit);
  if (!list) return error_reply(500, list.error());
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("running", control.running().revision).key("revisions").begin_array();
  for (const store::Revision& r : *list) {
    w.begin_object();
    write_revision(w, r, control.running().revision);
    w.end_object();
  }
  w.end_array();
  if (!list->empty()) write_next(w, "/v1/revisions", list->size(), *page, list->back().number);
  w.end_object();
  return json_reply(w.take());
}

Answer on_get_revision(Control& control, Request& request) {
  const auto number = number_of(request.names[0]);
  if (!number) return no_revision(request.names[0]);
  auto revision = control.store()->revision(*number);
  if (!revision) return error_reply(500, revision.error());
  if (!*revision) return no_revision(request.names[0]);
  json::Writer w;
  w.begin_object();
  write_revision(w, **revision, control.running().revision);
  w.key("topology").raw((*revision)->document).end_object();
  return json_reply(w.take());
}

Answer on_roll_back(Control& control, Request& request) {
  const auto wait = request.query.duration("wait", 5s, 2min);
  if (!wait) return error_reply(400, wait.error());
  const auto number = number_of(request.names[0]);
  if (!number) return no_revision(request.names[0]);
  auto published = control.configuration()->roll_back(*number, request.actor, control.wall());
  if (!published) return refusal_reply(published.error());
  control.watch_certificates();
  control.publisher().wait(
      published->generation, published->revision, control.now() + *wait,
      [respond = std::move(request.respond)](const RollOut& r) { respond(roll_out_reply(r)); });
  return later;
}

Answer on_list_events(Control& control, Request& request) {
  const auto page = page_of(request.query);
  if (!page) return error_reply(400, page.error());
  auto list = control.store()->events(page->before, page->limit);
  if (!list) return error_reply(500, list.error());
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().key("events").begin_array();
  for (const store::Event& e : *list) {
    w.begin_object().member("number", e.number).member("at", format_time(e.at));
    w.member("who", e.who.name).member("client", e.who.client);
    w.member("what", e.what).member("detail", e.detail).end_object();
  }
  w.end_array();
  if (!list->empty()) write_next(w, "/v1/events", list->size(), *page, list->back().number);
  w.end_object();
  return json_reply(w.take());
}

}  // namespace fedge::control
