#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "apps/aether/exit_code.h"
#include "apps/aether/help.h"
#include "apps/aether/parse.h"
#include "apps/aether/suggest.h"
#include "apps/aether/table.h"

namespace aether::cli {
namespace {

std::variant<Options, ExitCode> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "aether");
  return parse_command_line(static_cast<int>(words.size()), words.data());
}

Options parsed(std::vector<const char*> words) {
  words.insert(words.begin(), {"--home", "dir"});
  auto outcome = parse(std::move(words));
  EXPECT_TRUE(std::holds_alternative<Options>(outcome));
  return std::holds_alternative<Options>(outcome) ? std::get<Options>(outcome) : Options();
}

ExitCode refused(std::vector<const char*> words) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  const auto outcome = parse(std::move(words));
  testing::internal::GetCapturedStdout();
  testing::internal::GetCapturedStderr();
  return std::holds_alternative<ExitCode>(outcome) ? std::get<ExitCode>(outcome) : ExitCode(-1);
}

TEST(CommandLine, GlobalOptionsStandBeforeOrBehindTheVerb) {
  const Options before = parsed({"--json", "get", "k"});
  EXPECT_EQ(before.verb, Verb::get);
  EXPECT_EQ(before.global.format, Format::json);
  EXPECT_EQ(before.get.key, "k");
  EXPECT_EQ(before.get.store, "main");
  const Options behind = parsed({"scan", "--store", "s", "--format", "table", "--pool", "64MiB"});
  EXPECT_EQ(behind.verb, Verb::scan);
  EXPECT_EQ(behind.scan.store, "s");
  EXPECT_EQ(behind.global.format, Format::table);
  EXPECT_EQ(behind.global.pool_bytes, 64 * MiB);
}

TEST(CommandLine, LoadTakesItsFileByNameOrPlace) {
  const Options options = parsed(
      {"load", "file.tsv", "--key-columns", "3,1", "--existing", "keep"});
  EXPECT_EQ(options.load.input, "file.tsv");
  EXPECT_EQ(options.load.text.key_columns, (std::vector<uint32_t>{3, 1}));
  EXPECT_EQ(options.load.existing, Existing::keep);
  EXPECT_FALSE(options.load.store);
  EXPECT_EQ(parsed({"load", "--input", "-"}).load.input, "-");
  EXPECT_EQ(parsed({"load", "--no-overwrite"}).load.existing, Existing::keep);
}

TEST(CommandLine, BenchTakesAMixAndNeedsADirectory) {
  const Options options = parsed({"bench", "--records", "7", "--value-bytes", "4KiB", "--threads",
                                  "3", "--read-percent", "95", "--distribution", "zipf",
                                  "--durability", "none", "--seconds", "2"});
  EXPECT_EQ(options.verb, Verb::bench);
  EXPECT_EQ(options.bench.records, 7u);
  EXPECT_EQ(options.bench.value_bytes, 4096u);
  EXPECT_EQ(options.bench.threads, 3u);
  EXPECT_EQ(options.bench.read_percent, 95u);
  EXPECT_EQ(options.bench.distribution, Distribution::zipf);
  EXPECT_EQ(options.bench.durability, Durability::none);
  EXPECT_EQ(options.bench.seconds, 2u);
  EXPECT_TRUE(std::holds_alternative<Options>(parse({"bench", "--dir", "somewhere"})));
  EXPECT_EQ(refused({"bench", "--dir", "d", "--read-percent", "101"}), ExitCode::usage);
  EXPECT_EQ(refused({"bench", "--dir", "d", "--records", "0"}), ExitCode::usage);
  EXPECT_EQ(refused({"bench", "--dir", "d", "--threads", "1025"}), ExitCode::usage);
  EXPECT_EQ(parsed({"tune", "--seconds", "60"}).tune.seconds, 60u);
}

TEST(CommandLine, AKeyMayLookLikeAnOption) {
  EXPECT_EQ(parsed({"get", "--", "--key"}).get.key, "--key");
  EXPECT_EQ(parsed({"put", "k", "-"}).put.value, "-");
  EXPECT_EQ(parsed({"put", "k", ""}).put.value, "");
}

TEST(CommandLine, WrongCallsEndWithTwo) {
  EXPECT_EQ(refused({}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "gett", "k"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "get"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "get", "a", "b"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "stat", "--format", "xml"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "stat", "--pool", "12x"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "load", "--batch", "0"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "load", "--atomic", "--skip", "1"}), ExitCode::usage);
  EXPECT_EQ(refused({"--home", "d", "scan", "--limit", "-1"}), ExitCode::usage);
}

TEST(CommandLine, HelpAndVersionEndWithZero) {
  EXPECT_EQ(refused({"--help"}), ExitCode::ok);
  EXPECT_EQ(refused({"-h"}), ExitCode::ok);
  EXPECT_EQ(refused({"--version"}), ExitCode::ok);
  for (const VerbHelp& help : verb_helps()) {
    EXPECT_EQ(refused({help.name, "--help"}), ExitCode::ok) << help.name;
    EXPECT_EQ(refused({help.name, "-h"}), ExitCode::ok) << help.name;
  }
}

TEST(Suggest, FindsTheNearestWord) {
  const std::vector<std::string> verbs = {"load", "dump", "get", "scan", "stat", "checkpoint"};
  EXPECT_EQ(nearest("gett", verbs), "get");
  EXPECT_EQ(nearest("sacn", verbs), "scan");
  EXPECT_EQ(nearest("check", verbs), "checkpoint");
  EXPECT_EQ(nearest("frobnicate", verbs), "");
}

TEST(ExitCodes, EveryCodeOfTheEngineHasOne) {
  EXPECT_EQ(exit_code_of(Code::not_found), ExitCode::not_found);
  EXPECT_EQ(exit_code_of(Code::exists), ExitCode::conflict);
  EXPECT_EQ(exit_code_of(Code::conflict), ExitCode::conflict);
  EXPECT_EQ(exit_code_of(Code::deadlock), ExitCode::conflict);
  EXPECT_EQ(exit_code_of(Code::busy), ExitCode::busy);
  EXPECT_EQ(exit_code_of(Code::timed_out), ExitCode::busy);
  EXPECT_EQ(exit_code_of(Code::invalid_argument), ExitCode::usage);
  EXPECT_EQ(exit_code_of(Code::unsupported), ExitCode::version);
  EXPECT_EQ(exit_code_of(Code::too_large), ExitCode::bad_input);
  EXPECT_EQ(exit_code_of(Code::corruption), ExitCode::corrupt);
  for (const Code code :
       {Code::closed, Code::io_error, Code::no_space, Code::no_memory, Code::failed}) {
    EXPECT_EQ(exit_code_of(code), ExitCode::io);
  }
  EXPECT_EQ(exit_code_of(Error(Code::io_error, "pipe", EPIPE)), ExitCode::broken_pipe);
}

TEST(Table, SetsColumnsAndCutsTheWidest) {
  Table table({{"name"}, {"n", true}}, 12, false);
  table.add({"東京", "5"});
  table.add({"Llanfairpwll", "1,000"});
  std::string text;
  table.print(text);
  EXPECT_EQ(text,
            "name        n\n"
            "------  -----\n"
            "東京        5\n"
            "Llanf…  1,000\n");
}

}  // namespace
}  // namespace aether::cli
