// Goals and the report, from results that are written here.
#include "peers/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "peers/goals.h"
#include "peers/results.h"
#include "peers/workload.h"

namespace aether::bench {
namespace {

using testing::HasSubstr;

JsonObject run(const std::string& engine, const std::string& workload, double rate,
               double records = 2000000, double repeat = 0, double value_bytes = 100) {
  JsonObject result;
  result.set("engine", engine);
  result.set("workload", workload);
  result.set("threads", 2.0);
  result.set("repeat", repeat);
  result.set("records", records);
  result.set("value_bytes", value_bytes);
  result.set("ops_per_s", rate);
  result.set("max_us", 77.0);
  return result;
}

Goal goal(const std::string& line) {
  const Result<std::vector<Goal>> goals = parse_goals(line);
  EXPECT_TRUE(goals.has_value());
  return goals->at(0);
}

TEST(Goals, TheBestPeerDecides) {
  const std::vector<JsonObject> runs = {
      run("aether", "get-uniform", 300), run("lmdb", "get-uniform", 200),
      run("rocksdb", "get-uniform", 100), run("aether-serializable", "get-uniform", 1000)};
  const Results results(runs);
  const Judged met = judge(goal("get-uniform\t2\t2000000\taether\tops_per_s\tbest\t>=1.5"),
                           results);
  EXPECT_EQ(met.verdict, Verdict::met);
  EXPECT_DOUBLE_EQ(met.figure, 1.5);
  EXPECT_THAT(met.compared, HasSubstr("lmdb"));
  const Judged missed = judge(goal("get-uniform\t2\t2000000\taether\tops_per_s\tbest\t>=1.51"),
                              results);
  EXPECT_EQ(missed.verdict, Verdict::missed);
  const Judged named = judge(goal("get-uniform\t2\t2000000\taether\tops_per_s\tbdb,rocksdb\t>=3"),
                             results);
  EXPECT_EQ(named.verdict, Verdict::met);
  EXPECT_DOUBLE_EQ(named.figure, 3);
}

TEST(Goals, MediansAreCompared) {
  std::vector<JsonObject> runs = {run("lmdb", "get-uniform", 100)};
  double repeat = 0;
  for (const double rate : {90.0, 1000.0, 120.0}) {
    runs.push_back(run("aether", "get-uniform", rate, 2000000, repeat++));
  }
  const Results results(runs);
  EXPECT_DOUBLE_EQ(
      judge(goal("get-uniform\t2\t2000000\taether\tops_per_s\tbest\t>=1"), results).figure, 1.2);
}

TEST(Goals, TheDevice) {
  std::vector<JsonObject> runs = {run("aether", "oom-get", 90)};
  for (const auto& form : {std::pair("device-direct", 100.0), std::pair("device-buffered", 50.0)}) {
    JsonObject device = run(form.first, "dev-randread", form.second);
    device.set("threads", 1.0);
    runs.push_back(device);
  }
  const Results results(runs);
  const Judged judged = judge(goal("oom-get\t2\t2000000\taether\tops_per_s\tdev:randread\t>=0.9"),
                              results);
  EXPECT_EQ(judged.verdict, Verdict::met);
  EXPECT_DOUBLE_EQ(judged.figure, 0.9);
}

TEST(Goals, AFigureMayBeTheGoal) {
  const std::vector<JsonObject> runs = {run("aether", "open", 20)};
  const Results results(runs);
  EXPECT_EQ(judge(goal("open\t2\t2000000\taether\tmax_us\t-\t<=77"), results).verdict,
            Verdict::met);
  EXPECT_EQ(judge(goal("open\t2\t2000000\taether\tmax_us\t-\t<=76.9"), results).verdict,
            Verdict::missed);
  EXPECT_EQ(judge(goal("open\t2\t1000000\taether\tmax_us\t-\t<=77"), results).verdict,
            Verdict::not_measured)
      << "a figure on other data says nothing";
  EXPECT_EQ(judge(goal("open\t2\t2000000\taether\tdisk_bytes\t-\t<=1"), results).verdict,
            Verdict::not_measured);
}

// Goal: a goal that cannot be judged is shown all the same, with the reason.
TEST(Goals, NothingIsDropped) {
  const std::vector<JsonObject> runs = {run("aether", "get-uniform", 300, 1000),
                                        run("lmdb", "get-uniform", 200, 1000)};
  const Result<std::vector<Goal>> goals = parse_goals(
      "# a comment\n\n"
      "get-uniform\t2\t2000000\taether\tops_per_s\tbest\t>=1.5\n"
      "get-uniform\t1\t2000000\taether\tops_per_s\tbest\t>=1.5\n"
      "get-miss\t2\t2000000\taether-lsm\tops_per_s\tbest\t>=1.2\n"
      "get-uniform\t2\t2000000\taether\tops_per_s\tbdb\t>=1.2\n");
  ASSERT_TRUE(goals.has_value());
  const std::string report = make_report(runs, *goals);
  EXPECT_THAT(report, HasSubstr("(the goal is for 2000000 records)"));
  EXPECT_THAT(report, HasSubstr("the workload was not run"));
  EXPECT_THAT(report, HasSubstr("no engine aether-lsm in this run"));
  EXPECT_THAT(report, HasSubstr("nothing to compare with: bdb"));
  EXPECT_THAT(report, HasSubstr("1 met, 0 missed, 3 not measured."));
}

TEST(Goals, AWrongLineIsNamed) {
  for (const char* line :
       {"a\tb", "w\tx\t1\taether\tops_per_s\tbest\t>=1", "w\t1\t1\taether\tops_per_s\tbest\t=1",
        "w\t1\t1\taether\tops_per_s\tbest\t>=", "w\t1\t0\taether\tp99_us\t-\t<=1",
        "w\t1\t1\taether\tp99_us\tbest\t<=1"}) {
    const Result<std::vector<Goal>> goals = parse_goals(std::string("# first\n") + line);
    ASSERT_FALSE(goals.has_value()) << line;
    EXPECT_THAT(std::string(goals.error().message()), HasSubstr("line 2")) << line;
  }
}

TEST(Goals, TheFileInTheTreeIsRightAndNamesWorkloads) {
  std::ifstream file(AETHER_SOURCE_DIR "/bench/peers/goals.tsv");
  std::ostringstream text;
  text << file.rdbuf();
  const Result<std::vector<Goal>> goals = parse_goals(text.str());
  ASSERT_TRUE(goals.has_value()) << goals.error().message();
  EXPECT_GE(goals->size(), 30u);
  for (const Goal& one : *goals) {
    EXPECT_NE(find_workload(one.workload), nullptr) << one.workload;
    if (one.against.rfind("dev:", 0) == 0) {
      EXPECT_NE(find_workload("dev-" + one.against.substr(4)), nullptr) << one.against;
    }
  }
}

TEST(Report, SaysHowCostGrowsWithRecordsAndValues) {
  std::vector<JsonObject> runs;
  for (const double records : {100000.0, 1000000.0}) {
    runs.push_back(run("aether", "get-uniform", 4e11 / records, records));
    runs.push_back(run("aether", "get-uniform", 1e11 / records, records, 0, 4096));
  }
  const std::string report = make_report(runs, {});
  EXPECT_THAT(report, HasSubstr("## 100000 records of 16 + 100 bytes"));
  EXPECT_THAT(report, HasSubstr("| get-uniform | 2 | 100 | aether | 0.50 | 5.00 | 10.00 |"));
  EXPECT_THAT(report, HasSubstr("## Value sizes"));
}

TEST(Report, AFailureAndAnAbsenceAreShown) {
  JsonObject failed = run("lmdb", "get-uniform", 1);
  failed.set("error", std::string("it fell over"));
  JsonObject absent = run("leveldb", "txn-4", 1);
  absent.set("left_out", std::string("it has no transactions"));
  const std::string report = make_report({run("aether", "get-uniform", 1), failed, absent}, {});
  EXPECT_THAT(report, HasSubstr("**lmdb** FAILED: it fell over (get-uniform with 2 threads)"));
  EXPECT_THAT(report, HasSubstr("**leveldb** left out: it has no transactions (txn-4)"));
}

}  // namespace
}  // namespace aether::bench
