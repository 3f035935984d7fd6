// The open matrix goes on, with what the file system and the user decide: mounts for reading only, files and directories of
// others. Each refusal names the place and leaves every byte as it was; what may be read is read.
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "integration/open_matrix_fixture.h"
#include "support/loop_image.h"

namespace aether::matrix {
namespace {

constexpr uid_t kNobody = 65534;

struct Answer {
  Code code = Code::failed;
  bool opened = false;
  std::string message;
};

Answer try_open(const fs::path& home, bool read_only) {
  EnvOptions options = small::options();
  options.read_only = read_only;
  options.create = false;
  Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home.string(), options);
  if (!env) return {env.error().code(), false, std::string(env.error().message())};
  for (const auto& [name, rows] : environment(State::closed).rows) {
    Result<KvStore> store = (*env)->open_store(name, {.create = false});
    for (const auto& [key, value] : rows) {
      if (!store || store->get(key).value_or("") != value) return {Code::failed, true, "rows"};
    }
  }
  return {Code::failed, true, ""};
}

/// The same in a child that is `uid`.
Answer try_open_as(uid_t uid, const fs::path& home, bool read_only) {
  int ends[2];
  if (::pipe(ends) != 0) return {Code::failed, false, "no pipe"};
  const pid_t child = ::fork();
  if (child == 0) {
    Answer answer{Code::failed, false, "setresuid"};
    if (::setresgid(uid, uid, uid) == 0 && ::setresuid(uid, uid, uid) == 0)
      answer = try_open(home, read_only);
    std::string text{static_cast<char>(answer.code), answer.opened ? 'y' : 'n'};
    text += answer.message;
    ::_exit(::write(ends[1], text.data(), text.size()) > 0 ? 0 : 1);
  }
  ::close(ends[1]);
  char text[2048] = {};
  const ssize_t got = ::read(ends[0], text, sizeof text - 1);
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  if (got < 2 || status != 0) return {Code::failed, false, "the child died"};
  return {static_cast<Code>(text[0]), text[1] == 'y', std::string(text + 2)};
}

class OpenPlaces : public testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else and to mount";
  }
  void expect_refused(const Answer& answer, Code code, const std::string& says) {
    EXPECT_FALSE(answer.opened) << "it opened";
    EXPECT_EQ(answer.code, code) << answer.message;
    EXPECT_THAT(answer.message, testing::HasSubstr(says));
  }
  void expect_sound(const Answer& answer) {
    EXPECT_TRUE(answer.opened) << answer.message;
    EXPECT_EQ(answer.message, "");
  }
  static void give(const fs::path& path, uid_t uid, mode_t mode) {
    ASSERT_EQ(::chown(path.c_str(), uid, uid), 0) << path;
    ASSERT_EQ(::chmod(path.c_str(), mode), 0) << path;
  }
  /// An environment that is `uid`'s as its engine would have made it.
  static void make(Place& t, uid_t uid) {
    write_files(environment(t.state), t.home);
    give(t.directory.path(), uid, 0755);
    give(t.home, uid, 0700);
    for (const auto& entry : fs::recursive_directory_iterator(t.home))
      give(entry.path(), uid, entry.is_directory() ? 0700 : 0600);
  }
};

TEST_F(OpenPlaces, AMountForReadingOnly) {
  const std::string why_not = testing_support::own_mounts();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  for (const State state : {State::closed, State::crashed, State::in_doubt}) {
    Place t;
    t.state = state;
    write_files(environment(state), t.home);
    const auto before = t.content();
    const std::string at = t.directory / "mounted";
    fs::create_directory(at);
    ASSERT_EQ(::mount(t.home.c_str(), at.c_str(), nullptr, MS_BIND, nullptr), 0);
    ASSERT_EQ(::mount(nullptr, at.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
    expect_refused(try_open(at, false), Code::io_error, "mounted read-only");
    if (state == State::closed) {
      expect_sound(try_open(at, true));
    } else {
      expect_refused(try_open(at, true), Code::unsupported, "needs recovery");
    }
    ::umount2(at.c_str(), MNT_DETACH);
    const bool same = t.content() == before;
    EXPECT_TRUE(same) << "something was changed";
  }
}

TEST_F(OpenPlaces, ANewOneOnAMountForReadingOnly) {
  const std::string why_not = testing_support::own_mounts();
  if (!why_not.empty()) GTEST_SKIP() << why_not;
  testing_support::TempDirectory directory;
  const std::string at = directory / "mounted";
  fs::create_directory(at);
  ASSERT_EQ(::mount(at.c_str(), at.c_str(), nullptr, MS_BIND, nullptr), 0);
  ASSERT_EQ(::mount(nullptr, at.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr), 0);
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(at + "/env", small::options());
  ASSERT_FALSE(env);
  EXPECT_EQ(env.error().code(), Code::io_error);
  EXPECT_THAT(std::string(env.error().message()), testing::HasSubstr("mounted read-only"));
  ::umount2(at.c_str(), MNT_DETACH);
}

TEST_F(OpenPlaces, ADirectoryOfSomebodyElse) {
  for (const State state : {State::closed, State::crashed}) {
    Place t;
    t.state = state;
    make(t, 0);
    const auto before = t.content();
    for (const bool read_only : {false, true})
      expect_refused(try_open_as(kNobody, t.home, read_only), Code::io_error,
                     "check the owner and mode");
    const bool same = t.content() == before;
    EXPECT_TRUE(same) << "something was changed";
  }
}

/// One file is not the user's to read or to write, the rest is.
TEST_F(OpenPlaces, AFileOfSomebodyElse) {
  for (const std::string name : {"CONTROL", "data", "LOCK", "log"}) {
    SCOPED_TRACE(name);
    Place t;
    make(t, kNobody);
    give(t / name, 0, name == "log" ? 0700 : 0600);
    const auto before = t.content();
    expect_refused(try_open_as(kNobody, t.home, false), Code::io_error, "/" + name);
    if (name != "log")  // Without it a closed one can be read: it needs none.
      expect_refused(try_open_as(kNobody, t.home, true), Code::io_error, "/" + name);
    const bool same = t.content() == before;
    EXPECT_TRUE(same) << "something was changed";
    give(t / name, kNobody, name == "log" ? 0700 : 0600);
    expect_sound(try_open_as(kNobody, t.home, false));
  }
}

/// All of it may be read, nothing be written.
TEST_F(OpenPlaces, FilesForReadingOnly) {
  Place t;
  make(t, kNobody);
  for (const auto& entry : fs::recursive_directory_iterator(t.home))
    give(entry.path(), kNobody, entry.is_directory() ? 0500 : 0400);
  give(t.home, kNobody, 0500);
  const auto before = t.content();
  expect_refused(try_open_as(kNobody, t.home, false), Code::io_error, "check the owner and mode");
  expect_sound(try_open_as(kNobody, t.home, true));
  const bool same = t.content() == before;
  EXPECT_TRUE(same) << "something was changed";
}

/// The directory above may be entered, not read: its name cannot be synced by this user, and need not be.
TEST_F(OpenPlaces, ADirectoryAboveThatMayNotBeRead) {
  testing_support::TempDirectory directory;
  const fs::path home = directory / "env";
  fs::create_directory(home);
  give(home, kNobody, 0700);
  give(directory.path(), 0, 0711);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresgid(kNobody, kNobody, kNobody) != 0 || ::setresuid(kNobody, kNobody, kNobody) != 0)
      ::_exit(1);
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home.string(), small::options());
    ::_exit(env && (*env)->open_store("s").value().put("k", "v") ? 0 : 2);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
}

}  // namespace
}  // namespace aether::matrix
