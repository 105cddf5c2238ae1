// Contexts made from a section as control writes it, and two streams joined in memory.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "firmware/pki/tls.h"
#include "tests/unit/pki/authority.h"

namespace fedge::pki {

class Pipe final : public CipherSink {
 public:
  void append(Bytes ciphertext) override { data.append(as_text(ciphertext)); }
  std::string data;
};

// A certificate of a context with the time from which it serves.
struct Assigned {
  Authority::Pair pair;
  int64_t effective_from = 0;
};

// What a test says about a context; the rest is as control would write it.
struct ContextPlan {
  std::vector<Assigned> certificates{};
  std::string trust{};  // PEM
  snapshot::ClientCertificate client_certificate = snapshot::ClientCertificate::required;
  std::vector<std::string> suites{};
  uint16_t version_min = 0x0303;
  uint16_t version_max = 0x0303;
  bool forget_key = false;
};
Result<std::shared_ptr<TlsContext>> try_context(const ContextPlan& plan);
// The same where it must work.
std::shared_ptr<TlsContext> make_context(const ContextPlan& plan);

struct Session {
  Session(const std::shared_ptr<TlsContext>& server_context,
          const std::shared_ptr<TlsContext>& client_context, const std::string& name,
          WallTime wall = now_wall());
  // Carries octets to and fro, `cut` at a time, until nothing moves.
  void run(size_t cut = size_t{1} << 20);
  bool both_open() const;

  std::unique_ptr<TlsStream> server, client;
  Pipe to_server, to_client;
  std::string server_got, client_got;

 private:
  static void move(Pipe& from, TlsStream& to, Pipe& answers, std::string& got, size_t cut);
};

}  // namespace fedge::pki
