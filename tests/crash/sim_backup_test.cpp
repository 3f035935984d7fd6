// Backups, archived log and restores on the simulated disk.
//
//   AETHER_SEED=42   another history
#include <gmock/gmock.h>

#include <cstdlib>
#include <set>

#include "crash/backup_fixture.h"

namespace aether::crash {
namespace {

uint64_t seed() {
  const char* text = std::getenv("AETHER_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

// Goal:   a full backup, incremental ones and the archive restore to every commit since the first, over several lives
//         that end in order and in crashes, by position and by time.
// Method: every commit's rows are remembered; some points are restored with each way to name them.
TEST(SimBackup, RestoresToEveryPointSinceTheBackup) {
  sim::SimOs first({.seed = seed()});
  sim::SimOs* os = &first;
  std::vector<std::unique_ptr<sim::SimOs>> machines;
  auto writer = std::make_unique<Writer>(*os, true, seed());
  writer->commits(40);
  writer->backup("/full");
  writer->commits(150);
  writer->close();
  writer->open();
  writer->commits(60);
  const BackupReport second = writer->backup("/second", "/full");
  EXPECT_LT(second.pages_copied, second.pages);
  writer->commits(100);
  writer->close();
  writer->open();
  writer->commits(80);
  writer->close();  // The tail is archived, too.
  const std::vector<Point>& points = writer->points();

  size_t restored = 0;
  for (size_t i = 40; i < points.size(); i += 17) {
    const bool by_time = i % 2 == 0;
    RestoreOptions options = restore_options({"/full", "/second"}, "/r" + std::to_string(i), true);
    if (by_time) {
      options.until.wall_ns = points[i].wall_ns;
    } else {
      options.until.position = points[i].position;
    }
    const Result<RestoreReport> done = restore(options, *os);
    ASSERT_TRUE(done.has_value()) << i << ": " << text_of(done.error()) << ", seed " << seed();
    ASSERT_EQ(difference(*os, options.home, points[i].rows), "") << i << ", seed " << seed();
    ++restored;
  }
  EXPECT_GT(restored, 15u);
  // To the newest point, with and without the incremental one.
  for (const bool with_second : {true, false}) {
    std::vector<std::string> backups{"/full"};
    if (with_second) backups.push_back("/second");
    RestoreOptions options = restore_options(backups, with_second ? "/new2" : "/new1", true);
    const Result<RestoreReport> done = restore(options, *os);
    ASSERT_TRUE(done.has_value()) << text_of(done.error());
    ASSERT_EQ(difference(*os, options.home, writer->rows()), "");
  }
}

// Goal:   the log of an environment that lost power is archived by the next life, to the end that recovery found.
// Method: crashes with everything unsynced lost or in part; the archive goes on; restore to the newest point.
TEST(SimBackup, TheArchiveGoesOnOverCrashes) {
  std::unique_ptr<sim::SimOs> os = std::make_unique<sim::SimOs>(sim::SimOptions{.seed = seed()});
  std::unique_ptr<Table> rows = std::make_unique<Table>();
  {
    Writer writer(*os, true, seed());
    writer.commits(30);
    writer.backup("/full");
    writer.close();
  }
  for (int life = 0; life < 6; ++life) {
    std::unique_ptr<sim::SimOs> next;
    {
      Writer writer(*os, true, seed() + static_cast<uint64_t>(life));
      writer.commits(20 + 40 * (life % 3));
      next = os->crash({.policy = sim::CrashPolicy::sectors, .seed = static_cast<uint64_t>(life)});
      const Result<Table> read = read_table(writer.env());
      ASSERT_TRUE(read.has_value());
      *rows = *read;
    }
    os = std::move(next);
  }
  Writer writer(*os, true, seed());
  writer.close();
  RestoreOptions options = restore_options({"/full"}, "/new", true);
  const Result<RestoreReport> done = restore(options, *os);
  ASSERT_TRUE(done.has_value()) << text_of(done.error());
  EXPECT_EQ(difference(*os, "/new", *rows), "");
}

// Goal:   a backup that loses power at any step is sound or recognisably incomplete, and the environment is whole.
// Method: at every step of a full and an incremental backup a crash; fault matrix row 33.
TEST(SimBackup, ACrashInABackupLeavesABackupOrNone) {
  sim::SimOs os({.seed = seed()});
  Writer writer(os, true, seed());
  writer.commits(40);
  size_t steps = 0, sound = 0, unfinished = 0;
  std::string problem;
  const auto watch = [&](const std::string& directory, std::vector<std::string> chain) {
    os.on_step([&, directory, chain](const sim::Step& step) {
      if (!step.changes_disk || !problem.empty() || ++steps % 3 != 0) return;
      const auto crashed = os.crash(
          {.policy = steps % 2 == 0 ? sim::CrashPolicy::sectors : sim::CrashPolicy::kept,
           .seed = step.number});
      const Result<std::vector<BackupContents>> verified = verify_backup(chain, {}, *crashed);
      if (!verified) {
        ++unfinished;
        if (verified.error().code() != Code::not_found) problem = text_of(verified.error());
      } else {
        ++sound;
        const auto done = restore(restore_options(chain, "/new", false), *crashed);
        problem = done ? difference(*crashed, "/new", writer.rows()) : text_of(done.error());
      }
      if (problem.empty() && steps % 15 == 0) problem = difference(*crashed, kEnv, writer.rows());
      if (!problem.empty()) problem += " at step " + std::to_string(step.number);
    });
  };
  watch("/full", {"/full"});
  writer.backup("/full");
  os.on_step({});
  ASSERT_EQ(problem, "") << "seed " << seed();
  writer.commits(30);
  watch("/second", {"/full", "/second"});
  writer.backup("/second", "/full");
  os.on_step({});
  ASSERT_EQ(problem, "") << "seed " << seed();
  EXPECT_GT(unfinished, 10u);
  const Result<std::vector<BackupContents>> both = verify_backup({"/second", "/full"}, {}, os);
  ASSERT_TRUE(both.has_value()) << text_of(both.error());
  EXPECT_EQ(both->front().parent_id, both->back().id);
}

// Goal:   a restore that loses power at any step can be called again; before it is through there is no environment, or one
//         that recovers to the very point.
TEST(SimBackup, ACrashInARestoreCanBeRepeated) {
  sim::SimOs os({.seed = seed()});
  Writer writer(os, true, seed());
  writer.commits(25);
  writer.backup("/full");
  writer.commits(25);
  writer.close();
  size_t steps = 0, again = 0, complete = 0;
  std::string problem;
  os.on_step([&](const sim::Step& step) {
    if (!step.changes_disk || !problem.empty() || ++steps % 4 != 0) return;
    const auto crashed = os.crash({.policy = sim::CrashPolicy::sectors, .seed = step.number});
    const Result<bool> there = crashed->exists("/new/CONTROL");
    if (there && *there) {
      ++complete;
    } else {
      ++again;
      const auto done = restore(restore_options({"/full"}, "/new", true), *crashed);
      if (!done) problem = text_of(done.error());
    }
    if (problem.empty()) problem = difference(*crashed, "/new", writer.rows());
    if (!problem.empty()) problem += " at step " + std::to_string(step.number);
  });
  const auto done = restore(restore_options({"/full"}, "/new", true), os);
  os.on_step({});
  ASSERT_EQ(problem, "") << "seed " << seed();
  ASSERT_TRUE(done.has_value()) << text_of(done.error());
  EXPECT_EQ(difference(os, "/new", writer.rows()), "");
  EXPECT_GT(again, 5u);
  EXPECT_GT(complete, 5u);
}

// Goal:   whatever call fails, in the backup's directory or the archive: an error, nothing lost, nothing taken for whole.
TEST(SimBackup, AFailingCallFailsTheBackupOnly) {
  for (const int errnum : {5, 28}) {
    for (uint64_t nth = 1;; ++nth) {
      sim::SimOs os({.seed = nth});
      Writer writer(os, false, nth);
      writer.commits(15);
      os.add_fault({.path_contains = "/full", .nth = nth, .errnum = errnum});
      BackupOptions options;
      options.directory = "/full";
      const Result<BackupReport> done = writer.env().backup(options);
      const bool struck = os.faults_fired() != 0;
      os.clear_faults();
      writer.commits(3);
      if (done) {
        const auto verified = verify_backup({"/full"}, {}, os);
        ASSERT_TRUE(verified.has_value()) << nth << ": " << text_of(verified.error());
      } else {
        options.directory = "/other";
        ASSERT_TRUE(writer.env().backup(options).has_value());
      }
      writer.close();
      ASSERT_EQ(difference(os, kEnv, writer.rows()), "") << nth;
      if (!struck) break;
      nth += nth > 10 ? 2 : 0;
    }
  }
}

// Goal:   an archive that cannot be written keeps the log, says so, and stops writers at the bound with what to do; when it
//         can be written again, all goes on, and nothing is missing.
TEST(SimBackup, AFullArchiveKeepsTheLog) {
  sim::SimOs os({.seed = seed()});
  Writer writer(os, true, seed());
  writer.commits(10);
  writer.backup("/full");
  os.add_fault({.path_contains = "/archive", .nth = 1, .errnum = 28, .sticky = true});
  Result<void> refused;
  for (int i = 0; i < 20000 && refused; ++i) refused = writer.commit();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::no_space);
  EXPECT_THAT(std::string(refused.error().message()), testing::HasSubstr("see to that directory"));
  const EnvStats stats = writer.env().stats();
  EXPECT_GT(stats.archive_failures, 0u);
  EXPECT_NE(stats.archive_error, "");
  EXPECT_GT(stats.log_bytes_on_disk, 4 * MiB);
  // It is closed and opened meanwhile, and the log stays.
  writer.close();
  os.clear_faults();
  writer.open();
  writer.commits(20);
  EXPECT_EQ(writer.env().stats().archive_error, "");
  writer.close();
  const auto done = restore(restore_options({"/full"}, "/new", true), os);
  ASSERT_TRUE(done.has_value()) << text_of(done.error());
  EXPECT_EQ(difference(os, "/new", writer.rows()), "");
}

// Goal:   damage to any byte of a backup is found by verify, and never restored.
TEST(SimBackup, EveryDamagedByteIsFound) {
  sim::SimOs os({.seed = seed()});
  Writer writer(os, false, seed());
  writer.commits(20);
  writer.backup("/full");
  writer.commits(10);
  writer.backup("/second", "/full");
  size_t flips = 0;
  sim::Random random(seed());
  for (const std::string& path : os.files()) {
    if (!path.starts_with("/full/") && !path.starts_with("/second/")) continue;
    const Result<std::string> bytes = os.read_file(path);
    ASSERT_TRUE(bytes.has_value());
    const uint64_t step = bytes->size() < 2000 ? 1 : 1 + bytes->size() / 60;
    for (uint64_t at = 0; at < bytes->size(); at += 1 + random.below(2 * step - 1)) {
      const auto damaged = os.copy();
      ASSERT_TRUE(damaged->flip_bit(path, at * 8 + random.below(8)).has_value());
      const auto verified = verify_backup({"/full", "/second"}, {}, *damaged);
      // Behind the header of a log file all is zero but for what the checksum covers: all of it is checked.
      ASSERT_FALSE(verified.has_value()) << path << " byte " << at;
      ++flips;
    }
    const auto shorter = os.copy();
    ASSERT_TRUE(shorter->write_file(path, bytes->substr(0, bytes->size() - 1)).has_value());
    EXPECT_FALSE(verify_backup({"/full", "/second"}, {}, *shorter).has_value()) << path;
    const auto gone = os.copy();
    ASSERT_TRUE(gone->remove(path).has_value());
    EXPECT_FALSE(verify_backup({"/full", "/second"}, {}, *gone).has_value()) << path;
    // The older backup's own list and log are not needed for the newer one.
    const auto done = restore(restore_options({"/full", "/second"}, "/new", false), *gone);
    const bool needed = path.starts_with("/second/") || path == "/full/MANIFEST" ||
                        path == "/full/pages";
    EXPECT_EQ(done.has_value(), !needed) << path;
    if (!done) continue;
    EXPECT_EQ(difference(*gone, "/new", writer.rows()), "") << path;
  }
  EXPECT_GT(flips, 300u);
}

// Goal:   what does not fit together is refused, with what is wrong.
TEST(SimBackup, WhatDoesNotFitIsRefused) {
  sim::SimOs os({.seed = seed()});
  Writer writer(os, true, seed());
  writer.commits(20);
  writer.backup("/full");
  writer.commits(200);
  writer.backup("/second", "/full");
  writer.commits(200);
  writer.backup("/third", "/second");
  writer.commits(200);
  writer.close();
  const auto error = [&](const RestoreOptions& options) {
    const Result<RestoreReport> done = restore(options, os);
    return done ? std::string("restored") : text_of(done.error());
  };
  EXPECT_THAT(error(restore_options({"/full", "/third"}, "/new", true)),
              testing::HasSubstr("not among those given"));
  EXPECT_THAT(error(restore_options({"/full", "/full"}, "/new", true)),
              testing::HasSubstr("the same backup"));
  EXPECT_THAT(error(restore_options({}, "/new", true)), testing::HasSubstr("no backup is given"));
  EXPECT_THAT(error(restore_options({"/env"}, "/new", true)), testing::HasSubstr("no MANIFEST"));
  EXPECT_THAT(error(restore_options({"/full"}, kEnv, true)),
              testing::HasSubstr("holds an environment already"));
  RestoreOptions early = restore_options({"/full"}, "/new", true);
  early.until.position = writer.points().front().position;
  EXPECT_THAT(error(early), testing::HasSubstr("ends after the point"));
  RestoreOptions late = restore_options({"/full"}, "/new", true);
  late.until.position = writer.points().back().position + 64 * MiB;
  EXPECT_THAT(error(late), testing::HasSubstr("ends at position"));

  // A gap in the archive: only what lies behind it is lost to restores.
  std::vector<std::string> segments;
  for (const std::string& path : os.files()) {
    if (path.starts_with("/archive/")) segments.push_back(path);
  }
  ASSERT_GT(segments.size(), 3u);
  ASSERT_TRUE(os.remove(segments[segments.size() - 2]).has_value());
  EXPECT_THAT(error(restore_options({"/third", "/second", "/full"}, "/gap", true)),
              testing::AnyOf(testing::HasSubstr("is missing"), testing::HasSubstr("restored")));
  EXPECT_THAT(error(restore_options({"/full"}, "/gap2", true)), testing::HasSubstr("is missing"));
  const auto stretches = archive_contents(kArchive, true, os);
  ASSERT_TRUE(stretches.has_value()) << text_of(stretches.error());
  EXPECT_EQ(stretches->size(), 2u);

  // Another environment's.
  sim::SimOs other({.seed = seed() + 1000});
  Writer stranger(other, false, 5);
  stranger.commits(3);
  stranger.backup("/foreign");
  for (const std::string& path : other.files()) {
    if (!path.starts_with("/foreign/")) continue;
    for (const char* directory : {"/foreign", "/foreign/log"})
      static_cast<void>(os.create_directory(directory).has_value());
    ASSERT_TRUE(os.write_file(path, *other.read_file(path)).has_value());
  }
  EXPECT_THAT(error(restore_options({"/full", "/foreign"}, "/new", true)),
              testing::HasSubstr("is of environment"));
  writer.open();
  BackupOptions options;
  options.directory = "/fourth";
  options.parent = "/foreign";
  const Result<BackupReport> wrong = writer.env().backup(options);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_THAT(std::string(wrong.error().message()),
              testing::HasSubstr("is a backup of environment"));
}

// Goal:   open without an archive, an environment writes large values past the log: a restore does not go there.
TEST(SimBackup, LogWithoutImagesIsNotGoneOver) {
  sim::SimOs os({.seed = seed()});
  Writer writer(os, true, seed());
  writer.commits(20);
  writer.backup("/full");
  writer.close();
  writer.options().archive_directory.clear();
  writer.open();
  writer.commits(100);
  writer.drop();  // Not closed in order: the log is still there when the archive comes back.
  writer.options().archive_directory = kArchive;
  writer.open();
  writer.commits(100);
  writer.close();
  const auto done = restore(restore_options({"/full"}, "/new", true), os);
  ASSERT_FALSE(done.has_value());
  EXPECT_THAT(text_of(done.error()), testing::AnyOf(testing::HasSubstr("without an archive"),
                                                    testing::HasSubstr("is missing")));
}

// Goal:   LSNs name a point inside a block: records beyond them are not there, and the rest is sound.
TEST(SimBackup, RestoresToAVectorOfLsns) {
  sim::SimOs os({.seed = seed()});
  Writer writer(os, true, seed());
  writer.commits(20);
  writer.backup("/full");
  writer.commits(60);
  const BackupReport at = writer.backup("/mark");
  const Table wanted = writer.rows();
  writer.commits(60);
  writer.close();
  RestoreOptions options = restore_options({"/full"}, "/new", true);
  options.until.lsn = at.lsn;
  const Result<RestoreReport> done = restore(options, os);
  ASSERT_TRUE(done.has_value()) << text_of(done.error());
  EXPECT_EQ(done->lsn, at.lsn);
  EXPECT_EQ(difference(os, "/new", wanted), "");
}

}  // namespace
}  // namespace aether::crash
