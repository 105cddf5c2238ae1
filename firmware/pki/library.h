// Owners for mbedTLS's objects, and everything that differs between its versions 2.28 and 3.6:
// the rest of the folder is written to the subset that both have. Private to this folder.
#pragma once

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include <cstdint>
#include <string>

#include "firmware/base/bytes.h"
#include "firmware/base/result.h"
#include "firmware/base/time.h"
#include "firmware/pki/seal.h"

// Version 3 hides its members behind this macro; in version 2 they have their plain names.
#ifndef MBEDTLS_PRIVATE
#define MBEDTLS_PRIVATE(member) member
#endif

namespace fedge::pki::library {

inline constexpr bool kHasTls13 = MBEDTLS_VERSION_NUMBER >= 0x03060000;

// A certificate list. Neither copied nor moved: mbedTLS keeps pointers into it.
class Certificates {
 public:
  Certificates() { mbedtls_x509_crt_init(&list_); }
  Certificates(const Certificates&) = delete;
  Certificates& operator=(const Certificates&) = delete;
  ~Certificates() { mbedtls_x509_crt_free(&list_); }

  // Appends one certificate. Fails with mbedTLS's reason.
  Status add_der(Bytes der);
  bool empty() const { return list_.raw.p == nullptr; }
  mbedtls_x509_crt* get() { return &list_; }
  const mbedtls_x509_crt& front() const { return list_; }

 private:
  mbedtls_x509_crt list_;
};

class Key {
 public:
  Key() { mbedtls_pk_init(&key_); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;
  ~Key() { mbedtls_pk_free(&key_); }

  // DER, or PEM when the last octet is a NUL; never encrypted.
  Status parse(Bytes key);
  bool fits(const mbedtls_x509_crt& certificate);
  mbedtls_pk_context* get() { return &key_; }

 private:
  mbedtls_pk_context key_;
};

// PKCS#1 or SEC1, whatever form the key was read from.
Result<Secret> to_der(Key& key);
// The numbers that nobody else has, in a form that only depends on the key: an RSA key's primes,
// the larger one first; the scalar of a key on a curve, as long as the curve's order, behind the
// curve's number in TLS.
Result<Secret> secret_numbers(Key& key);

// mbedTLS's random callback: the kernel's generator.
int random_bytes(void* unused, unsigned char* out, size_t size);

// mbedTLS's text for a return value.
std::string error_text(int code);

inline Bytes bytes_of(const mbedtls_x509_buf& b) {
  return {reinterpret_cast<const std::byte*>(b.p), b.len};
}
inline const unsigned char* octets(Bytes b) {
  return reinterpret_cast<const unsigned char*>(b.data());
}
WallTime to_wall(const mbedtls_x509_time& t);

bool is_ca(const mbedtls_x509_crt& certificate);
// Signed with a digest that nobody should trust any more (MD5, SHA-1).
bool has_weak_signature(const mbedtls_x509_crt& certificate);
// False for a key on a curve outside those of set_groups_and_signatures(): most peers do not offer
// it in a handshake either. True for RSA.
bool has_usual_curve(const mbedtls_x509_crt& certificate);

// --- TLS ---------------------------------------------------------------------------------------

// P-256 first: the library's own order costs 1.7 times as much a handshake.
void set_groups_and_signatures(mbedtls_ssl_config& config);
// Versions as on the wire, 0x0303 for TLS 1.2.
void set_versions(mbedtls_ssl_config& config, uint16_t lowest, uint16_t highest);
// Number of the fatal alert just received.
uint8_t received_alert(const mbedtls_ssl_context& ssl);
// Frees the peer's certificate once it has been looked at: with the tables that verifying made
// it holds some 5 kB, and without renegotiation nothing needs it again.
void drop_peer_certificate(mbedtls_ssl_context& ssl);
// A return value of reading that only says "go on" (TLS 1.3 tickets after the handshake).
bool is_new_ticket(int code);

void set_serial(mbedtls_x509write_cert& writer, Bytes serial);

}  // namespace fedge::pki::library
