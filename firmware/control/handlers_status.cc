// Status, health, metrics and recovery: what works without a database.
#include <unistd.h>

#include "firmware/control/control.h"
#include "firmware/control/handlers.h"
#include "firmware/control/resources.h"

namespace fedge::control {

using link::Process;

namespace {

constexpr Process kShown[] = {Process::control, Process::fastpath, Process::signal, Process::front,
                              Process::agent};

// One word for a process.
std::string_view health_of(const ProcessView& view, uint64_t generation) {
  if (view.process == Process::control) return "ok";
  if (!view.known || view.pid == 0) return "down";
  if (!view.up) return "starting";
  if (!link::spec(view.process).forwarder) return "ok";
  if (generation != 0 && view.refused == generation) return "refused";
  return view.generation >= generation ? "ok" : "behind";
}

bool all_well(const Control& control, const Publisher& publisher) {
  for (const Process process : kShown) {
    const ProcessView& view = publisher.view(process);
    if (health_of(view, control.running().number) != "ok") return false;
  }
  return true;
}

void write_process(json::Writer& w, const ProcessView& view, uint64_t generation) {
  const bool is_control = view.process == Process::control;
  w.begin_object().member("name", link::name(view.process));
  w.member("health", health_of(view, generation)).member("up", is_control || view.up);
  w.member("pid", is_control ? static_cast<uint32_t>(::getpid()) : view.pid);
  w.member("restarts", view.restarts);
  if (link::spec(view.process).forwarder) {
    w.member("revision", view.revision).member("generation", view.generation);
    if (!view.reason.empty()) w.member("reason", view.reason);
  }
  if (!view.detail.empty()) w.member("last_end", view.detail);
  w.end_object();
}

void write_database(json::Writer& w, Control& control) {
  w.key("database").begin_object();
  if (control.configuration() != nullptr) {
    w.member("state", "ok");
  } else {
    const Error problem = control.not_ready();
    w.member("state", control.database().damaged() ? "damaged"
                      : control.store() == nullptr ? "unusable"
                                                   : "starting");
    w.member("where", problem.where).member("what", problem.what);
    w.member("remedy", problem.remedy);
  }
  w.end_object();
}

}  // namespace

Answer on_get_status(Control& control, Request&) {
  const Generation& running = control.running();
  const bool well = control.configuration() != nullptr && all_well(control, control.publisher());
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("health", well ? "ok" : "degraded");
  w.member("revision", running.revision).member("generation", running.number);
  write_database(w, control);
  w.key("processes").begin_array();
  for (const Process process : kShown) {
    write_process(w, control.publisher().view(process), running.number);
  }
  w.end_array().end_object();
  return json_reply(w.take());
}

Answer on_get_health(Control& control, Request&) {
  const bool well = control.configuration() != nullptr && all_well(control, control.publisher());
  json::Writer w;
  w.begin_object().member("health", well ? "ok" : "degraded").end_object();
  return json_reply(w.take());
}

Answer on_get_metrics(Control& control, Request&) {
  Reply reply;
  reply.body = format_metrics(control.pages()) + control.next_hops().metrics();
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return reply;
}

Answer on_get_openapi(Control&, Request&) { return json_reply(openapi_document()); }

Answer on_recover_database(Control& control, Request& request) {
  if (!control.database().damaged()) {
    return error_reply(409, request.path, "the database is not damaged", "nothing is to be done");
  }
  auto done = control.recover_database();
  if (!done) return error_reply(500, done.error());
  if (control.store() != nullptr) {
    (void)control.store()->note(request.actor, "database recovered", *done, control.wall());
  }
  json::Writer w(json::Writer::Style::pretty);
  w.begin_object().member("done", *done).member("revision", control.running().revision);
  w.end_object();
  return json_reply(w.take());
}

}  // namespace fedge::control
