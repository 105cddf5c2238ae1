// What tests of forwarders publish alike: limits, keys, the one TLS context, and the offer of it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "firmware/link/offer.h"
#include "firmware/pki/seal.h"
#include "firmware/snapshot/writer.h"

namespace fedge::pki {

snapshot::Signalling usual_limits();
const Secret& test_sealing_key();

// A TLS section with one context of that name; PEM texts, none without a chain.
struct TlsTexts {
  std::string chain, trust;
  snapshot::ClientCertificate wants;
};
std::string make_tls(const TlsTexts& texts);
// That context's key, sealed with the key above.
std::string make_keys(snapshot::Kind kind, const std::string& key_pem);

link::Offer make_offer(uint64_t generation,
                       const std::vector<std::pair<snapshot::Kind, std::string>>& sections);

}  // namespace fedge::pki
