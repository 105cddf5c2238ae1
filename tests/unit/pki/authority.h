// Throw-away certificates for tests, made with the openssl command in a temporary folder: not by
// the library under test.
#pragma once

#include <string>

namespace fedge::pki {

class Authority {
 public:
  explicit Authority(const std::string& name);
  ~Authority();
  Authority(const Authority&) = delete;
  Authority& operator=(const Authority&) = delete;

  struct Pair {
    std::string chain;  // PEM
    std::string key;    // PEM
  };
  // `alternative` as openssl writes it ("DNS:a,DNS:b"), empty for none. Dates as openssl's
  // [CC]YYMMDDHHMMSSZ; empty for now and in ten days.
  Pair issue(const std::string& common_name, const std::string& alternative,
             const std::string& algorithm = "ec", const std::string& not_before = "",
             const std::string& not_after = "");
  std::string certificate() const;

 private:
  std::string folder_;
  int serial_ = 0;
};

}  // namespace fedge::pki
