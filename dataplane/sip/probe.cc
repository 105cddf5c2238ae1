#include "dataplane/sip/probe.h"

#include "firmware/wire/sip/writer.h"

namespace fedge::sip {

// Max-Forwards 1: enough for a front door to ask whoever stands behind it, and too little to
// travel should the host not know itself by this name.
std::optional<size_t> write_probe(const Side& side, const ProbeTarget& target, const Branch& named,
                                  std::span<char> out) {
  const bool is_v6 = target.host.find(':') != target.host.npos;
  BranchText room;
  const std::string_view branch = write_branch(named, room);
  const std::string_view word = branch.substr(16, 16);  // the nonce's digits
  Output o(out);
  const auto host = [&] {
    if (is_v6) {
      o << '[' << target.host << ']';
    } else {
      o << target.host;
    }
  };
  o << "OPTIONS sip:";
  host();
  if (target.port != 0) o << ':' << target.port;
  o << (target.transport == snapshot::Transport::tls ? ";transport=tls" : ";transport=tcp");
  o << " SIP/2.0\r\n" << "Via: " << side.via << branch;
  o << "\r\nMax-Forwards: 1\r\nFrom: <sip:" << side.sent_by << ">;tag=" << word;
  o << "\r\nTo: <sip:";
  host();
  o << ">\r\nCall-ID: " << word
    << "\r\nCSeq: 1 OPTIONS\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n";
  return o.size();
}

}  // namespace fedge::sip
