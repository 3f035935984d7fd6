#include "os/local_socket.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "os/os.h"
#include "unit/os/temp_directory.h"

namespace aether::os {
namespace {

constexpr uint64_t kSecond = 1'000'000'000;

std::unique_ptr<Listener> listen_at(const std::string& path) {
  Result<std::unique_ptr<Listener>> listener = production().listen(path);
  if (!listener) ADD_FAILURE() << listener.error().message();
  return *std::move(listener);
}

std::string read_all(Connection& from) {
  std::string text;
  char part[100];
  for (;;) {
    const Result<uint64_t> got = from.read(part, sizeof part, 10 * kSecond);
    if (!got) ADD_FAILURE() << got.error().message();
    if (!got || *got == 0) return text;
    text.append(part, *got);
  }
}

/// Both ends talk: what one writes the other reads, and its end is seen.
void expect_conversation(const std::string& path) {
  const std::unique_ptr<Listener> listener = listen_at(path);
  std::thread client([&] {
    const auto to = production().connect(path, 10 * kSecond);
    ASSERT_TRUE(to.has_value()) << to.error().message();
    ASSERT_TRUE((*to)->write("question", 8, 10 * kSecond).has_value());
    EXPECT_EQ(read_all(**to), "an answer");
  });
  {
    const auto from = listener->accept();
    ASSERT_TRUE(from.has_value()) << from.error().message();
    char text[8];
    EXPECT_EQ((*from)->read(text, sizeof text, 10 * kSecond).value_or(0), 8u);
    EXPECT_EQ(std::string(text, 8), "question");
    EXPECT_TRUE((*from)->write("an answer", 9, 10 * kSecond).has_value());
  }
  client.join();
}

TEST(LocalSocketConcurrent, BothEndsTalk) {
  const testing_support::TempDirectory directory;
  expect_conversation(directory / "socket");
}

TEST(LocalSocketConcurrent, APathMayBeLongerThanTheSystemsAddress) {
  const testing_support::TempDirectory directory;
  std::string path = directory.path();
  while (path.size() < 300) {
    path += "/" + std::string(60, 'd');
    ASSERT_TRUE(production().create_directory(path).has_value());
  }
  expect_conversation(path + "/socket");
  EXPECT_FALSE(production().exists(path + "/socket").value_or(true)) << "the name goes";
  const auto refused = production().connect(path + "/socket", kSecond);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::not_found);
}

TEST(LocalSocket, OnlyTheOwnerMayConnectWhateverTheUmask) {
  const testing_support::TempDirectory directory;
  for (const mode_t mask : {mode_t{0000}, mode_t{0777}}) {
    const mode_t before = ::umask(mask);
    const std::unique_ptr<Listener> listener = listen_at(directory / "socket");
    ::umask(before);
    struct stat info;
    ASSERT_EQ(::stat((directory / "socket").c_str(), &info), 0);
    EXPECT_TRUE(S_ISSOCK(info.st_mode));
    EXPECT_EQ(info.st_mode & 0777, 0600u);
  }
}

TEST(LocalSocket, ANameThatWasLeftBehindIsReplaced) {
  const testing_support::TempDirectory directory;
  const std::string path = directory / "socket";
  OpenFlags file;
  file.write = file.create = true;
  ASSERT_TRUE(production().open(path, file).has_value());
  const auto refused = production().connect(path, kSecond);
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::not_found) << "nobody listens at a file";
  const std::unique_ptr<Listener> listener = listen_at(path);
  EXPECT_TRUE(production().connect(path, kSecond).has_value());
}

TEST(LocalSocket, WaitsEndInTime) {
  const testing_support::TempDirectory directory;
  const std::unique_ptr<Listener> listener = listen_at(directory / "socket");
  const auto client = production().connect(directory / "socket", kSecond);
  const auto server = listener->accept();
  ASSERT_TRUE(client.has_value() && server.has_value());
  char byte = 0;
  const Result<uint64_t> nothing = (*server)->read(&byte, 1, 1);
  ASSERT_FALSE(nothing.has_value());
  EXPECT_EQ(nothing.error().code(), Code::timed_out);
  const std::string much(16 * MiB,
                         'x');  // More than the system keeps for a reader who does not read.
  const Result<void> stuck = (*server)->write(much.data(), much.size(), 1'000'000);
  ASSERT_FALSE(stuck.has_value());
  EXPECT_EQ(stuck.error().code(), Code::timed_out);
}

TEST(LocalSocket, WhoWritesToOneThatHasGoneIsTold) {
  const testing_support::TempDirectory directory;
  const std::unique_ptr<Listener> listener = listen_at(directory / "socket");
  ASSERT_TRUE(production().connect(directory / "socket", kSecond).has_value());  // And gone.
  const auto server = listener->accept();
  ASSERT_TRUE(server.has_value());
  const std::string much(1 * MiB, 'x');
  const Result<void> broken = (*server)->write(much.data(), much.size(), kSecond);
  ASSERT_FALSE(broken.has_value());
  EXPECT_EQ(broken.error().os_errno(), EPIPE);
}

TEST(LocalSocketConcurrent, StopEndsAllWaits) {
  const testing_support::TempDirectory directory;
  const std::unique_ptr<Listener> listener = listen_at(directory / "socket");
  const auto client = production().connect(directory / "socket", kSecond);
  const auto server = listener->accept();
  ASSERT_TRUE(client.has_value() && server.has_value());
  std::thread waits([&] {
    char byte = 0;
    const Result<uint64_t> got = (*server)->read(&byte, 1, 3'600 * kSecond);
    ASSERT_FALSE(got.has_value());
    EXPECT_EQ(got.error().code(), Code::closed);
    const auto next = listener->accept();
    ASSERT_FALSE(next.has_value());
    EXPECT_EQ(next.error().code(), Code::closed);
  });
  listener->stop();
  waits.join();
}

TEST(LocalSocket, WherePlacesAreMissingTheErrorSaysWhich) {
  const testing_support::TempDirectory directory;
  const auto listener = production().listen(directory / "nowhere/socket");
  ASSERT_FALSE(listener.has_value());
  EXPECT_EQ(listener.error().code(), Code::not_found);
  EXPECT_NE(listener.error().message().find("nowhere/socket"), std::string_view::npos);
}

}  // namespace
}  // namespace aether::os
