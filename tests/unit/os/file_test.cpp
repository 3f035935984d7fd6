#include <dlfcn.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#if AETHER_HAVE_URING
#include <liburing.h>
#endif
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "os/os.h"
#include "tests/unit/os/temp_directory.h"
#include "tests/unit/os/unwilling_kernel.h"

using aether::testing_support::kernel;

aether::testing_support::Kernel aether::testing_support::kernel;

extern "C" ssize_t pread(int fd, void* data, size_t size, off_t offset) {
  if (kernel.interrupts()) return errno = EINTR, -1;
  if (kernel.cut(size) < size) ++kernel.transfers_cut;
  return syscall(SYS_pread64, fd, data, kernel.cut(size), offset);
}

extern "C" ssize_t pwrite(int fd, const void* data, size_t size, off_t offset) {
  if (kernel.interrupts()) return errno = EINTR, -1;
  if (kernel.cut(size) < size) ++kernel.transfers_cut;
  return syscall(SYS_pwrite64, fd, data, kernel.cut(size), offset);
}

extern "C" int fallocate(int fd, int mode, off_t offset, off_t size) {
  if (!kernel.has_fallocate) return errno = EOPNOTSUPP, -1;
  if (kernel.is_full) {
    syscall(SYS_fallocate, fd, mode, offset, size / 2);
    return errno = ENOSPC, -1;
  }
  return static_cast<int>(syscall(SYS_fallocate, fd, mode, offset, size));
}

#if AETHER_HAVE_URING
// A ring's transfers are cut before the kernel sees them.
extern "C" int io_uring_submit_and_wait(io_uring* ring, unsigned wait_for) {
  static const auto real = reinterpret_cast<int (*)(io_uring*, unsigned)>(
      dlsym(RTLD_NEXT, "io_uring_submit_and_wait"));
  for (unsigned i = ring->sq.sqe_head; i != ring->sq.sqe_tail; ++i) {
    io_uring_sqe& sqe = ring->sq.sqes[i & *ring->sq.kring_mask];
    const auto cut = static_cast<unsigned>(kernel.cut(sqe.len));
    if (cut != sqe.len) ++kernel.ring_transfers_cut;
    sqe.len = cut;
  }
  return real(ring, wait_for);
}
#endif

namespace aether::os {
namespace {

using testing::HasSubstr;
using testing_support::TempDirectory;

constexpr OpenFlags kMake{.write = true, .create = true};

class File : public testing::Test {
 protected:
  void SetUp() override { kernel.reset(); }
  void TearDown() override { kernel.reset(); }

  std::unique_ptr<os::File> open(const std::string& name, OpenFlags flags = kMake) {
    Result<std::unique_ptr<os::File>> file = production().open(t_ / name, flags);
    EXPECT_TRUE(file) << file.error().message();
    return file ? *std::move(file) : nullptr;
  }
  std::string read(os::File& file, uint64_t offset, uint64_t size) {
    std::string bytes(size, '?');
    const Result<uint64_t> got = file.read_at(offset, bytes.data(), size);
    EXPECT_TRUE(got) << got.error().message();
    bytes.resize(got ? *got : 0);
    return bytes;
  }
  void write(os::File& file, uint64_t offset, const std::string& bytes) {
    const Result<void> done = file.write_at(offset, bytes.data(), bytes.size());
    EXPECT_TRUE(done) << done.error().message();
  }

  TempDirectory t_;
};

TEST_F(File, ReadsBackWhatWasWrittenAndEndsWhereTheFileEnds) {
  const auto file = open("a");
  write(*file, 5, "hello");
  EXPECT_EQ(read(*file, 0, 100), std::string(5, '\0') + "hello");
  EXPECT_EQ(read(*file, 7, 2), "ll");
  EXPECT_EQ(read(*file, 10, 5), "");
  EXPECT_EQ(*file->size(), 10u);
  ASSERT_TRUE(file->truncate(7));
  EXPECT_EQ(read(*file, 5, 100), "he");
  EXPECT_TRUE(file->sync());
  EXPECT_EQ(file->path(), t_ / "a");
}

// Goal: a transfer is whole however little the kernel moves at a time, and however often it is
// interrupted.
TEST_F(File, CompletesShortAndInterruptedTransfers) {
  std::string bytes(1000, '\0');
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  kernel.transfer_bytes_max = 33;
  kernel.interrupt_every_second_call = true;
  const auto file = open("a");
  write(*file, 3, bytes);
  EXPECT_EQ(read(*file, 3, 2000), bytes);
  EXPECT_GT(kernel.calls, 100);
}

TEST_F(File, ModesDoNotDependOnTheUmask) {
  for (const mode_t mask : {mode_t{0}, mode_t{0277}, mode_t{077}}) {
    const std::string name = "mode" + std::to_string(mask);
    const mode_t before = ::umask(mask);
    const auto file = open(name);
    const Result<void> made = production().create_directory(t_ / (name + ".d"));
    ::umask(before);
    ASSERT_TRUE(made) << made.error().message();
    struct stat info;
    ASSERT_EQ(::stat((t_ / name).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0600u);
    ASSERT_EQ(::stat((t_ / (name + ".d")).c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
  }
}

TEST_F(File, OpeningOnesThatAreThereLeavesTheirContents) {
  write(*open("a"), 0, "old");
  EXPECT_EQ(read(*open("a"), 0, 10), "old");
  EXPECT_EQ(read(*open("a", {}), 0, 10), "old");
}

TEST_F(File, OpenErrorsNameThePathAndHaveTheirCode) {
  struct Case {
    std::string name;
    OpenFlags flags;
    Code code;
    int errnum;
  };
  open("there");
  ASSERT_TRUE(production().create_directory(t_ / "directory"));
  ASSERT_EQ(::symlink((t_ / "there").c_str(), (t_ / "link").c_str()), 0);
  const std::vector<Case> cases = {
      {"missing", {}, Code::not_found, ENOENT},
      {"missing/deeper", kMake, Code::not_found, ENOENT},
      {"there", {.write = true, .create = true, .exclusive = true}, Code::exists, EEXIST},
      {"there/below", kMake, Code::invalid_argument, ENOTDIR},
      {"directory", {.write = true}, Code::invalid_argument, EISDIR},
      {"directory", {}, Code::invalid_argument, EISDIR},
      {"link", {}, Code::io_error, ELOOP},
      {"link", kMake, Code::io_error, ELOOP},
  };
  for (const Case& each : cases) {
    const auto file = production().open(t_ / each.name, each.flags);
    ASSERT_FALSE(file) << each.name;
    EXPECT_EQ(file.error().code(), each.code) << file.error().message();
    EXPECT_EQ(file.error().os_errno(), each.errnum) << file.error().message();
    EXPECT_THAT(std::string(file.error().message()), HasSubstr(t_ / each.name));
  }
}

TEST_F(File, TransferErrorsNamePathAndOffset) {
  write(*open("a"), 0, "x");
  const auto file = open("a", {});
  const Result<void> written = file->write_at(8192, "abc", 3);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Code::io_error);
  EXPECT_THAT(std::string(written.error().message()),
              HasSubstr("write " + t_ / "a" + " at offset 8192 (3 bytes)"));
}

TEST_F(File, AllocateGrowsWithZerosAndKeepsWhatIsThere) {
  for (const bool native : {true, false}) {
    kernel.has_fallocate = native;
    const auto file = open(native ? "native" : "fallback");
    write(*file, 0, "abc");
    ASSERT_TRUE(file->allocate(0, 300'001));
    EXPECT_EQ(*file->size(), 300'001u);
    EXPECT_EQ(read(*file, 0, 400'000), "abc" + std::string(300'001 - 3, '\0'));
    ASSERT_TRUE(file->allocate(0, 10));  // Never shrinks.
    EXPECT_EQ(*file->size(), 300'001u);
  }
}

// What it has found before the space ran out is given back: it is the last of a full disk, which others need.
TEST_F(File, AllocateThatFailsKeepsNoSpace) {
  auto file = *production().open(t_ / "f", kMake);
  ASSERT_TRUE(file->allocate(0, 65'536));
  struct stat before;
  ASSERT_EQ(::stat((t_ / "f").c_str(), &before), 0);
  kernel.is_full = true;
  const Result<void> failed = file->allocate(65'536, 1 << 20);
  kernel.is_full = false;
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::no_space);
  struct stat after;
  ASSERT_EQ(::stat((t_ / "f").c_str(), &after), 0);
  EXPECT_EQ(after.st_size, before.st_size);
  EXPECT_EQ(after.st_blocks, before.st_blocks);
}

TEST_F(File, AllocateWithoutFallocateWorksOnDirectFiles) {
  kernel.has_fallocate = false;
  const auto file = open("a", {.write = true, .create = true, .direct = true});
  ASSERT_TRUE(file->allocate(0, 5000));
  ASSERT_TRUE(file->allocate(5000, 1 << 20));
  EXPECT_EQ(*file->size(), 5000u + (1 << 20));
}

TEST_F(File, DirectFilesReadAndWriteAlignedAndEndAnywhere) {
  const auto file = open("a", {.write = true, .create = true, .direct = true});
  const std::unique_ptr<void, decltype(&std::free)> memory(
      std::aligned_alloc(kDirectAlignment, 4 * kDirectAlignment), &std::free);
  char* bytes = static_cast<char*>(memory.get());
  std::fill_n(bytes, 2 * kDirectAlignment, 'd');
  ASSERT_TRUE(file->write_at(0, bytes, 2 * kDirectAlignment));
  ASSERT_TRUE(file->truncate(5000));
  const Result<uint64_t> got = file->read_at(0, bytes, 4 * kDirectAlignment);
  ASSERT_TRUE(got) << got.error().message();
  EXPECT_EQ(*got, 5000u);
  EXPECT_EQ(std::string(bytes, 5000), std::string(5000, 'd'));
}

TEST_F(File, CloseEndsItAndMayBeRepeated) {
  const auto file = open("a");
  EXPECT_TRUE(file->close());
  EXPECT_TRUE(file->close());
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(file->write_at(0, "x", 1));
}

TEST_F(File, LockExcludesASecondOpenInThisProcess) {
  auto first = open("LOCK");
  const auto second = open("LOCK");
  EXPECT_TRUE(*first->try_lock());
  EXPECT_TRUE(*first->try_lock());  // It holds it already.
  EXPECT_FALSE(*second->try_lock());
  open("LOCK").reset();  // Closing some other handle changes nothing.
  EXPECT_FALSE(*second->try_lock());
  first.reset();
  EXPECT_TRUE(*second->try_lock());
}

TEST_F(File, LockDiesWithItsProcess) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto file = production().open(t_ / "LOCK", kMake);
    const char locked = file && *(*file)->try_lock() ? 'y' : 'n';
    if (::write(pipe_ends[1], &locked, 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char locked = '?';
  ASSERT_EQ(::read(pipe_ends[0], &locked, 1), 1);
  EXPECT_EQ(locked, 'y');
  const auto file = open("LOCK");
  EXPECT_FALSE(*file->try_lock());
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(*file->try_lock());
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

}  // namespace
}  // namespace aether::os
