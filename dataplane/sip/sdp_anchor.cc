#include "dataplane/sip/sdp_anchor.h"

#include <algorithm>

#include "firmware/wire/sip/values.h"

namespace fedge::sip {

namespace {

constexpr std::string_view kMultipart = "multipart/";
constexpr std::string_view kEndOfHeaders = "\r\n\r\n";

bool begins_with(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() && equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

// "application/sdp" of a Content-Type, whatever its parameters.
bool is_sdp(std::string_view type) {
  if (!begins_with(type, sdp::kContentType)) return false;
  const std::string_view rest = type.substr(sdp::kContentType.size());
  return rest.empty() || rest[0] == ';' || rest[0] == ' ' || rest[0] == '\t';
}

std::string_view boundary_of(std::string_view type) {
  const size_t semicolon = type.find(';');
  if (semicolon == type.npos) return {};
  auto value = find_parameter(type.substr(semicolon), "boundary").value_or(std::string_view{});
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
    value = value.substr(1, value.size() - 2);
  }
  return value;
}

// Its own headers say that a part is SDP.
bool is_sdp_part(std::string_view headers) {
  constexpr std::string_view kName = "content-type:";
  while (!headers.empty()) {
    const size_t end = headers.find("\r\n");
    std::string_view line = headers.substr(0, end);
    headers = end == headers.npos ? std::string_view{} : headers.substr(end + 2);
    if (!begins_with(line, kName)) continue;
    line.remove_prefix(kName.size());
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return is_sdp(line);
  }
  return false;
}

// Streams of UDP: those that a relay port can carry.
bool is_anchored(const sdp::Media& media) {
  return begins_with(media.line.protocol, "RTP/") || begins_with(media.line.protocol, "UDP");
}

bool has_mux(const sdp::Description& description, const sdp::Media& media) {
  return description.find_attribute(media.section, sdp::kRtcpMux) != nullptr;
}

}  // namespace

bool take_sdp(const Message& message, size_t& at, std::string_view& part) {
  const std::string_view body = message.body;
  const Header* const type = message.find(HeaderId::content_type);
  if (type == nullptr || body.empty() || at >= body.size()) return false;
  if (is_sdp(type->value)) {
    at = body.size();
    part = body;
    return true;
  }
  if (!begins_with(type->value, kMultipart)) return false;
  const std::string_view boundary = boundary_of(type->value);
  if (boundary.empty()) return false;
  const auto find_delimiter = [&](size_t from) {
    for (size_t found = body.find(boundary, from); found != body.npos;
         found = body.find(boundary, found + 1)) {
      if (found >= 2 && body.substr(found - 2, 2) == "--") return found - 2;
    }
    return body.npos;
  };
  for (size_t delimiter = find_delimiter(at); delimiter != body.npos;) {
    const size_t begin = delimiter + 2 + boundary.size();
    const size_t end = find_delimiter(begin);
    if (end == body.npos) break;
    const std::string_view whole = body.substr(begin, end - begin);
    const size_t head = whole.find(kEndOfHeaders);
    if (head != whole.npos && is_sdp_part(whole.substr(0, head))) {
      at = end;
      part = whole.substr(head + kEndOfHeaders.size());
      if (part.ends_with("\r\n")) part.remove_suffix(2);  // the delimiter's
      return true;
    }
    delimiter = end;
  }
  at = body.size();
  return false;
}

size_t SdpAnchor::count_streams(const Message& message, sdp::Description& room) {
  size_t at = 0;
  size_t most = 0;
  std::string_view part;
  while (take_sdp(message, at, part)) {
    if (sdp::parse(part, room) == sdp::Malformed::none) most = std::max(most, room.media().size());
  }
  return most;
}

SdpOutcome SdpAnchor::rewrite(const Message& message, const AnchorFace& face, Editor& editor) {
  used_ = 0;
  remote_count_ = 0;
  size_t at = 0;
  std::string_view part;
  size_t size = message.body.size();
  auto outcome = SdpOutcome::none;
  while (take_sdp(message, at, part)) {
    const size_t before = used_;
    outcome = rewrite_part(part, face, editor);
    if (outcome == SdpOutcome::malformed) return outcome;
    size = size - part.size() + (used_ - before);
  }
  if (outcome != SdpOutcome::rewritten) return outcome;
  Output length(length_);
  length << uint64_t{size};
  for (size_t i = 0; i < message.header_count; ++i) {
    if (message.headers()[i].id == HeaderId::content_length) editor.replace(i, length.text());
  }
  return outcome;
}

SdpOutcome SdpAnchor::rewrite_part(std::string_view text, const AnchorFace& face, Editor& editor) {
  if (sdp::parse(text, description_) != sdp::Malformed::none) return SdpOutcome::malformed;
  sdp::Editor edits(description_);
  edits.set_origin_address(face.address);
  const auto& session = description_.connection;
  if (session && !session->address.is_unspecified()) edits.set_session_connection(face.address);
  if (face.ice == snapshot::IceHandling::strip) {
    for (const auto name : sdp::kIceAttributes) {
      edits.remove_attributes(description_.session, name);
    }
  }
  const auto media = description_.media();
  for (size_t i = 0; i < media.size(); ++i) rewrite_media(media[i], i, face, edits);
  const auto size = edits.write(std::span(texts_).subspan(used_));
  if (!size) return SdpOutcome::malformed;
  editor.replace_text(text, {texts_.data() + used_, *size});
  used_ += *size;
  return SdpOutcome::rewritten;
}

void SdpAnchor::rewrite_media(const sdp::Media& media, size_t index, const AnchorFace& face,
                              sdp::Editor& editor) {
  const sdp::Connection* const connection = description_.connection_of(media);
  if (!is_anchored(media)) {
    // Its address was the session's, which is ours now.
    if (!media.connection && connection != nullptr && connection->address) {
      editor.set_connection(media, connection->address);
    }
    return;
  }
  if (index >= face.streams) return editor.set_port(media, 0);
  note(media, index);
  if (media.line.port == 0) return;
  const bool held = connection != nullptr && connection->address.is_unspecified();
  if ((media.connection || connection == nullptr) && !held) {
    editor.set_connection(media, face.address);
  }
  const uint16_t port = port_of_stream(face.first_port, face.streams, static_cast<uint32_t>(index));
  const auto rtcp = static_cast<uint16_t>(port + 1);
  const bool muxed = has_mux(description_, media);
  editor.set_port(media, port);
  if (const auto* line = description_.find_attribute(media.section, sdp::kRtcp)) {
    // Who offers to mux may name the port of those who do not (RFC 5761 section 5.1.1).
    const auto named = sdp::read_rtcp(description_.attribute(*line).value);
    const bool is_same = muxed && named && named->port == media.line.port;
    editor.set_rtcp(media, is_same ? port : rtcp, {});
  }
  if (face.ice == snapshot::IceHandling::pass) return;
  if (face.ice == snapshot::IceHandling::strip) {
    for (const auto name : sdp::kIceAttributes) editor.remove_attributes(media.section, name);
    return;
  }
  if (description_.find_attribute(media.section, sdp::kCandidate) == nullptr) return;
  editor.remove_attributes(media.section, sdp::kCandidate);
  editor.remove_attributes(media.section, "remote-candidates");
  for (const uint32_t component : {1u, 2u}) {
    if (component == 2 && muxed) break;
    std::array<char, 160> room;
    Output line(room);
    // Priority of RFC 8445 5.1.2: relayed, the one local preference.
    line << "candidate:1 " << component << " UDP " << uint64_t{(65535u << 8) + 256 - component}
         << ' ';
    sdp::write_address(line, face.address);
    line << ' ' << (component == 1 ? port : rtcp) << " typ relay raddr ";
    sdp::write_address(line, face.address);
    line << " rport " << (component == 1 ? port : rtcp);
    editor.append_attribute(media.section, line.text());
  }
}

void SdpAnchor::note(const sdp::Media& media, size_t index) {
  // Each part of a multipart body describes the same streams.
  const auto there = std::ranges::find(remotes(), index, &StreamRemote::stream);
  if (there != remotes().end()) return;
  StreamRemote& remote = remotes_[remote_count_++];
  const sdp::Connection* const connection = description_.connection_of(media);
  remote = {static_cast<uint8_t>(index),
            has_mux(description_, media),
            false,
            media.line.port == 0,
            {},
            {}};
  if (remote.closed) return;
  remote.held = description_.direction_of_media(media) != sdp::Direction::sendrecv ||
                (connection != nullptr && connection->address.is_unspecified());
  if (connection == nullptr || !connection->address || connection->address.is_unspecified() ||
      connection->address.is_multicast()) {
    return;
  }
  remote.rtp = {connection->address, media.line.port};
  remote.rtcp = {connection->address, static_cast<uint16_t>(media.line.port + 1)};
  // Of a muxed stream, too: where its reports go when the other side does not mux (RFC 5761 section
  // 5.1.1).
  if (const auto* line = description_.find_attribute(media.section, sdp::kRtcp)) {
    const auto rtcp = sdp::read_rtcp(description_.attribute(*line).value);
    if (!rtcp) return;
    remote.rtcp.port = rtcp->port;
    if (rtcp->connection && rtcp->connection->address) {
      remote.rtcp.address = rtcp->connection->address;
    }
  }
}

}  // namespace fedge::sip
