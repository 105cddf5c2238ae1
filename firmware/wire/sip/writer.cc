#include "firmware/wire/sip/writer.h"

#include "firmware/wire/sip/scan.h"
#include "firmware/wire/sip/values.h"

namespace fedge::sip {

static size_t size_of_line(std::string_view name, std::string_view value) {
  return name.size() + 2 + value.size() + kCrlf.size();
}

static void write_line(Output& out, std::string_view name, std::string_view value) {
  out << name << ": " << value << kCrlf;
}

// By begin; at one place insertions stand in front of what replaces or removes, so that edits do
// not depend on the order of unrelated calls.
void Editor::add(Edit edit) {
  if (edit_count_ == kMostEdits) {
    overflowed_ = true;
    return;
  }
  const auto behind = [&edit](const Edit& other) {
    if (other.begin != edit.begin) return other.begin > edit.begin;
    return edit.begin == edit.end && other.begin != other.end;
  };
  size_t at = edit_count_++;
  for (; at > 0 && behind(edits_[at - 1]); --at) edits_[at] = edits_[at - 1];
  edits_[at] = edit;
}

void Editor::replace_text(std::string_view old, std::string_view text) {
  const size_t begin = offset_of(old.data());
  add({begin, begin + old.size(), {}, text});
}

void Editor::set_request_uri(std::string_view uri) { replace_text(message_.request_uri, uri); }

void Editor::prepend(HeaderId id, std::string_view value) {
  const size_t at = message_.start_line.size();
  add({at, at, name_of(id), value});
}

void Editor::append(std::string_view name, std::string_view value) {
  const std::string_view last =
      message_.header_count == 0 ? message_.start_line : message_.headers().back().line;
  const size_t at = offset_of(last.data() + last.size());
  add({at, at, name, value});
}

void Editor::replace(size_t header, std::string_view value) {
  replace_text(message_.header_store[header].value, value);
}

void Editor::remove(size_t header) { replace_text(message_.header_store[header].line, {}); }

void Editor::remove_all(HeaderId id) {
  for (size_t i = 0; i < message_.header_count; ++i)
    if (message_.header_store[i].id == id) remove(i);
}

void Editor::drop_values(size_t header, size_t count) {
  const std::string_view list = message_.header_store[header].value;
  std::string_view rest = list;
  std::string_view value;
  while (count > 0 && take_value(rest, value)) --count;
  rest = trim(rest);
  if (rest.empty()) return remove(header);
  replace_text(list.substr(0, static_cast<size_t>(rest.data() - list.data())), {});
}

void Editor::extend_first_value(size_t header, std::string_view text) {
  const std::string_view value = first_value(message_.header_store[header].value);
  replace_text(value.substr(value.size()), text);
}

// An edit that begins inside an earlier one went with it.
size_t Editor::size() const {
  size_t size = message_.whole.size();
  size_t at = 0;
  for (size_t i = 0; i < edit_count_; ++i) {
    const Edit& edit = edits_[i];
    if (edit.begin < at) continue;
    size -= edit.end - edit.begin;
    size += edit.name.empty() ? edit.text.size() : size_of_line(edit.name, edit.text);
    at = edit.end;
  }
  return size;
}

std::optional<size_t> Editor::write(std::span<char> out) const {
  if (overflowed_) return std::nullopt;
  Output output(out);
  size_t at = 0;
  for (size_t i = 0; i < edit_count_; ++i) {
    const Edit& edit = edits_[i];
    if (edit.begin < at) continue;
    output << message_.whole.substr(at, edit.begin - at);
    if (edit.name.empty()) {
      output << edit.text;
    } else {
      write_line(output, edit.name, edit.text);
    }
    at = edit.end;
  }
  output << message_.whole.substr(at);
  return output.size();
}

// A header line with `text` put behind its first value, wherever the line goes on from there.
static void write_extended(Output& out, const Header& header, std::string_view text) {
  const std::string_view value = first_value(header.value);
  const char* at = value.data() + value.size();
  const char* end = header.line.data() + header.line.size();
  out << std::string_view(header.line.data(), static_cast<size_t>(at - header.line.data())) << text
      << std::string_view(at, static_cast<size_t>(end - at));
}

static void write_response_header(Output& out, const Message& request, const Header& header,
                                  const Response& response, bool& via_written) {
  switch (header.id) {
    case HeaderId::via:
      if (!via_written && !header.value.empty()) {
        write_extended(out, header, response.via_suffix);
      } else {
        out << header.line;
      }
      via_written = true;
      break;
    case HeaderId::to:
      // RFC 3261 8.2.6.2: a tag in every answer but 100.
      if (request.to_tag.empty() && response.status != 100 && !response.to_tag.empty()) {
        out << header.name << ": " << header.value << ";tag=" << response.to_tag << kCrlf;
        break;
      }
      [[fallthrough]];
    case HeaderId::from:
    case HeaderId::call_id:
    case HeaderId::cseq:
      out << header.line;
      break;
    case HeaderId::timestamp:
      if (response.status == 100) out << header.line;
      break;
    default:
      break;
  }
}

std::optional<size_t> write_response(const Message& request, const Response& response,
                                     std::span<char> out) {
  Output output(out);
  output << kVersion << ' ' << response.status << ' '
         << (response.reason.empty() ? reason_of(response.status) : response.reason) << kCrlf;
  bool via_written = false;
  for (const Header& header : request.headers())
    write_response_header(output, request, header, response, via_written);
  for (const HeaderText& header : response.headers) write_line(output, header.name, header.value);
  output << name_of(HeaderId::content_length) << ": " << uint64_t{response.body.size()} << kCrlf
         << kCrlf << response.body;
  return output.size();
}

// The head that CANCEL and ACK share; `to` is the To line to use.
static std::optional<size_t> write_derived(const Message& invite, Method method, const Header& to,
                                           std::span<char> out) {
  Output output(out);
  output << name_of(method) << ' ' << invite.request_uri << ' ' << kVersion << kCrlf;
  write_line(output, name_of(HeaderId::via), invite.via.value);
  output << name_of(HeaderId::max_forwards) << ": " << uint32_t{kMaxForwards} << kCrlf;
  for (const Header& header : invite.headers()) {
    const HeaderId id = header.id;
    if (id == HeaderId::route || id == HeaderId::from || id == HeaderId::call_id)
      output << header.line;
  }
  output << to.line << name_of(HeaderId::cseq) << ": " << invite.cseq << ' ' << name_of(method)
         << kCrlf;
  write_line(output, name_of(HeaderId::content_length), "0");
  output << kCrlf;
  return output.size();
}

std::optional<size_t> write_cancel(const Message& invite, std::span<char> out) {
  const Header* to = invite.find(HeaderId::to);
  if (to == nullptr) return std::nullopt;
  return write_derived(invite, Method::cancel, *to, out);
}

std::optional<size_t> write_ack(const Message& invite, const Message& response,
                                std::span<char> out) {
  const Header* to = response.find(HeaderId::to);
  if (to == nullptr) return std::nullopt;
  return write_derived(invite, Method::ack, *to, out);
}

}  // namespace fedge::sip
