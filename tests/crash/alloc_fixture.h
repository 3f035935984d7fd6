// The tests' common part: a directory, an environment in it under attack, and transactions by chance.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include "base/spare_memory.h"
#include "crash/alloc_attack.h"

namespace aether::crash {

inline uint64_t seed_of_environment() {
  const char* text = std::getenv("AETHER_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 0);
}

/// A directory, an attack, and what must be as it was in the end: blocks of memory and descriptors.
class AllocFailure : public testing::Test {
 protected:
  AllocFailure() : attack_(seed_of_environment()) {
    attack_.set_stride(effort_.stride(3));
    base::drop_spare_memory();
    blocks_ = faults::blocks();
    descriptors_ = open_descriptors();
  }
  void make(const EnvOptions& options = small_options()) {
    subject_.emplace(directory_ / "env", options);
  }
  /// The end of a test: all is there, opened again too, and nothing has leaked.
  void finish() {
    faults::disarm();
    subject_->check_idle();
    subject_->check_whole();
    subject_->close();
    subject_->open();
    subject_->check_whole();
    subject_->close();
    failed_ = subject_->failures();
    subject_.reset();
    tell();
    EXPECT_EQ(open_descriptors(), descriptors_);
  }
  void tell() {
    const Tally& tally = attack_.tally();
    std::printf(
        "%llu answers of no_memory, %llu calls that went through all the same, %llu calls; %llu "
        "failed environments\n",
        static_cast<unsigned long long>(tally.failures),
        static_cast<unsigned long long>(tally.survived),
        static_cast<unsigned long long>(tally.calls), static_cast<unsigned long long>(failed_));
  }
  /// After the test's body, whose own memory has gone: nothing has leaked.
  void TearDown() override {
    subject_.reset();
    attack_.forget();
    base::drop_spare_memory();
    if (!HasFailure()) {
      EXPECT_EQ(faults::blocks(), blocks_);
    }
  }

  Subject& subject() { return *subject_; }
  KvStore& store() { return subject_->store(); }
  DbEnv& env() { return subject_->env(); }
  Rows& rows() { return subject_->rows(); }

  std::string value(size_t bytes) {
    return std::string(bytes, static_cast<char>('a' + attack_.pick(26)));
  }
  /// Mostly short, some longer than what a page's slot held before, some in pages of their own.
  std::string any_value() {
    const uint64_t kind = attack_.pick(20);
    if (kind == 0) return value(5'000 + attack_.pick(9'000));
    if (kind < 6) return value(300 + attack_.pick(600));
    return value(attack_.pick(60));
  }
  void fill(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const std::string bytes = any_value();
      ASSERT_TRUE(store().put(key_of(i), bytes));
      rows()[key_of(i)] = bytes;
    }
  }

  /// One write inside `txn`, which sees it; `after`: what the transaction makes of the rows.
  void write_in(Transaction& txn, Rows& after) {
    const std::string key = key_of(attack_.pick(260)), bytes = any_value();
    const auto unchanged = [&] {
      const Result<std::string> got = store().get(txn, key);
      ASSERT_EQ(got.has_value(), after.contains(key)) << key;
      if (got) {
        ASSERT_TRUE(*got == after[key]);
      }
    };
    if (attack_.pick(4) == 0 && after.contains(key)) {
      ASSERT_TRUE(attack_.on(
          "txn.remove", [&] { return store().remove(txn, key); }, unchanged));
      after.erase(key);
    } else {
      ASSERT_TRUE(attack_.on(
          "txn.put", [&] { return store().put(txn, key, bytes); }, unchanged));
      after[key] = bytes;
    }
    unchanged();
  }
  void batch_in(Transaction& txn, Rows& after) {
    WriteBatch batch;
    Rows then = after;
    for (int i = 0; i < 5; ++i) {
      const std::string key = key_of(attack_.pick(260)), bytes = any_value();
      batch.put(store(), key, bytes);
      then[key] = bytes;
    }
    // Its own rollback may lack memory too: then the transaction can only be rolled back, and ends here.
    faults::arm({.number = 1 + attack_.pick(30), .sticky = false});
    const Result<void> done = txn.write(batch);
    faults::disarm();
    if (!done) {
      ASSERT_EQ(done.error().code(), Code::no_memory);
      ASSERT_TRUE(txn.active());
      ASSERT_TRUE(txn.write(batch));
    }
    after = std::move(then);
  }
  void run_transaction() {
    const Isolation isolations[] = {Isolation::snapshot, Isolation::serializable,
                                    Isolation::read_committed};
    const TxnOptions options{.isolation = isolations[attack_.pick(3)]};
    Result<Transaction> begun = attack_.on("begin", [&] { return env().begin(options); });
    ASSERT_TRUE(begun);
    Transaction txn = *std::move(begun);
    Rows after = rows();
    for (uint64_t i = attack_.pick(8); i > 0; --i) write_in(txn, after);
    const Rows at_savepoint = after;
    const Result<Savepoint> savepoint = attack_.on("savepoint", [&] { return txn.savepoint(); });
    ASSERT_TRUE(savepoint);
    for (uint64_t i = attack_.pick(6); i > 0; --i) write_in(txn, after);
    if (attack_.pick(3) == 0) batch_in(txn, after);
    if (attack_.pick(3) == 0) {
      ASSERT_TRUE(attack_.on("rollback_to", [&] { return txn.rollback_to(*savepoint); }));
      after = at_savepoint;
    }
    end_transaction(std::move(txn), std::move(after));
  }
  /// Its end, by one of the ways there are. One that answers no_memory has taken it back.
  void end_transaction(Transaction txn, Rows after) {
    const uint64_t way = attack_.pick(5);
    if (way == 0) {
      ASSERT_TRUE(attack_.on("abort", [&] { return txn.abort(); }));
      subject().check_all();
      return;
    }
    if (way == 1) return prepare_and_decide(std::move(txn), std::move(after));
    faults::arm({.number = 1 + attack_.pick(6), .sticky = attack_.pick(2) == 0});
    Result<void> done;
    std::optional<CommitTicket> ticket;
    if (way == 2) {
      const Result<CommitTicket> called = txn.commit_async();
      if (called) ticket = *called;
      if (!called) done = called.error().clone();
    } else {
      done = txn.commit();
    }
    { const Transaction gone = std::move(txn); }
    faults::disarm();
    if (ticket) done = ticket->wait();  // Else a failure of the next one might take it along.
    if (!done && done.error().code() == Code::no_memory) {
      ++refused_;
      subject().check_idle();
      return subject().check_all();
    }
    subject().settle(done, std::move(after));
    subject().check_all();
  }
  void prepare_and_decide(Transaction txn, Rows after) {
    const bool writes = after != rows();
    const Result<PrepareVote> vote = attack_.on("prepare", [&] { return txn.prepare("gid"); });
    ASSERT_TRUE(vote) << vote.error().message();
    if (*vote == PrepareVote::read_only) {
      ASSERT_FALSE(writes);
      return;
    }
    ASSERT_EQ(attack_.on("prepared", [&] { return env().prepared(); }).value().size(), 1u);
    if (attack_.pick(2) == 0) {
      ASSERT_TRUE(attack_.on("rollback_prepared", [&] { return env().rollback_prepared("gid"); }));
    } else {
      subject().settle(attack_.on("commit_prepared", [&] { return env().commit_prepared("gid"); }),
                       std::move(after));
    }
    subject().check_all();
  }

  const Effort effort_;
  QuickDirectory directory_;
  uint64_t refused_ = 0;  ///< Commits that were taken back.
  Attack attack_;
  std::optional<Subject> subject_;
  int64_t blocks_ = 0;
  uint64_t failed_ = 0;
  size_t descriptors_ = 0;
};

}  // namespace aether::crash
