#include "firmware/pki/library.h"

#include <mbedtls/bignum.h>
#include <mbedtls/error.h>
#include <mbedtls/platform.h>
#include <sys/random.h>

#include <array>
#include <cerrno>

namespace fedge::pki::library {

Status Certificates::add_der(Bytes der) {
  const int code = mbedtls_x509_crt_parse_der(&list_, octets(der), der.size());
  if (code != 0) return fail("", "is not a readable X.509 certificate: " + error_text(code));
  return {};
}

Status Key::parse(Bytes key) {
#if MBEDTLS_VERSION_MAJOR >= 3
  const int code =
      mbedtls_pk_parse_key(&key_, octets(key), key.size(), nullptr, 0, random_bytes, nullptr);
#else
  const int code = mbedtls_pk_parse_key(&key_, octets(key), key.size(), nullptr, 0);
#endif
  if (code == MBEDTLS_ERR_PK_PASSWORD_REQUIRED || code == MBEDTLS_ERR_PK_PASSWORD_MISMATCH) {
    return fail("", "the key is encrypted", "decrypt it first: openssl pkey -in KEY -out PLAIN");
  }
  if (code != 0) return fail("", "is not a readable private key: " + error_text(code));
  return {};
}

bool Key::fits(const mbedtls_x509_crt& certificate) {
  auto* pub = const_cast<mbedtls_pk_context*>(&certificate.pk);
#if MBEDTLS_VERSION_MAJOR >= 3
  return mbedtls_pk_check_pair(pub, &key_, random_bytes, nullptr) == 0;
#else
  return mbedtls_pk_check_pair(pub, &key_) == 0;
#endif
}

Result<Secret> to_der(Key& key) {
  constexpr size_t kMost = 16 * 1024;
  std::vector<std::byte> buffer(kMost);
  // Written at the end of the buffer.
  const int size = mbedtls_pk_write_key_der(
      key.get(), reinterpret_cast<unsigned char*>(buffer.data()), buffer.size());
  if (size <= 0) return fail("private key", "cannot be written as DER: " + error_text(size));
  Secret der(Bytes(buffer).last(static_cast<size_t>(size)));
  wipe_memory(buffer);
  return der;
}

namespace {

// A large number, wiped when it goes.
class Number {
 public:
  Number() { mbedtls_mpi_init(&mpi_); }
  Number(const Number&) = delete;
  Number& operator=(const Number&) = delete;
  ~Number() { mbedtls_mpi_free(&mpi_); }
  mbedtls_mpi* get() { return &mpi_; }

 private:
  mbedtls_mpi mpi_;
};

int append_number(std::vector<std::byte>& out, const mbedtls_mpi* number, size_t size) {
  const size_t at = out.size();
  out.resize(at + size);
  return mbedtls_mpi_write_binary(number, reinterpret_cast<unsigned char*>(&out[at]), size);
}

}  // namespace

Result<Secret> secret_numbers(Key& key) {
  // Never grows beyond what it began with: no copy stays behind.
  std::vector<std::byte> octets;
  octets.reserve(4096);
  int code = MBEDTLS_ERR_PK_UNKNOWN_PK_ALG;
  if (mbedtls_pk_get_type(key.get()) == MBEDTLS_PK_RSA) {
    Number p, q;
    code =
        mbedtls_rsa_export(mbedtls_pk_rsa(*key.get()), nullptr, p.get(), q.get(), nullptr, nullptr);
    if (code == 0 && mbedtls_mpi_cmp_mpi(p.get(), q.get()) < 0) mbedtls_mpi_swap(p.get(), q.get());
    for (Number* prime : {&p, &q})
      if (code == 0) code = append_number(octets, prime->get(), mbedtls_mpi_size(prime->get()));
  } else if (mbedtls_pk_can_do(key.get(), MBEDTLS_PK_ECKEY) != 0) {
    const mbedtls_ecp_keypair* const pair = mbedtls_pk_ec(*key.get());
    const auto& group = pair->MBEDTLS_PRIVATE(grp);
    octets.resize(2);
    store_be16(octets.data(), mbedtls_ecp_curve_info_from_grp_id(group.id)->tls_id);
    code = append_number(octets, &pair->MBEDTLS_PRIVATE(d), (group.nbits + 7) / 8);
  }
  if (code != 0) return fail("private key", "has no numbers to read: " + error_text(code));
  return Secret(std::move(octets));
}

int random_bytes(void*, unsigned char* out, size_t size) {
  while (size > 0) {
    const ssize_t n = ::getrandom(out, size, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return MBEDTLS_ERR_MPI_BAD_INPUT_DATA;
    out += n;
    size -= static_cast<size_t>(n);
  }
  return 0;
}

std::string error_text(int code) {
  std::array<char, 160> text{};
  mbedtls_strerror(code, text.data(), text.size());
  return text.data();
}

WallTime to_wall(const mbedtls_x509_time& t) {
  using namespace std::chrono;
  const auto date = year(t.year) / static_cast<unsigned>(t.mon) / static_cast<unsigned>(t.day);
  return sys_days(date) + hours(t.hour) + minutes(t.min) + seconds(t.sec);
}

bool is_ca(const mbedtls_x509_crt& certificate) {
  return certificate.MBEDTLS_PRIVATE(ca_istrue) != 0;
}

bool has_weak_signature(const mbedtls_x509_crt& certificate) {
  switch (certificate.MBEDTLS_PRIVATE(sig_md)) {
    case MBEDTLS_MD_SHA256:
    case MBEDTLS_MD_SHA384:
    case MBEDTLS_MD_SHA512:
      return false;
    default:
      return true;
  }
}

bool has_usual_curve(const mbedtls_x509_crt& certificate) {
  if (mbedtls_pk_can_do(&certificate.pk, MBEDTLS_PK_ECDSA) == 0) return true;
  const mbedtls_ecp_group_id id = mbedtls_pk_ec(certificate.pk)->MBEDTLS_PRIVATE(grp).id;
  return id == MBEDTLS_ECP_DP_SECP256R1 || id == MBEDTLS_ECP_DP_SECP384R1;
}

void set_groups_and_signatures(mbedtls_ssl_config& config) {
#if MBEDTLS_VERSION_MAJOR >= 3
  static constexpr uint16_t kGroups[] = {MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
                                         MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
                                         MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1, 0};
  static constexpr uint16_t kSignatures[] = {
      MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256, MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
      MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,       MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
      MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,    MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
      MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,       MBEDTLS_TLS1_3_SIG_NONE};
  mbedtls_ssl_conf_groups(&config, kGroups);
  mbedtls_ssl_conf_sig_algs(&config, kSignatures);
#else
  static constexpr mbedtls_ecp_group_id kGroups[] = {MBEDTLS_ECP_DP_SECP256R1,
                                                     MBEDTLS_ECP_DP_CURVE25519,
                                                     MBEDTLS_ECP_DP_SECP384R1, MBEDTLS_ECP_DP_NONE};
  static constexpr int kDigests[] = {MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
                                     MBEDTLS_MD_NONE};
  mbedtls_ssl_conf_curves(&config, kGroups);
  mbedtls_ssl_conf_sig_hashes(&config, kDigests);
#endif
}

void set_versions(mbedtls_ssl_config& config, uint16_t lowest, uint16_t highest) {
#if MBEDTLS_VERSION_MAJOR >= 3
  const auto of = [](uint16_t v) {
    return v >= 0x0304 ? MBEDTLS_SSL_VERSION_TLS1_3 : MBEDTLS_SSL_VERSION_TLS1_2;
  };
  mbedtls_ssl_conf_min_tls_version(&config, of(lowest));
  mbedtls_ssl_conf_max_tls_version(&config, of(highest));
#else
  const auto minor = [](uint16_t v) { return v > 0x0303 ? 3 : v & 0xff; };
  mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, minor(lowest));
  mbedtls_ssl_conf_max_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, minor(highest));
#endif
}

uint8_t received_alert(const mbedtls_ssl_context& ssl) {
  const unsigned char* message = ssl.MBEDTLS_PRIVATE(in_msg);
  return message == nullptr ? 0 : message[1];
}

void drop_peer_certificate(mbedtls_ssl_context& ssl) {
#if defined(MBEDTLS_SSL_KEEP_PEER_CERTIFICATE)
  mbedtls_ssl_session* session = ssl.MBEDTLS_PRIVATE(session);
  if (session == nullptr || session->MBEDTLS_PRIVATE(peer_cert) == nullptr) return;
  mbedtls_x509_crt_free(session->MBEDTLS_PRIVATE(peer_cert));
  mbedtls_free(session->MBEDTLS_PRIVATE(peer_cert));
  session->MBEDTLS_PRIVATE(peer_cert) = nullptr;
#endif
}

bool is_new_ticket([[maybe_unused]] int code) {
#if defined(MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET)
  return code == MBEDTLS_ERR_SSL_RECEIVED_NEW_SESSION_TICKET;
#else
  return false;
#endif
}

void set_serial(mbedtls_x509write_cert& writer, Bytes serial) {
#if MBEDTLS_VERSION_MAJOR >= 3
  mbedtls_x509write_crt_set_serial_raw(&writer, const_cast<unsigned char*>(octets(serial)),
                                       serial.size());
#else
  mbedtls_mpi number;
  mbedtls_mpi_init(&number);
  if (mbedtls_mpi_read_binary(&number, octets(serial), serial.size()) == 0) {
    (void)mbedtls_x509write_crt_set_serial(&writer, &number);
  }
  mbedtls_mpi_free(&number);
#endif
}

}  // namespace fedge::pki::library
