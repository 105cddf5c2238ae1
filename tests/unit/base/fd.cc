#include "firmware/base/fd.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace fedge {
namespace {

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

class Folder {
 public:
  Folder() {
    char name[] = "/tmp/fedge-fd-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

TEST(Fd, B4_ClosesWhatItOwnsOnce) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe2(pipe_ends, O_CLOEXEC), 0);
  Fd reader(pipe_ends[0]);
  {
    Fd writer(pipe_ends[1]);
    Fd moved = std::move(writer);
    EXPECT_FALSE(writer);
    EXPECT_TRUE(is_open(pipe_ends[1]));
    const Fd copy = moved.duplicate();
    EXPECT_NE(copy.get(), moved.get());
    EXPECT_EQ(::fcntl(copy.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  }
  EXPECT_FALSE(is_open(pipe_ends[1]));
  EXPECT_EQ(reader.release(), pipe_ends[0]);
  EXPECT_TRUE(is_open(pipe_ends[0]));
  ::close(pipe_ends[0]);
}

TEST(Memfd, P1_SealedContentsStay) {
  const auto fd = make_sealed_memfd("contents", as_bytes("published"));
  ASSERT_TRUE(fd);
  EXPECT_TRUE(is_sealed(fd->get()));
  EXPECT_LT(::pwrite(fd->get(), "x", 1, 0), 0);
  EXPECT_LT(::ftruncate(fd->get(), 1), 0);
  EXPECT_LT(::ftruncate(fd->get(), 100), 0);
  EXPECT_FALSE(Mapping::read_write(fd->get()));
  const auto mapping = Mapping::read_only(fd->get());
  ASSERT_TRUE(mapping);
  EXPECT_EQ(as_text(mapping->bytes()), "published");
}

TEST(Memfd, P1_WhatCanChangeIsNotSealed) {
  const auto shared = make_shared_memfd("shared", 100);
  ASSERT_TRUE(shared);
  EXPECT_FALSE(is_sealed(shared->get()));
  EXPECT_LT(::ftruncate(shared->get(), 50), 0);  // its size is fixed
  const Folder folder;
  ASSERT_TRUE(write_file_durably(folder / "file", as_bytes("x")));
  const Fd file(::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(is_sealed(file.get()));
  EXPECT_FALSE(is_sealed(-1));
}

TEST(Mapping, P1_IsSharedAndMoves) {
  const auto fd = make_shared_memfd("shared", 8);
  ASSERT_TRUE(fd);
  auto writer = Mapping::read_write(fd->get());
  const auto reader = Mapping::read_only(fd->get());
  ASSERT_TRUE(writer && reader);
  Mapping moved = std::move(*writer);
  EXPECT_FALSE(*writer);
  moved.data()[3] = std::byte{7};
  EXPECT_EQ(reader->bytes()[3], std::byte{7});
}

TEST(Mapping, P1_NothingIsAnEmptyMapping) {
  const auto fd = make_shared_memfd("empty", 0);
  ASSERT_TRUE(fd);
  const auto mapping = Mapping::read_only(fd->get());
  ASSERT_TRUE(mapping);
  EXPECT_FALSE(*mapping);
  EXPECT_FALSE(Mapping::read_only(-1));
}

TEST(Files, P1_AreReplacedWhole) {
  const Folder folder;
  ASSERT_TRUE(make_directories(folder / "a/b/c"));
  ASSERT_TRUE(make_directories(folder / "a/b/c"));
  const std::string path = folder / "a/b/c/current";
  ASSERT_TRUE(write_file_durably(path, as_bytes("1\n")));
  ASSERT_TRUE(write_file_durably(path, as_bytes(std::string(100000, 'x'))));
  EXPECT_EQ(*read_file(path), std::string(100000, 'x'));
  struct stat st{};
  ASSERT_EQ(::stat(path.c_str(), &st), 0);
  EXPECT_EQ(st.st_mode & 0777, 0600u);
  EXPECT_FALSE(std::filesystem::exists(path + ".new"));
  // What a crash left behind does not disturb the next time.
  ASSERT_TRUE(write_file_durably(path + ".new", as_bytes("half")));
  ASSERT_TRUE(write_file_durably(path, as_bytes("2\n")));
  EXPECT_EQ(*read_file(path), "2\n");
}

TEST(Files, P1_ErrorsNameTheFile) {
  const Folder folder;
  const auto missing = read_file(folder / "missing");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().where, folder / "missing");
  EXPECT_NE(missing.error().what.find("No such file"), std::string::npos);
  ASSERT_TRUE(write_file_durably(folder / "file", as_bytes("12345")));
  EXPECT_TRUE(read_file(folder / "file", 5));
  EXPECT_FALSE(read_file(folder / "file", 4));
  EXPECT_FALSE(write_file_durably(folder / "no/such/folder", as_bytes("x")));
  EXPECT_FALSE(sync_directory(folder / "no"));
  EXPECT_FALSE(make_directories(folder / "file/below"));
}

}  // namespace
}  // namespace fedge
