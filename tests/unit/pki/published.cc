#include "tests/unit/pki/published.h"

#include "firmware/pki/certificate.h"
#include "firmware/pki/key_section.h"

namespace fedge::pki {

using namespace snapshot;

namespace {

constexpr uint64_t kKey = 7;

}  // namespace

Signalling usual_limits() {
  return {.t1_ms = 500,
          .t2_ms = 4000,
          .t4_ms = 5000,
          .timer_c_ms = 181000,
          .connect_ms = 2000,
          .first_response_ms = 4000,
          .handshake_ms = 5000,
          .idle_ms = 600000,
          .partial_message_ms = 10000,
          .max_message = 65536,
          .max_connections = 100,
          .max_connections_per_source = 100,
          .max_handshakes = 16,
          .max_transactions = 1000,
          .queue_bytes = 1048576,
          .health_interval_ms = 10000,
          .overload_delay_ms = 200};
}

const Secret& test_sealing_key() {
  static const Secret key(as_bytes("0123456789abcdef0123456789abcdef"));
  return key;
}

std::string make_tls(const TlsTexts& given) {
  Writer w(Kind::tls);
  if (given.chain.empty()) return w.finish(Tls{});
  const auto texts = [&](const std::string& pem) {
    std::vector<Text> list;
    const auto parsed = parse_chain(pem);
    for (const std::string& der : parsed->der) list.push_back(w.text(der));
    return w.slice(list);
  };
  const auto certificates =
      w.slice<snapshot::Certificate>({{w.text("own"), texts(given.chain), kKey, 0}});
  const snapshot::TlsContext context{
      w.text("own"), certificates, texts(given.trust), w.slice<uint16_t>({0xc02f, 0xc02b}),
      0x0303,        0x0303,       given.wants};
  return w.finish(Tls{w.slice<snapshot::TlsContext>({context})});
}

std::string make_keys(Kind kind, const std::string& key_pem) {
  std::vector<PrivateKey> keys;
  if (!key_pem.empty()) keys.push_back({kKey, std::move(*parse_key(key_pem))});
  const auto plain = encode_keys(keys);
  const auto sealed = seal(test_sealing_key(), purpose_of(kind), plain->bytes());
  return wrap_keys(kind, as_bytes(*sealed));
}

link::Offer make_offer(uint64_t generation,
                       const std::vector<std::pair<Kind, std::string>>& sections) {
  link::Offer out{{generation, generation, {}}, {}};
  for (const auto& [kind, bytes] : sections) {
    const auto* header = reinterpret_cast<const SectionHeader*>(bytes.data());
    out.message.sections.push_back({kind, {header->checksum[0], header->checksum[1]}});
    out.fds.push_back(std::move(*make_sealed_memfd("section", as_bytes(bytes))));
  }
  return out;
}

}  // namespace fedge::pki
