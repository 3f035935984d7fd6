// Rows that expire, in stores of all kinds, by a clock that the tests set.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>

#include "aether/aether.hpp"
#include "aether/backup.h"
#include "sim/sim_os.h"

namespace aether {
namespace {

constexpr IndexKind kKinds[] = {IndexKind::btree, IndexKind::skiplist, IndexKind::rax,
                                IndexKind::lsm, IndexKind::rax_paged};

const char* name_of(IndexKind kind) {
  constexpr const char* kNames[] = {"btree", "skiplist", "rax", "lsm", "rax_paged"};
  return kNames[static_cast<size_t>(kind) - 1];
}

bool has_large_values(IndexKind kind) {
  return kind != IndexKind::skiplist && kind != IndexKind::rax;
}

constexpr uint64_t kHourNs = 3'600'000'000'000;
constexpr uint64_t kHourMs = 3'600'000;

class Expiry : public testing::Test {
 protected:
  Expiry() {
    now_ms_ = os_->wall_ns() / 1'000'000;
    open();
  }

  void open(const std::string& home = "/env") {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home,
                                                     {.pool_bytes = 4 * MiB,
                                                      .log_streams = 2,
                                                      .log_segment_bytes = 1 * MiB,
                                                      .log_bytes_max = 8 * MiB,
                                                      .background_threads = false},
                                                     *os_);
    ASSERT_TRUE(env.has_value()) << env.error().message();
    env_ = *std::move(env);
  }
  void close() {
    ok(env_->close());
    env_.reset();
  }
  void crash(std::optional<Transaction>* open_txn = nullptr) {
    std::unique_ptr<sim::SimOs> after = os_->crash({.seed = 1});
    if (open_txn != nullptr) open_txn->reset();
    env_.reset();
    os_ = std::move(after);
    open();
  }
  KvStore store(IndexKind kind) {
    Result<KvStore> opened = env_->open_store(
        name_of(kind), {.index = kind, .lsm = {.nursery_bytes = 16 * KiB, .block_bytes = 4 * KiB}});
    EXPECT_TRUE(opened.has_value()) << opened.error().message();
    return *opened;
  }
  /// So many hours and a half from the beginning, which no step of the clock meets.
  PutOptions at_hour(uint64_t hour) const {
    return {.expires_at_ms = now_ms_ + hour * kHourMs + kHourMs / 2};
  }
  void pass_hours(uint64_t hours) { os_->sleep_ns(hours * kHourNs); }

  static void ok(const Result<void>& done) {
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  template <typename T>
  static std::optional<Code> code(const Result<T>& done) {
    return done ? std::nullopt : std::optional(done.error().code());
  }
  /// Both ways, by scan, cursor, get and visit, which have to agree.
  static std::string rows(const KvStore& store, Transaction* txn = nullptr) {
    std::string keys;
    const auto take = [&](Bytes key, Bytes value) {
      keys.append(key).append(" ");
      std::string got;
      const Result<void> found = txn != nullptr ? store.get(*txn, key, got) : store.get(key, got);
      EXPECT_TRUE(found.has_value() && got == value) << key;
      return true;
    };
    EXPECT_TRUE((txn != nullptr ? store.scan(*txn, {}, take) : store.scan({}, take)).has_value());
    std::string backward;
    Cursor cursor = txn != nullptr ? store.cursor(*txn) : store.cursor();
    Result<bool> more = cursor.last();
    for (; more && *more; more = cursor.prev()) {
      backward.insert(0, std::string(cursor.key()) + " ");
      const Result<uint64_t> expiry = txn != nullptr ? store.expiry(*txn, cursor.key())
                                                     : store.expiry(cursor.key());
      EXPECT_EQ(cursor.expiry().value(), expiry.value());
    }
    EXPECT_TRUE(more.has_value());
    EXPECT_EQ(backward, keys);
    return keys;
  }
  void verify() {
    const Result<VerifyReport> report = env_->verify();
    ASSERT_TRUE(report.has_value()) << report.error().message();
    for (const VerifyProblem& problem : report->problems) ADD_FAILURE() << problem.message;
  }
  /// Makes a store of runs flush and merge, one in memory write its image, and pages full.
  void churn(IndexKind kind) {
    for (int round = 0; round < 6; ++round) {
      WriteBatch batch;
      for (int i = 0; i < 200; ++i) {
        const std::string key = "z" + std::to_string(i);
        round == 5 ? batch.remove(store(kind), key)
                   : batch.put(store(kind), key, std::string(200, 'z'));
      }
      ok(env_->write(batch));
    }
    ok(env_->checkpoint());
  }

  uint64_t now_ms_ = 0;
  std::unique_ptr<sim::SimOs> os_ = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = 1});
  std::unique_ptr<DbEnv> env_;
};

class ExpiryOfKind : public Expiry, public testing::WithParamInterface<IndexKind> {
 protected:
  KvStore store() { return Expiry::store(GetParam()); }
  void churn() { Expiry::churn(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Every, ExpiryOfKind, testing::ValuesIn(kKinds),
                         [](const auto& of) { return name_of(of.param); });

TEST_P(ExpiryOfKind, FromThenOnARowIsNotThereForAnyCall) {
  ok(store().put("a", "1", at_hour(1)));
  ok(store().put("b", "2", at_hour(3)));
  ok(store().insert("c", "3"));
  ok(store().insert("d", "4", at_hour(1)));
  ok(store().update("c", "5", at_hour(2)));
  EXPECT_EQ(rows(store()), "a b c d ");
  EXPECT_EQ(store().expiry("b").value(), at_hour(3).expires_at_ms);
  pass_hours(2);
  EXPECT_EQ(rows(store()), "b c ");
  EXPECT_EQ(code(store().get("a")), Code::not_found);
  EXPECT_EQ(code(store().visit("a", [](Bytes) { FAIL(); })), Code::not_found);
  EXPECT_EQ(code(store().expiry("a")), Code::not_found);
  EXPECT_EQ(code(store().set_expiry("a", 0)), Code::not_found);
  EXPECT_EQ(code(store().update("a", "x")), Code::not_found);
  EXPECT_EQ(code(store().remove("a")), Code::not_found);
  const Bytes keys[] = {"a", "b", "c", "d"};
  const auto values = store().multi_get(keys).value();
  EXPECT_EQ(values[0], std::nullopt);
  EXPECT_EQ(values[1], "2");
  EXPECT_EQ(values[3], std::nullopt);
  EXPECT_EQ(store().remove_range({}).value(), 2u);
  ok(store().insert("a", "again"));
  EXPECT_EQ(store().expiry("a").value(), 0u);
  ok(store().insert("d", "again", at_hour(1)));
  EXPECT_EQ(rows(store()), "a ") << "d had expired when it was written";
  verify();
}

TEST_P(ExpiryOfKind, IsChangedTakenAwayAndForgottenByAPlainWrite) {
  ok(store().put("a", "1", at_hour(1)));
  ok(store().put("b", "2"));
  ok(store().put("c", "3", at_hour(1)));
  ok(store().put("d", "4", at_hour(1)));
  ok(store().set_expiry("a", at_hour(3).expires_at_ms));
  ok(store().set_expiry("b", at_hour(1).expires_at_ms));
  ok(store().set_expiry("c", 0));
  ok(store().put("d", "5"));
  EXPECT_EQ(store().get("a").value(), "1");
  EXPECT_EQ(store().get("b").value(), "2");
  pass_hours(2);
  EXPECT_EQ(rows(store()), "a c d ");
  EXPECT_EQ(store().get("c").value(), "3");
  EXPECT_EQ(store().expiry("d").value(), 0u);
  pass_hours(2);
  EXPECT_EQ(rows(store()), "c d ");
}

TEST_P(ExpiryOfKind, OfValuesOfEverySizeAndTheirPagesComeBack) {
  if (!has_large_values(GetParam())) return;
  std::map<std::string, std::string> values;
  for (const size_t bytes : {0, 1, 900, 1000, 3900, 4000, 4040, 4050, 4060, 4070, 5000, 200'000}) {
    const std::string key = "key" + std::to_string(100'000 + bytes);
    values[key] = std::string(bytes, 'v');
    ok(store().put(key, values[key]));
    ok(store().set_expiry(key, at_hour(2).expires_at_ms));
    ok(store().put(key + "x", values[key], at_hour(2)));
    values[key + "x"] = values[key];
    Transaction txn = *env_->begin();
    ok(store().set_expiry(txn, key, at_hour(9).expires_at_ms));
    ok(store().set_expiry(txn, key, at_hour(8).expires_at_ms));
    EXPECT_EQ(store().get(txn, key).value(), values[key]);
    if (bytes % 2 == 0) {
      ok(txn.abort());
    } else {
      ok(store().set_expiry(txn, key, at_hour(2).expires_at_ms));
      ok(txn.commit());
    }
  }
  for (const auto& [key, value] : values) {
    EXPECT_EQ(store().get(key).value_or("(none)"), value);
    EXPECT_EQ(store().expiry(key).value(), at_hour(2).expires_at_ms) << key;
  }
  churn();
  for (const auto& [key, value] : values) EXPECT_EQ(store().get(key).value_or("(none)"), value);
  pass_hours(3);
  EXPECT_EQ(rows(store()), "");
  for (const auto& [key, value] : values) ok(store().insert(key, "small"));
  churn();
  verify();
}

// Goal:   what a snapshot has read it reads again, whatever time passes and whatever is collected meanwhile.
TEST_P(ExpiryOfKind, ASnapshotReadsTheSameAsLongAsItIsOpen) {
  for (const char* key : {"a", "b", "c"}) ok(store().put(key, key, at_hour(1)));
  Transaction old = *env_->begin();
  Transaction silent = *env_->begin();
  EXPECT_EQ(rows(store(), &old), "a b c ");
  pass_hours(2);
  EXPECT_EQ(rows(store(), &old), "a b c ");
  EXPECT_EQ(rows(store(), &silent), "a b c ") << "its moment is when it began";
  EXPECT_EQ(rows(store()), "");
  Transaction later = *env_->begin();
  EXPECT_EQ(rows(store(), &later), "");
  ok(store().insert("b", "new"));
  churn();
  EXPECT_EQ(rows(store(), &old), "a b c ");
  EXPECT_EQ(store().get(old, "b").value(), "b");
  EXPECT_EQ(rows(store(), &later), "");
  EXPECT_EQ(rows(store()), "b ");
  // For its own moment the row is there; but somebody has written it since.
  EXPECT_EQ(code(store().update(old, "b", "x")), Code::conflict);
  ok(store().update(old, "a", "kept"));
  ok(old.commit());
  EXPECT_EQ(store().get("a").value(), "kept");
  later = *env_->begin({.isolation = Isolation::read_committed});
  ok(store().put("d", "d", at_hour(3)));
  EXPECT_EQ(rows(store(), &later), "a b d ");
  pass_hours(2);
  EXPECT_EQ(rows(store(), &later), "a b ");
}

TEST_P(ExpiryOfKind, TheClockIsFollowedForwardAndNeverBack) {
  ok(store().put("a", "1", at_hour(1)));
  ok(store().put("b", "2", at_hour(5)));
  EXPECT_EQ(rows(store()), "a b ");
  os_->jump_wall_clock(static_cast<int64_t>(2 * kHourNs));
  EXPECT_EQ(rows(store()), "b ");
  os_->jump_wall_clock(-static_cast<int64_t>(4 * kHourNs));
  EXPECT_EQ(rows(store()), "b ") << "not there again";
  pass_hours(4);
  EXPECT_EQ(rows(store()), "") << "time passes though the clock was set back";
}

TEST_P(ExpiryOfKind, OutlivesACrashAndIsTakenBackWithItsTransaction) {
  ok(store().put("a", "1", at_hour(1)));
  ok(store().put("b", "2", at_hour(3)));
  ok(store().put("c", "3"));
  ok(env_->checkpoint());
  ok(store().put("d", "4", at_hour(3)));
  ok(store().set_expiry("c", at_hour(4).expires_at_ms));
  {
    Transaction aborted = *env_->begin();
    ok(store().set_expiry(aborted, "a", 0));
    const Savepoint here = aborted.savepoint().value();
    ok(store().remove(aborted, "b"));
    ok(aborted.rollback_to(here));
    EXPECT_EQ(store().expiry(aborted, "b").value(), at_hour(3).expires_at_ms);
    ok(aborted.abort());
  }
  EXPECT_EQ(store().expiry("a").value(), at_hour(1).expires_at_ms);
  std::optional<Transaction> loser = *env_->begin();
  ok(store().set_expiry(*loser, "a", 0));
  ok(store().put(*loser, "b", "not committed"));
  ok(store().remove(*loser, "d"));
  ok(store().put("e", "5", at_hour(1)));
  crash(&loser);
  EXPECT_EQ(rows(store()), "a b c d e ");
  EXPECT_EQ(store().expiry("a").value(), at_hour(1).expires_at_ms);
  EXPECT_EQ(store().expiry("b").value(), at_hour(3).expires_at_ms);
  EXPECT_EQ(store().expiry("c").value(), at_hour(4).expires_at_ms);
  EXPECT_EQ(store().expiry("d").value(), at_hour(3).expires_at_ms);
  EXPECT_EQ(store().get("b").value(), "2");
  close();
  open();
  pass_hours(2);
  EXPECT_EQ(rows(store()), "b c d ");
  verify();
}

TEST_P(ExpiryOfKind, OfATransactionInDoubt) {
  ok(store().put("a", "1", at_hour(1)));
  ok(store().put("b", "2", at_hour(1)));
  ok(store().put("c", "3"));
  std::optional<Transaction> txn = *env_->begin();
  ok(store().set_expiry(*txn, "a", at_hour(9).expires_at_ms));
  ok(store().remove(*txn, "b"));
  ok(store().set_expiry(*txn, "c", at_hour(1).expires_at_ms));
  ASSERT_EQ(txn->prepare("gid").value(), PrepareVote::prepared);
  crash(&txn);
  EXPECT_EQ(rows(store()), "a b c ");
  EXPECT_EQ(store().expiry("b").value(), at_hour(1).expires_at_ms);
  EXPECT_EQ(code(store().set_expiry("a", 0)), Code::conflict);
  ok(env_->rollback_prepared("gid"));
  EXPECT_EQ(store().get("b").value(), "2");
  EXPECT_EQ(store().expiry("a").value(), at_hour(1).expires_at_ms);
  EXPECT_EQ(store().expiry("c").value(), 0u);
  pass_hours(2);
  EXPECT_EQ(rows(store()), "c ");
}

// Goal:   for a serializable transaction, to have found a row expired is to have found none: who puts one there conflicts.
TEST_P(ExpiryOfKind, ASerializableTransactionDependsOnWhatItFoundExpired) {
  ok(store().put("a", "1", at_hour(1)));
  ok(store().put("b", "1", at_hour(1)));
  pass_hours(2);
  Transaction one = *env_->begin({.isolation = Isolation::serializable});
  Transaction two = *env_->begin({.isolation = Isolation::serializable});
  EXPECT_EQ(code(store().get(one, "a")), Code::not_found);
  EXPECT_EQ(code(store().get(two, "b")), Code::not_found);
  ok(store().insert(one, "b", "of one"));
  ok(store().insert(two, "a", "of two"));
  ok(one.commit());
  EXPECT_EQ(code(two.commit()), Code::conflict);
  EXPECT_EQ(rows(store()), "b ");
}

TEST_P(ExpiryOfKind, InABatchAndUnderALock) {
  WriteBatch batch;
  batch.put(store(), "a", "1", at_hour(1));
  batch.insert(store(), "b", "2", at_hour(3));
  batch.put(store(), "c", "3");
  batch.set_expiry(store(), "c", at_hour(1).expires_at_ms);
  ok(env_->write(batch));
  EXPECT_EQ(rows(store()), "a b c ");
  pass_hours(2);
  EXPECT_EQ(rows(store()), "b ");
  Transaction txn = *env_->begin();
  EXPECT_EQ(code(store().lock_for_update(txn, "a")), Code::not_found);
  EXPECT_EQ(store().lock_for_update(txn, "b").value(), "2");
  ok(store().insert(txn, "a", "new", at_hour(9)));
  ok(store().set_expiry(txn, "b", 0));
  ok(txn.commit());
  pass_hours(2);
  EXPECT_EQ(rows(store()), "a b ");
}

// Goal:   expired rows give their room back: a store that is written round and round does not grow.
TEST_P(ExpiryOfKind, ExpiredRowsAreCollected) {
  const std::string value(200, 'v');
  uint64_t first_bytes = 0;
  for (uint64_t round = 0; round < 12; ++round) {
    for (uint64_t i = 0; i < 400; i += 20) {
      WriteBatch batch;
      for (uint64_t j = i; j < i + 20; ++j) {
        const std::string key = "key" + std::to_string(1000 + j) + "-" + std::to_string(round);
        batch.put(store(), key, value, at_hour(round));
      }
      ok(env_->write(batch));
    }
    pass_hours(1);
    ok(env_->checkpoint());
    const StoreStats stats = env_->stats().stores.at(0);
    uint64_t bytes = stats.rows;
    for (const SortedRunStats& run : stats.lsm.sorted_runs) bytes += run.entries - run.tombstones;
    if (round == 3) first_bytes = bytes;
    EXPECT_TRUE(round <= 3 || bytes <= 2 * first_bytes) << round << ": " << bytes;
  }
  EXPECT_EQ(rows(store()), "");
  if (GetParam() == IndexKind::btree || GetParam() == IndexKind::rax_paged) {
    const VerifyReport report = env_->verify().value();
    EXPECT_LT(report.keys, 2000u) << "of 4800 that were put";
  }
  verify();
}

// Goal:   a store of runs tells how many of its entries expire, and how many have, after flushes, merges and opening again; what
//         a merge has met does not count any more.
// Method: keys whose times are some hours apart, by a clock that goes on with the test.
TEST_F(Expiry, AStoreOfRunsCountsThem) {
  const auto lsm = [this] {
    const EnvStats stats = env_->stats();
    return std::find_if(stats.stores.begin(), stats.stores.end(),
                        [](const StoreStats& each) { return each.index == "lsm"; })
        ->lsm;
  };
  for (int i = 0; i < 120; ++i) {
    // Among the keys of `churn`, else a merge would move the run as it is.
    const std::string key = "z1-" + std::to_string(1000 + i);
    ok(i < 100 ? store(IndexKind::lsm).put(key, "value", at_hour(1 + static_cast<uint64_t>(i) % 10))
               : store(IndexKind::lsm).put(key, "value"));
  }
  ok(env_->checkpoint());
  for (const bool is_opened_again : {false, true}) {
    if (is_opened_again) {
      close();
      open();
      store(IndexKind::lsm);
    }
    EXPECT_EQ(lsm().expiring, 100u);
    EXPECT_EQ(lsm().expired, is_opened_again ? 30u : 0u);
    if (!is_opened_again) pass_hours(4);
  }
  pass_hours(2);
  EXPECT_EQ(lsm().expired, 50u);
  EXPECT_EQ(lsm().sorted_runs.back().expired, 50u);
  EXPECT_EQ(lsm().sorted_runs.back().parts.front().expiring, 100u);
  churn(IndexKind::lsm);
  EXPECT_EQ(lsm().expiring, 50u) << "a merge has met them";
  EXPECT_EQ(lsm().expired, 0u);
  verify();
}

TEST_F(Expiry, ABackupHasItAndSoHasWhatIsMadeOfIt) {
  for (const IndexKind kind : kKinds) {
    ok(store(kind).put("a", "1", at_hour(1)));
    ok(store(kind).put("b", "2", at_hour(3)));
  }
  ASSERT_TRUE(env_->backup({.directory = "/backup"}).has_value());
  close();
  ASSERT_TRUE(
      restore({.backups = {"/backup"}, .home = "/restored", .background_threads = false}, *os_)
          .has_value());
  open("/restored");
  for (const IndexKind kind : kKinds) {
    EXPECT_EQ(rows(store(kind)), "a b ") << name_of(kind);
    EXPECT_EQ(store(kind).expiry("b").value(), at_hour(3).expires_at_ms);
  }
  pass_hours(2);
  for (const IndexKind kind : kKinds) EXPECT_EQ(rows(store(kind)), "b ") << name_of(kind);
}

// Goal:   any calls, over all kinds in one transaction, clock steps, crashes: what a map with times would answer.
class ExpiryAgainstAModel : public Expiry {
 protected:
  struct Row {
    std::string value;
    uint64_t hour = 0;  ///< 0: it stays.
  };
  using Model = std::map<std::string, Row>;

  void step();
  void write(KvStore& store, Transaction& txn, Model& model);
  bool is_there(const Model& model, const std::string& key, uint64_t now) const {
    const auto row = model.find(key);
    return row != model.end() && (row->second.hour == 0 || row->second.hour >= now);
  }
  uint64_t pick(uint64_t below) { return random_() % below; }
  std::string key() { return "key" + std::to_string(pick(40)); }
  uint64_t when(uint64_t hour) const { return hour == 0 ? 0 : at_hour(hour).expires_at_ms; }
  void check();

  std::mt19937_64 random_;
  uint64_t hour_ = 1;  ///< That have passed; a row of this hour is still there.
  std::map<IndexKind, Model> models_;
};

void ExpiryAgainstAModel::write(KvStore& store, Transaction& txn, Model& model) {
  const std::string k = key();
  const bool there = is_there(model, k, hour_);
  const uint64_t hour = pick(3) == 0 ? 0 : hour_ + pick(4);
  const std::string value(pick(10) == 0 ? 1 + pick(9000) : pick(300),
                          static_cast<char>('a' + pick(26)));
  const PutOptions options{.expires_at_ms = when(hour)};
  switch (pick(6)) {
    case 0:
      ASSERT_EQ(code(store.insert(txn, k, value, options)),
                there ? std::optional(Code::exists) : std::nullopt)
          << k;
      if (!there) model[k] = {value, hour};
      break;
    case 1:
      ASSERT_EQ(code(store.update(txn, k, value, options)),
                there ? std::nullopt : std::optional(Code::not_found));
      if (there) model[k] = {value, hour};
      break;
    case 2:
      ASSERT_EQ(code(store.remove(txn, k)), there ? std::nullopt : std::optional(Code::not_found))
          << k;
      model.erase(k);
      break;
    case 3:
      ASSERT_EQ(code(store.set_expiry(txn, k, when(hour))),
                there ? std::nullopt : std::optional(Code::not_found));
      if (there) model[k].hour = hour;
      break;
    default:
      ok(store.put(txn, k, value, options));
      model[k] = {value, hour};
      break;
  }
  if (there && model.contains(k)) {
    ASSERT_EQ(store.expiry(txn, k).value_or(1), when(model[k].hour)) << k;
  }
}

void ExpiryAgainstAModel::step() {
  switch (pick(12)) {
    case 0: ok(env_->checkpoint()); break;
    case 1: crash(); break;
    case 2: {
      const uint64_t hours = 1 + pick(2);
      pass_hours(hours);
      hour_ += hours;
      break;
    }
    default: break;
  }
  std::map<IndexKind, Model> after = models_;
  Transaction txn = *env_->begin();
  for (uint64_t writes = 1 + pick(20); writes > 0; --writes) {
    const IndexKind kind = kKinds[pick(std::size(kKinds))];
    KvStore rows = store(kind);
    write(rows, txn, after[kind]);
  }
  if (pick(4) == 0) {
    ok(txn.abort());
  } else {
    ok(txn.commit());
    models_ = std::move(after);
  }
}

void ExpiryAgainstAModel::check() {
  for (const IndexKind kind : kKinds) {
    SCOPED_TRACE(name_of(kind));
    std::map<std::string, std::string> expected;
    for (const auto& [k, row] : models_[kind]) {
      if (is_there(models_[kind], k, hour_)) expected[k] = row.value;
    }
    std::map<std::string, std::string> found;
    ASSERT_TRUE(store(kind)
                    .scan({}, [&](Bytes k, Bytes value) { return found.emplace(k, value).second; })
                    .has_value());
    ASSERT_TRUE(found == expected) << found.size() << " rows, not " << expected.size();
    for (int i = 0; i < 40; ++i) {
      const std::string k = "key" + std::to_string(i);
      ASSERT_EQ(store(kind).get(k).has_value(), expected.contains(k)) << k;
    }
  }
}

TEST_F(ExpiryAgainstAModel, AnswersAsThatDoes) {
  const uint64_t seed = testing::UnitTest::GetInstance()->random_seed() != 0
                            ? static_cast<uint64_t>(testing::UnitTest::GetInstance()->random_seed())
                            : std::random_device()();
  SCOPED_TRACE("--gtest_random_seed=" + std::to_string(seed));
  random_.seed(seed);
  pass_hours(hour_);
  for (int i = 0; i < 200; ++i) {
    step();
    if (i % 5 == 0) check();
    if (HasFatalFailure()) return;
  }
  check();
  verify();
}

}  // namespace
}  // namespace aether
