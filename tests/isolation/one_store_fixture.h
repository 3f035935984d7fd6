// An environment with one store on a simulated disk, which may crash.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "aether/aether.hpp"
#include "sim/sim_os.h"

namespace aether {

using Rows = std::map<std::string, std::string>;

class OneStoreTest : public testing::Test {
 protected:
  explicit OneStoreTest(uint64_t log_bytes_max) : log_bytes_max_(log_bytes_max) { open(); }

  void open() {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open("/env",
                                                     {.pool_bytes = 4 * MiB,
                                                      .log_streams = 2,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = log_bytes_max_,
                                                      .background_threads = false},
                                                     *os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
    store_.emplace(*env_->open_store("s"));
  }
  void reopen() {
    const Result<void> closed = env_->close();
    EXPECT_TRUE(closed.has_value()) << closed.error().message();
    env_.reset();
    open();
  }
  void crash(uint64_t seed = 1) {
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = seed});
    env_.reset();
    os_ = std::move(after);
    open();
  }

  void put(Transaction& txn, const std::string& key, const std::string& value) {
    ok(store_->put(txn, key, value));
  }
  static void ok(const Result<void>& done) {
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }

  Rows rows() {
    Rows result;
    const auto add = [&](Bytes key, Bytes value) { return result.emplace(key, value).second; };
    EXPECT_TRUE(store_->scan({}, add).has_value());
    for (const auto& [key, value] : result) EXPECT_EQ(store_->get(key).value_or("(none)"), value);
    return result;
  }
  Rows rows(Transaction& txn) {
    Rows result;
    const auto add = [&](Bytes key, Bytes value) { return result.emplace(key, value).second; };
    EXPECT_TRUE(store_->scan(txn, {}, add).has_value());
    return result;
  }
  void verify() {
    const VerifyReport report = *env_->verify();
    for (const VerifyProblem& problem : report.problems) ADD_FAILURE() << problem.message;
  }

  const uint64_t log_bytes_max_;
  std::unique_ptr<sim::SimOs> os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 1});
  std::unique_ptr<DbEnv> env_;
  std::optional<KvStore> store_;
};

}  // namespace aether
