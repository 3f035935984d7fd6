// aether verify --online and aether stat, asked about an environment that this process has open and that rots under it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdio.h>
#include <sys/wait.h>

#include <fstream>
#include <string>

#include "db/env_impl.h"
#include "integration/contract_fixture.h"

namespace aether::contract {
namespace {

using testing::HasSubstr;

struct VerbAnswer {
  int exit_code = -1;
  std::string output;
};

VerbAnswer run(const std::string& home, const std::string& arguments) {
  const std::string command = std::string(AETHER_BIN_DIR) + "/aether --home " + home + " " +
                              arguments + " 2>&1";
  FILE* const pipe = popen(command.c_str(), "r");
  VerbAnswer answer;
  char buffer[4096];
  for (size_t got; pipe != nullptr && (got = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    answer.output.append(buffer, got);
  if (pipe != nullptr) answer.exit_code = WEXITSTATUS(pclose(pipe));
  return answer;
}

TEST(VerifyOnline, IsDoneByTheProcessThatHasItOpen) {
  Place t;
  ASSERT_TRUE(ok(t.open()));
  for (int i = 0; i < 500; ++i) {
    const std::string value(i % 50 == 0 ? 9000 : 200, 'v');
    ASSERT_TRUE(ok(t.store().put(key_of(i), value)));
  }
  VerbAnswer answer = run(t.home, "--format json verify --online");
  EXPECT_EQ(answer.exit_code, 0) << answer.output;
  EXPECT_THAT(answer.output, HasSubstr("\"ok\":true"));
  EXPECT_THAT(answer.output, HasSubstr("\"complete\":true"));

  ASSERT_TRUE(ok(t.env->close()));
  answer = run(t.home, "verify --online");
  EXPECT_EQ(answer.exit_code, 3) << answer.output;
  EXPECT_THAT(answer.output, HasSubstr("leave out --online"));

  ASSERT_TRUE(ok(t.open()));
  uint64_t page = 3;
  while (!t.env->impl().services().space.is_allocated(PageId{page}) ||
         t.env->impl().services().pool.find_page(PageId{page}))
    ++page;
  {
    std::fstream file(t.home + "/data", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(page * 4096 + 1000));
    file.write("damage", 6);
  }
  answer = run(t.home, "--format plain verify --online");
  EXPECT_EQ(answer.exit_code, 1) << answer.output;
  EXPECT_THAT(answer.output, HasSubstr("problem page " + std::to_string(page)));

  ASSERT_TRUE(ok(t.env->scrub()));
  for (const char* format : {"plain", "json", "table"}) {
    answer = run(t.home, std::string("--format ") + format + " stat");
    EXPECT_EQ(answer.exit_code, 0) << answer.output;
    EXPECT_THAT(answer.output, HasSubstr("damaged"));
    EXPECT_THAT(answer.output, HasSubstr("page " + std::to_string(page))) << format;
  }
}

}  // namespace
}  // namespace aether::contract
