// What the directory says of names: to the log and to control.
#include <algorithm>

#include "dataplane/signal/directory.h"
#include "firmware/base/log.h"

namespace fedge::signal {

namespace {

using resolve::Partner;
using resolve::Target;

constexpr size_t kMostToldAtOnce = 128;
constexpr const char* kNoAnswer = "no name server answers; it stays where it was";

std::string text_of(const std::vector<Target>& targets) {
  std::string text;
  for (const Target& target : targets) {
    if (!text.empty()) text += ", ";
    text += target.endpoint.text();
  }
  return text;
}

}  // namespace

void Directory::stand(Name& name, NameStanding standing) {
  if (name.standing == standing) return;
  statistics_.on_name(name.standing, -1);
  name.standing = standing;
  statistics_.on_name(standing, 1);
  mark_untold(name);
}

// One line when a name cannot be resolved, one when it can again.
void Directory::report(const Name& name, NameStanding before, const std::string& why) {
  if (name.standing == before || !may_log()) return;
  const std::string what = name.name->text();
  switch (name.standing) {
    case NameStanding::unresolved:
      return log::warning("signal", "next hop {} cannot be found ({}): {}", name.name->host, what,
                          why);
    case NameStanding::stale:
      return log::warning("signal",
                          "next hop {} ({}): no name server answers; it stays where it was: {}",
                          name.name->host, what, text_of(name.found->targets));
    case NameStanding::found:
      if (before == NameStanding::unknown) return;
      return log::info("signal", "next hop {} ({}) is found again: {}", name.name->host, what,
                       text_of(name.found->targets));
    case NameStanding::unknown:
      return;
  }
}

void Directory::report_refused(Name& name, const Partner& partner) {
  std::vector<std::string> parts;
  for (const resolve::Refused& refused : partner.refused) {
    std::string& part = parts.emplace_back(refused.host);
    if (refused.endpoint.address) part += " at " + refused.endpoint.text();
    part.append(" is ").append(refused.why);
  }
  std::ranges::sort(parts);
  std::string text;
  for (const std::string& part : parts) text.append(text.empty() ? "" : "; ").append(part);
  const size_t hash = text.empty() ? 0 : std::hash<std::string>{}(text);
  if (hash == name.refused) return;
  name.refused = hash;
  if (text.empty()) return;
  statistics_.on_refused_target();
  if (may_log()) {
    log::warning("signal", "next hop {} ({}): refused: {}", name.name->host, name.name->text(),
                 text);
  }
}

// A thousand names that fail together are not worth a thousand lines.
bool Directory::may_log() {
  const Instant now = loop_.now();
  if (now - log_window_ >= 1s) {
    log_window_ = now;
    logged_ = 0;
  }
  return logged_++ < 10;
}

void Directory::mark_untold(Name& name) {
  if (reporter_ == nullptr || name.is_untold) return;
  name.is_untold = true;
  untold_.push_back(&name);
}

// What control shows of names; all of it to one that is new.
void Directory::tell_control() {
  const uint64_t link = reporter_ == nullptr ? 0 : reporter_->link_number();
  if (link == 0 || !reporter_->has_room()) return;
  if (link != told_link_) {
    for (auto& [key, name] : names_) mark_untold(name);
  }
  told_link_ = link;
  Report report;
  for (; !untold_.empty() && report.names.size() < kMostToldAtOnce; untold_.pop_front()) {
    Name& name = *untold_.front();
    name.is_untold = false;
    link::NameFound& told = report.names.emplace_back();
    told.lookup = name.name->text();
    told.port = name.name->port;
    if (name.found == nullptr) {
      told.trouble = "not asked yet";
      continue;
    }
    told.addresses = text_of(name.found->targets);
    told.trouble = name.standing == NameStanding::stale ? kNoAnswer : name.found->why;
  }
  if (!report.names.empty()) reporter_->post(std::move(report));
}

}  // namespace fedge::signal
