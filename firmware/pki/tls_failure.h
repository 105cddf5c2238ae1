// What went wrong in TLS, in words for the operator and the fault ledger. Private to this folder.
#pragma once

#include <string>

#include "firmware/pki/library.h"

namespace fedge::pki {

// One certificate of the peer's chain that verification objected to. `depth` 0 is the peer's own;
// `expected` is the name it should carry (clients).
std::string describe_objection(const mbedtls_x509_crt& certificate, int depth, uint32_t flags,
                               const std::string& expected);
// A fatal alert that the peer sent, RFC 5246 section 7.2.2.
std::string describe_alert(uint8_t alert);
// Any other return value of the handshake, of reading or of writing.
std::string describe_code(int code, bool server);

}  // namespace fedge::pki
