#include "tests/unit/pki/openssl_client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace fedge::pki {

namespace {

Fd listen_on_loopback(uint16_t& port) {
  Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::listen(socket.get(), 1), 0);
  EXPECT_EQ(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port = ntohs(address.sin_port);
  return socket;
}

}  // namespace

OpensslClient::OpensslClient(const std::vector<std::string>& options) {
  uint16_t port = 0;
  const Fd listener = listen_on_loopback(port);
  std::vector<std::string> words{"openssl", "s_client", "-connect",
                                 "127.0.0.1:" + std::to_string(port)};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<char*> arguments;
  for (auto& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd read_end(ends[0]);
  input_.reset(ends[1]);
  const Fd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  pid_ = ::fork();
  EXPECT_GE(pid_, 0);
  if (pid_ == 0) {
    ::dup2(read_end.get(), 0);
    ::dup2(nowhere.get(), 1);
    ::dup2(nowhere.get(), 2);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  socket_.reset(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
}

OpensslClient::~OpensslClient() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

}  // namespace fedge::pki
