#include "tests/unit/pki/authority.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "firmware/base/fd.h"

namespace fedge::pki {

namespace {

void shell(const std::string& command) {
  const std::string quiet = "(" + command + ") > /dev/null 2>&1";
  ASSERT_EQ(std::system(quiet.c_str()), 0) << command;
}

std::string contents(const std::string& path) { return read_file(path).value_or(""); }

std::string algorithm_options(const std::string& algorithm) {
  if (algorithm == "ec") return "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1";
  return "-newkey " + algorithm;
}

}  // namespace

Authority::Authority(const std::string& name) {
  std::string pattern = std::filesystem::temp_directory_path() / "fedge-pki-XXXXXX";
  folder_ = ::mkdtemp(pattern.data());
  shell("cd " + folder_ + " && touch index && echo 01 > serial && openssl req -x509 " +
        algorithm_options("ec") + " -nodes -keyout ca.key -out ca.pem -days 30 -subj '/CN=" + name +
        "' -addext keyUsage=critical,keyCertSign,cRLSign");
  std::ofstream(folder_ + "/ca.cnf")
      << "[ca]\ndefault_ca=x\n[x]\ndir=.\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
         "default_md=sha256\npolicy=p\ncopy_extensions=copy\nunique_subject=no\n[p]\n"
         "commonName=supplied\n";
}

Authority::~Authority() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

Authority::Pair Authority::issue(const std::string& common_name, const std::string& alternative,
                                 const std::string& algorithm, const std::string& not_before,
                                 const std::string& not_after) {
  const std::string stem = "c" + std::to_string(++serial_);
  const std::string san = alternative.empty() ? "" : " -addext subjectAltName=" + alternative;
  const std::string from = not_before.empty() ? "" : " -startdate " + not_before;
  const std::string to = not_after.empty() ? " -days 10" : " -enddate " + not_after;
  shell("cd " + folder_ + " && openssl req " + algorithm_options(algorithm) + " -nodes -keyout " +
        stem + ".key -out " + stem + ".csr -subj '/CN=" + common_name + "'" + san +
        " && openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key -notext -in " + stem +
        ".csr -out " + stem + ".pem" + from + to);
  return {contents(folder_ + "/" + stem + ".pem"), contents(folder_ + "/" + stem + ".key")};
}

std::string Authority::certificate() const { return contents(folder_ + "/ca.pem"); }

}  // namespace fedge::pki
