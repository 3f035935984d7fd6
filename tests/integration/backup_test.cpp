// Backups of an environment on real files while threads write to it; and pages that are made again.
#include "aether/backup.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "integration/contract_fixture.h"
#include "sim/random.h"

namespace aether::contract {
namespace {

using Table = std::map<std::string, std::string>;

constexpr int kAccounts = 64;
constexpr int kMoney = 1000;

Table table_of(DbEnv& env, const std::string& name) {
  Table rows;
  const Result<KvStore> store = env.open_store(name, {.create = false});
  if (!store) return rows;
  EXPECT_TRUE(ok(store->scan({}, [&](Bytes key, Bytes value) {
    rows[std::string(key)] = std::string(value);
    return true;
  })));
  return rows;
}

int money_in(const Table& accounts) {
  int sum = 0;
  for (const auto& [key, value] : accounts) sum += std::atoi(value.c_str());
  return sum;
}

/// Threads that move money, keep large values, fill and drop stores, until it goes.
class Load {
 public:
  explicit Load(DbEnv& env) : env_(env) {
    WriteBatch batch;
    const KvStore accounts = env.open_store("accounts").value();
    for (int i = 0; i < kAccounts; ++i) batch.put(accounts, key_of(i), std::to_string(kMoney));
    EXPECT_TRUE(ok(env.write(batch)));
    for (uint64_t i = 0; i < 2; ++i) threads_.emplace_back([this, i] { move_money(i); });
    threads_.emplace_back([this] { keep_large_values(); });
    threads_.emplace_back([this] { fill_and_drop(); });
  }
  ~Load() { stop(); }
  void stop() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  uint64_t commits() const { return commits_; }

 private:
  void move_money(uint64_t seed) {
    sim::Random random(seed + 1);
    KvStore accounts = env_.open_store("accounts").value();
    while (!stop_) {
      Transaction txn = env_.begin().value();
      const std::string from = key_of(static_cast<int>(random.below(kAccounts)));
      const std::string to = key_of(static_cast<int>(random.below(kAccounts)));
      const auto change = [&](const std::string& key, int by) -> Result<void> {
        AETHER_TRY_ASSIGN(const std::string value, accounts.get(txn, key));
        return accounts.put(txn, key, std::to_string(std::atoi(value.c_str()) + by));
      };
      if (change(from, -3) && change(to, 3) && txn.commit()) ++commits_;
    }
  }
  void keep_large_values() {
    sim::Random random(7);
    KvStore large = env_.open_store("large").value();
    while (!stop_) {
      const uint64_t number = random.below(20);
      const std::string value(2000 + random.below(60000), static_cast<char>('a' + number));
      EXPECT_TRUE(ok(large.put(key_of(static_cast<int>(number)), value)));
    }
  }
  void fill_and_drop() {
    while (!stop_) {
      KvStore bulk = env_.open_store("bulk").value();
      int i = 0;
      std::string key, value(120, 'b');
      EXPECT_TRUE(ok(bulk.bulk_load([&](Bytes& k, Bytes& v) {
        key = key_of(i);
        k = key;
        v = value;
        return ++i <= 2000;
      })));
      for (int j = 0; j < 200; ++j) EXPECT_TRUE(ok(bulk.put(key_of(j * 9), "changed")));
      const Result<void> dropped = env_.drop_store("bulk");
      EXPECT_TRUE(dropped || dropped.error().code() == Code::busy) << dropped.error().message();
      if (!dropped) return;  // Others' transactions are open nearly always: once is enough then.
    }
  }

  DbEnv& env_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> commits_{0};
  std::vector<std::thread> threads_;
};

RestoreOptions restore_options(std::vector<std::string> backups, const std::string& home) {
  RestoreOptions options;
  options.backups = std::move(backups);
  options.home = home;
  options.pool_bytes = 4 * MiB;
  return options;
}

/// The environment at `home` is sound; its stores' rows.
std::map<std::string, Table> all_rows(const std::string& home) {
  std::map<std::string, Table> all;
  EnvOptions options = small_options();
  options.create = false;
  const Result<std::unique_ptr<DbEnv>> env = DbEnv::open(home, options);
  EXPECT_TRUE(ok(env));
  if (!env) return all;
  const Result<VerifyReport> verified = (*env)->verify();
  EXPECT_TRUE(ok(verified));
  EXPECT_TRUE(!verified || verified->ok())
      << "page " << verified->problems[0].page_id << ": " << verified->problems[0].message;
  const Result<std::vector<std::string>> names = (*env)->list_stores();
  EXPECT_TRUE(ok(names));
  if (!names) return all;
  for (const std::string& name : *names) all[name] = table_of(**env, name);
  return all;
}

// Goal:   backups that are made while others write are each a state that was; with the archive, the last state is reached
//         exactly, from each of them.
// Method: a bank, large values that replace each other, bulk loads; one full backup and two incremental ones under load.
TEST(ConcurrentBackup, UnderLoadIsAConsistentState) {
  Place place;
  place.options.archive_directory = place.directory / "archive";
  ASSERT_TRUE(ok(place.open()));
  const std::string full = place.directory / "full", second = place.directory / "second",
                    third = place.directory / "third";
  uint64_t commits = 0;
  std::vector<BackupReport> reports;
  {
    Load load(*place.env);
    while (load.commits() < 200) std::this_thread::yield();
    std::string parent;
    for (const std::string& directory : {full, second, third}) {
      BackupOptions options;
      options.directory = directory;
      options.parent = parent;
      Result<BackupReport> done = place.env->backup(options);
      ASSERT_TRUE(ok(done));
      reports.push_back(*done);
      parent = directory;
      const uint64_t before = load.commits();
      while (load.commits() < before + 200) std::this_thread::yield();
    }
    load.stop();
    commits = load.commits();
  }
  std::map<std::string, Table> wanted;
  const Result<std::vector<std::string>> names = place.env->list_stores();
  ASSERT_TRUE(ok(names));
  for (const std::string& name : *names) wanted[name] = table_of(*place.env, name);
  EXPECT_EQ(money_in(wanted["accounts"]), kAccounts * kMoney);
  ASSERT_TRUE(ok(place.env->close()));
  EXPECT_GT(commits, 600u);

  const auto verified = verify_backup({full, second, third});
  ASSERT_TRUE(ok(verified));
  // Each as it was: the sum holds, and no large value is of two.
  for (const std::vector<std::string>& chain :
       {std::vector<std::string>{full}, {full, second}, {full, second, third}}) {
    const std::string home = place.directory / ("r" + std::to_string(chain.size()));
    ASSERT_TRUE(ok(restore(restore_options(chain, home))));
    std::map<std::string, Table> found = all_rows(home);
    EXPECT_EQ(money_in(found["accounts"]), kAccounts * kMoney);
    for (const auto& [key, value] : found["large"])
      EXPECT_EQ(value.find_first_not_of(value[0]), std::string::npos) << key;
  }
  // And on to the end.
  for (const std::vector<std::string>& chain :
       {std::vector<std::string>{full}, {third, full, second}}) {
    const std::string home = place.directory / ("n" + std::to_string(chain.size()));
    RestoreOptions options = restore_options(chain, home);
    options.archives = {place.options.archive_directory};
    ASSERT_TRUE(ok(restore(options)));
    EXPECT_EQ(all_rows(home), wanted);
  }
}

// Goal:   a caller can watch a backup, bound its rate, and end it; nothing is left behind.
TEST(Backup, CanBeWatchedSlowedAndEnded) {
  Place place;
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::string(300, 'v'))));
  BackupOptions options;
  options.directory = place.directory / "ended";
  int calls = 0;
  options.progress = [&](const BackupProgress& now) {
    EXPECT_LE(now.bytes_done, now.bytes_total);
    return ++calls < 2;
  };
  EXPECT_TRUE(fails(place.env->backup(options), Code::closed));
  EXPECT_EQ(calls, 2);
  EXPECT_TRUE(fails(verify_backup({options.directory}), Code::not_found, "no MANIFEST"));

  options.progress = {};
  options.bytes_per_second = 8 * MiB;
  const Result<BackupReport> slow = place.env->backup(options);  // The directory is empty again.
  ASSERT_TRUE(ok(slow));
  const double bytes = static_cast<double>(2 * slow->page_bytes + 2 * slow->log_bytes);
  EXPECT_GT(slow->seconds, bytes / (8.0 * static_cast<double>(MiB)) * 0.7);
  EXPECT_TRUE(ok(verify_backup({options.directory})));
  EXPECT_TRUE(fails(place.env->backup(options), Code::exists, "holds a backup already"));
  options.directory.clear();
  EXPECT_TRUE(fails(place.env->backup(options), Code::invalid_argument));
}

void damage(const std::string& home, uint64_t page) {
  std::FILE* const data = std::fopen((home + "/data").c_str(), "r+b");
  ASSERT_NE(data, nullptr);
  std::fseek(data, static_cast<long>(page * 4096 + 500), SEEK_SET);
  std::fputs("damage", data);
  std::fclose(data);
}

// Goal:   any single page, of whatever kind, is made again when it is read, from a backup and the log after it, or from the
//         log alone; and without them it is reported as before, with what would be needed.
TEST(Repair, EveryDamagedPageIsMadeAgain) {
  Place place;
  place.options.archive_directory = place.directory / "archive";
  place.options.repair_from = place.directory / "backups";
  std::filesystem::create_directory(place.options.repair_from);
  ASSERT_TRUE(ok(place.open()));
  KvStore store = place.store();
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::string(200, 'v'))));
  ASSERT_TRUE(ok(store.put("large", std::string(30000, 'L'))));
  BackupOptions options;
  options.directory = place.options.repair_from + "/full";
  ASSERT_TRUE(ok(place.env->backup(options)));
  for (int i = 300; i < 1200; ++i) ASSERT_TRUE(ok(store.put(key_of(i), std::string(210, 'w'))));
  ASSERT_TRUE(ok(store.put("large2", std::string(30000, 'M'))));
  const Table wanted = table_of(*place.env, "main");
  const uint64_t pages = place.env->stats().data_pages - place.env->stats().data_pages_free;
  ASSERT_TRUE(ok(place.env->close()));
  ASSERT_GT(pages, 80u);

  uint64_t repaired = 0;
  for (uint64_t page = 1; page < pages; ++page) {
    damage(place.home, page);
    ASSERT_TRUE(ok(place.open())) << page;
    EXPECT_EQ(table_of(*place.env, "main"), wanted) << page;
    EXPECT_TRUE(ok(place.env->repair_page(page)));  // If nobody had to read it.
    repaired += place.env->stats().pages_repaired;
    EXPECT_EQ(place.env->stats().repair_failures, 0u) << page;
    ASSERT_TRUE(place.whole()) << page;
    ASSERT_TRUE(ok(place.env->close()));
  }
  EXPECT_EQ(repaired, pages - 1);

  // Without a backup: what the log does not reach back to stays damaged.
  place.options.repair_from.clear();
  place.options.archive_directory = place.directory / "empty";
  damage(place.home, 20);
  ASSERT_TRUE(ok(place.open()));
  EXPECT_TRUE(fails(place.env->repair_page(20), Code::corruption, "cannot be made again"));
  const Result<VerifyReport> report = place.env->verify();
  ASSERT_TRUE(ok(report));
  EXPECT_FALSE(report->ok());
}

}  // namespace
}  // namespace aether::contract
