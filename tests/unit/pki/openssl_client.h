// The openssl command as a TLS client: for what no context of ours can be told to do, and as a
// peer that is not mbedTLS.
#pragma once

#include <string>
#include <vector>

#include "firmware/base/fd.h"

namespace fedge::pki {

// Connects to a loopback port of its own; socket() is the accepted, blocking end.
class OpensslClient {
 public:
  // `options` go behind "openssl s_client -connect …"; its standard input stays open and empty.
  explicit OpensslClient(const std::vector<std::string>& options);
  OpensslClient(const OpensslClient&) = delete;
  OpensslClient& operator=(const OpensslClient&) = delete;
  ~OpensslClient();
  int socket() const { return socket_.get(); }

 private:
  Fd socket_;
  Fd input_;
  int pid_ = -1;
};

}  // namespace fedge::pki
