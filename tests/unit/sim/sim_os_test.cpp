#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "sim/sim_os.h"
#include "tests/unit/sim/sim_fixture.h"

namespace aether::sim {
namespace {

using os::File;
using os::IoRequest;
using os::OpenFlags;
using testing::ElementsAre;
using testing::HasSubstr;

// --- Files and names as any Os has them

TEST(SimOs, FilesReadBackWhatWasWritten) {
  SimOs os;
  ASSERT_TRUE(os.create_directory("/d"));
  const auto file = open(os, "/d/a");
  write(*file, 20'000, "hello");
  std::string bytes(100, '?');
  EXPECT_EQ(*file->read_at(20'002, bytes.data(), 100), 3u);
  EXPECT_EQ(bytes.substr(0, 3), "llo");
  EXPECT_EQ(*file->read_at(20'005, bytes.data(), 100), 0u);
  EXPECT_EQ(*file->size(), 20'005u);
  ASSERT_TRUE(file->truncate(20'001));
  ASSERT_TRUE(file->allocate(0, 20'004));
  EXPECT_EQ(contents(os, "/d/a"), std::string(20'000, '\0') + "h" + std::string(3, '\0'));
  EXPECT_THAT(os.files(), ElementsAre("/d/a"));
  EXPECT_EQ(os.total_bytes(), 20'004u);
}

// Goal: the same calls on random offsets and sizes give the same bytes as a plain string.
TEST(SimOs, RandomWritesEqualAModel) {
  constexpr uint64_t kSeed = 77;
  SCOPED_TRACE("seed " + std::to_string(kSeed));
  std::mt19937_64 random(kSeed);
  SimOs os;
  const auto file = open(os, "/a");
  std::string model;
  for (int i = 0; i < 2000; ++i) {
    const uint64_t offset = random() % 100'000;
    const std::string bytes(1 + random() % 20'000, static_cast<char>(random()));
    switch (random() % 8) {
      case 0:
        ASSERT_TRUE(file->truncate(offset));
        model.resize(offset, '\0');
        break;
      case 1:
        ASSERT_TRUE(file->sync());
        ASSERT_EQ(after(os, {CrashPolicy::lost}, "/a"), "-");  // Its name was never synced.
        break;
      case 2: ASSERT_EQ(after(os, {CrashPolicy::kept}, "/a"), model); break;
      default:
        write(*file, offset, bytes);
        if (model.size() < offset + bytes.size()) model.resize(offset + bytes.size(), '\0');
        model.replace(offset, bytes.size(), bytes);
    }
    ASSERT_EQ(*file->size(), model.size());
  }
  EXPECT_EQ(contents(os, "/a"), model);
  ASSERT_TRUE(file->sync());
  ASSERT_TRUE(os.sync_directory("/"));
  for (const CrashPolicy policy : kPolicies) EXPECT_EQ(after(os, {policy}, "/a"), model);
}

TEST(SimOs, ErrorsHaveTheCodesAndMessagesOfTheProductionBody) {
  SimOs os;
  ASSERT_TRUE(os.create_directory("/d"));
  const auto file = open(os, "/d/a");
  const auto missing = os.open("/d/x", {});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::not_found);
  EXPECT_EQ(missing.error().message(), "open /d/x: No such file or directory");
  EXPECT_EQ(os.open("/d/a", {true, true, true, false}).error().code(), Code::exists);
  EXPECT_EQ(os.open("/d", {}).error().code(), Code::invalid_argument);
  EXPECT_EQ(os.open("/d/a/b", kMake).error().code(), Code::invalid_argument);
  EXPECT_EQ(os.create_directory("/d").error().code(), Code::exists);
  EXPECT_EQ(os.create_directory("/x/y").error().code(), Code::not_found);
  EXPECT_EQ(os.remove("/d").error().code(), Code::exists);
  EXPECT_EQ(os.remove("/x").error().code(), Code::not_found);
  EXPECT_EQ(os.rename("/x", "/y").error().code(), Code::not_found);
  EXPECT_EQ(os.list("/d/a").error().code(), Code::invalid_argument);
  EXPECT_EQ(os.sync_directory("/x").error().code(), Code::not_found);
  EXPECT_TRUE(*os.exists("/d/a"));
  EXPECT_FALSE(*os.exists("/d/b"));
  EXPECT_FALSE(*os.exists("/d/a/b"));
  const auto read_only = open(os, "/d/a", {});
  EXPECT_EQ(read_only->write_at(0, "x", 1).error().os_errno(), EBADF);
  ASSERT_TRUE(file->close());
  EXPECT_EQ(file->sync().error().os_errno(), EBADF);
}

TEST(SimOs, LocksExcludeUntilClosedAndDoNotSurviveACrash) {
  SimOs os;
  auto first = open(os, "/LOCK");
  const auto second = open(os, "/LOCK");
  EXPECT_TRUE(*first->try_lock());
  EXPECT_TRUE(*first->try_lock());
  EXPECT_FALSE(*second->try_lock());
  const auto next = os.crash({CrashPolicy::kept});
  EXPECT_TRUE(*open(*next, "/LOCK")->try_lock());
  EXPECT_NE(next->process_id(), os.process_id());
  first.reset();
  EXPECT_TRUE(*second->try_lock());
}

TEST(SimOs, DirectTransfersMustBeAligned) {
  SimOs os;
  const auto file = open(os, "/a", {.write = true, .create = true, .direct = true});
  alignas(os::kDirectAlignment) static char block[2 * os::kDirectAlignment];
  EXPECT_TRUE(file->write_at(4096, block, 4096));
  EXPECT_EQ(file->write_at(512, block, 4096).error().code(), Code::invalid_argument);
  EXPECT_EQ(file->write_at(0, block, 100).error().code(), Code::invalid_argument);
  EXPECT_EQ(file->write_at(0, block + 8, 4096).error().code(), Code::invalid_argument);
  EXPECT_EQ(file->read_at(0, block + 8, 4096).error().code(), Code::invalid_argument);
}

TEST(SimOs, AFullDiskRefusesAndTakesAgain) {
  SimOs os({.capacity_bytes = 10'000});
  const auto file = open(os, "/a");
  ASSERT_TRUE(file->allocate(0, 8'000));
  EXPECT_EQ(file->allocate(0, 10'001).error().code(), Code::no_space);
  EXPECT_EQ(file->write_at(9'999, "xx", 2).error().code(), Code::no_space);
  EXPECT_EQ(*file->size(), 8'000u);
  auto other = open(os, "/b");
  write(*other, 0, std::string(2'000, 'b'));
  EXPECT_EQ(file->truncate(8'001).error().code(), Code::no_space);
  write(*file, 0, std::string(8'000, 'a'));  // No new space is needed.
  ASSERT_TRUE(os.remove("/b"));
  EXPECT_FALSE(file->truncate(8'001));  // It is still open.
  other.reset();
  EXPECT_TRUE(file->truncate(10'000));
}

// --- Faults

TEST(SimFault, StrikesTheNthCallOfItsKindAndPathOnce) {
  SimOs os;
  const auto data = open(os, "/data");
  const auto log = open(os, "/log");
  os.add_fault({.kind = StepKind::write, .path_contains = "log", .nth = 2, .errnum = ENOSPC});
  EXPECT_TRUE(data->write_at(0, "x", 1));
  EXPECT_TRUE(log->write_at(0, "x", 1));
  EXPECT_TRUE(data->write_at(0, "x", 1));
  const Result<void> failed = log->write_at(512, "x", 1);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), Code::no_space);
  EXPECT_THAT(std::string(failed.error().message()), HasSubstr("write /log at offset 512"));
  EXPECT_TRUE(log->write_at(512, "x", 1));
  EXPECT_EQ(os.faults_fired(), 1u);
}

TEST(SimFault, StickyOnesStayUntilCleared) {
  SimOs os;
  const auto file = open(os, "/a");
  os.add_fault({.kind = StepKind::any, .sticky = true});
  EXPECT_FALSE(file->write_at(0, "x", 1));
  EXPECT_FALSE(file->size());
  EXPECT_FALSE(os.list("/"));
  EXPECT_FALSE(os.create_directory("/d"));
  EXPECT_FALSE(os.rename("/a", "/b"));
  EXPECT_FALSE(os.open("/a", {}));
  os.clear_faults();
  EXPECT_TRUE(file->write_at(0, "x", 1));
  EXPECT_THAT(os.files(), ElementsAre("/a"));
}

TEST(SimFault, EveryKindOfCallCanFail) {
  const std::map<StepKind, std::function<bool(SimOs&, File&)>> calls = {
      {StepKind::open, [](SimOs& os, File&) { return os.open("/x", kMake).has_value(); }},
      {StepKind::close, [](SimOs&, File& file) { return file.close().has_value(); }},
      {StepKind::read,
       [](SimOs&, File& file) {
         char c;
         return file.read_at(0, &c, 1).has_value();
       }},
      {StepKind::write, [](SimOs&, File& file) { return file.write_at(0, "x", 1).has_value(); }},
      {StepKind::sync, [](SimOs&, File& file) { return file.sync().has_value(); }},
      {StepKind::truncate, [](SimOs&, File& file) { return file.truncate(9).has_value(); }},
      {StepKind::allocate, [](SimOs&, File& file) { return file.allocate(0, 9).has_value(); }},
      {StepKind::lock, [](SimOs&, File& file) { return file.try_lock().has_value(); }},
      {StepKind::stat, [](SimOs&, File& file) { return file.size().has_value(); }},
      {StepKind::list, [](SimOs& os, File&) { return os.list("/").has_value(); }},
      {StepKind::create_directory,
       [](SimOs& os, File&) { return os.create_directory("/d").has_value(); }},
      {StepKind::remove, [](SimOs& os, File&) { return os.remove("/a").has_value(); }},
      {StepKind::rename, [](SimOs& os, File&) { return os.rename("/a", "/b").has_value(); }},
      {StepKind::sync_directory,
       [](SimOs& os, File&) { return os.sync_directory("/").has_value(); }},
  };
  for (const auto& [kind, call] : calls) {
    for (const bool fails : {true, false}) {
      SimOs os;
      const auto file = open(os, "/a");
      if (fails) os.add_fault({.kind = kind});
      EXPECT_EQ(call(os, *file), !fails) << to_string(kind);
      EXPECT_EQ(os.faults_fired(), fails ? 1u : 0u) << to_string(kind);
    }
  }
}

TEST(SimFault, AFailedWriteMayHaveWrittenAnyOfItsSectors) {
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Synced t("aaa", {.seed = seed});
    t.os.add_fault({.kind = StepKind::write});
    EXPECT_FALSE(t.file->write_at(0, sectors("bbb").data(), 3 * kSectorBytes));
    seen.insert(letters(contents(t.os, "/a")));
  }
  EXPECT_EQ(seen.size(), 8u);
  EXPECT_EQ(seen.count("bab"), 1u);
}

// Goal: a sync that failed is final; one that "succeeds" later does not save what it lost.
TEST(SimFault, AFailedSyncIsNotMadeGoodByALaterOne) {
  Synced t("aaa");
  write(*t.file, 0, sectors("bb"));
  t.os.add_fault({.kind = StepKind::sync});
  EXPECT_FALSE(t.file->sync());
  EXPECT_EQ(letters(contents(t.os, "/a")), "bba");  // Still readable.
  write(*t.file, 1024, sectors("c"));
  ASSERT_TRUE(t.file->sync());
  EXPECT_EQ(letters(after(t.os, {CrashPolicy::lost}, "/a")), "aac");
  EXPECT_EQ(letters(after(t.os, {CrashPolicy::kept}, "/a")), "bbc");

  // Written again and synced, it is safe; and no crash brings the lost version back.
  write(*t.file, 0, sectors("d"));
  ASSERT_TRUE(t.file->sync());
  std::set<std::string> seen;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    seen.insert(letters(after(t.os, {CrashPolicy::sectors, seed, 0}, "/a")));
  }
  EXPECT_THAT(seen, ElementsAre("dac", "dbc"));
}

TEST(SimFault, WithoutFsyncgateALaterSyncSaves) {
  Synced t("aaa", {.fsyncgate = false});
  write(*t.file, 0, sectors("bb"));
  t.os.add_fault({.kind = StepKind::sync});
  EXPECT_FALSE(t.file->sync());
  ASSERT_TRUE(t.file->sync());
  EXPECT_EQ(letters(after(t.os, {CrashPolicy::lost}, "/a")), "bba");
}

TEST(SimFault, AFailedDirectorySyncIsFinalForItsNames) {
  SimOs os;
  open(os, "/a");
  os.add_fault({.kind = StepKind::sync_directory});
  EXPECT_FALSE(os.sync_directory("/"));
  open(os, "/b");
  ASSERT_TRUE(os.sync_directory("/"));
  EXPECT_THAT(os.crash({CrashPolicy::lost})->files(), ElementsAre("/b"));
  EXPECT_THAT(os.crash({CrashPolicy::kept})->files(), ElementsAre("/a", "/b"));
}

TEST(SimFault, FlippedBitsAreInTheCacheAndOnTheMedium) {
  Synced t("ab");
  ASSERT_TRUE(t.os.flip_bit("/a", 8 * 512));
  std::string expected = sectors("ab");
  expected[512] = 'c';  // 0x62 becomes 0x63.
  EXPECT_EQ(contents(t.os, "/a"), expected);
  EXPECT_EQ(after(t.os, {CrashPolicy::lost}, "/a"), expected);
  EXPECT_EQ(t.os.flip_bit("/a", 8 * 1024).error().code(), Code::invalid_argument);
  EXPECT_EQ(t.os.flip_bit("/x", 0).error().code(), Code::not_found);
}

// --- Steps, time, queues, threads

TEST(SimOs, TheHookSeesEveryStepBeforeItHappens) {
  SimOs os;
  std::vector<std::string> seen;
  os.on_step([&](const Step& step) {
    seen.push_back(std::to_string(step.number) + " " + to_string(step.kind) + " " +
                   std::string(step.path) + (step.changes_disk ? " !" : ""));
    if (step.kind == StepKind::write) {
      EXPECT_EQ(std::string(static_cast<const char*>(step.data), step.size), "xyz");
      EXPECT_EQ(step.offset, 7u);
      EXPECT_EQ(contents(os, "/a"), "");
    }
  });
  const auto file = open(os, "/a");
  write(*file, 7, "xyz");
  char byte = 0;
  ASSERT_TRUE(file->read_at(0, &byte, 1));
  ASSERT_TRUE(file->sync());
  EXPECT_THAT(seen, ElementsAre("1 open /a !", "2 write /a !", "3 read /a", "4 sync /a !"));
  EXPECT_EQ(os.steps(), 4u);
  os.on_step(nullptr);
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(seen.size(), 4u);
}

TEST(SimOs, TimeAndDiceComeFromTheSeed) {
  SimOs one({.seed = 5});
  SimOs two({.seed = 5});
  SimOs other({.seed = 6});
  EXPECT_EQ(one.random(), two.random());
  EXPECT_NE(one.random(), other.random());
  const uint64_t before = one.monotonic_ns();
  EXPECT_EQ(one.monotonic_ns(), before + 1000);
  one.sleep_ns(3'600'000'000'000);  // An hour, at once.
  EXPECT_EQ(one.monotonic_ns(), before + 2000 + 3'600'000'000'000);
  EXPECT_GT(one.wall_ns(), uint64_t{1'700'000'000} * 1'000'000'000);
  EXPECT_GE(one.crash()->monotonic_ns(), before);
}

TEST(SimOs, QueuesCompleteEverythingInSomeOrder) {
  SimOs os;
  const auto file = open(os, "/a");
  auto queue = os.make_io_queue(4, IoMode::uring);
  ASSERT_TRUE(queue);
  std::vector<std::string> bytes;
  std::vector<IoRequest> requests(20);
  std::vector<IoRequest*> pointers;
  for (uint64_t i = 0; i < 20; ++i)
    bytes.push_back(sectors(std::string(1, static_cast<char>('a' + i))));
  for (uint64_t i = 0; i < 20; ++i) {
    requests[i].kind = IoRequest::Kind::write;
    requests[i].file = file.get();
    requests[i].offset = i * kSectorBytes;
    requests[i].data = bytes[i].data();
    requests[i].size = kSectorBytes;
    pointers.push_back(&requests[i]);
  }
  std::vector<uint64_t> offsets;
  os.on_step([&](const Step& step) { offsets.push_back(step.offset); });
  ASSERT_TRUE((*queue)->submit(pointers));
  EXPECT_FALSE(std::is_sorted(offsets.begin(), offsets.end()));  // Out of order, from the seed.
  std::vector<IoRequest*> done;
  while ((*queue)->in_flight() > 0) ASSERT_TRUE((*queue)->complete(1, done));
  EXPECT_EQ(std::set<IoRequest*>(done.begin(), done.end()).size(), 20u);
  for (const IoRequest& each : requests) EXPECT_EQ(each.transferred, kSectorBytes);
  EXPECT_EQ(letters(contents(os, "/a")), "abcdefghijklmnopqrst");
}

TEST(SimOs, ThreadsCanBeForbidden) {
  SimOs os({.spawn_allowed = false});
  EXPECT_EQ(os.spawn("t", [] {}).error().code(), Code::unsupported);
}

TEST(SimOsConcurrent, ThreadsShareOneDiskAndCrashesAreTakenMeanwhile) {
  SimOs os;
  ASSERT_TRUE(os.write_file("/a", std::string(256 * 1024, 'a')));
  std::vector<std::unique_ptr<os::Thread>> threads;
  for (uint64_t id = 0; id < 3; ++id) {
    auto thread = os.spawn("writer", [&os, id] {
      const auto file = open(os, "/a");
      for (uint64_t i = 0; i < 300; ++i) {
        const std::string bytes = sectors(std::string(1, static_cast<char>('0' + id)));
        write(*file, (3 * i + id) % 512 * kSectorBytes, bytes);
        if (i % 50 == 0) {
          EXPECT_TRUE(file->sync());
        }
      }
    });
    ASSERT_TRUE(thread);
    threads.push_back(*std::move(thread));
  }
  for (uint64_t seed = 0; seed < 50; ++seed) {
    const auto next = os.crash({CrashPolicy::sectors, seed, 0});
    const std::string found = letters(contents(*next, "/a"));
    EXPECT_EQ(found.find_first_not_of("a012"), std::string::npos);
    write(*open(*next, "/a"), 0, std::string(100'000, 'z'));
  }
  for (const auto& thread : threads) thread->join();
  EXPECT_EQ(letters(contents(os, "/a")).find_first_not_of("a012"), std::string::npos);
}

TEST(SimOs, ItHasNoSockets) {
  SimOs machine;
  EXPECT_EQ(machine.listen("/socket").error().code(), Code::unsupported);
  EXPECT_EQ(machine.connect("/socket", 1).error().code(), Code::unsupported);
}

// Goal:   a disk that lies answers ok: a lost write is nowhere, a misdirected one elsewhere, a lost sync saves nothing.
TEST(SimFault, WritesAndSyncsCanLie) {
  SimOs os;
  const std::string old(8192, 'a');
  ASSERT_TRUE(os.write_file("/f", old));
  const std::unique_ptr<os::File> file = os.open("/f", {.write = true}).value();
  const std::string fresh(4096, 'b');

  os.add_fault({.kind = StepKind::write, .effect = Effect::lose});
  ASSERT_TRUE(file->write_at(0, fresh.data(), fresh.size()));
  EXPECT_EQ(os.read_file("/f").value(), old);

  os.add_fault({.kind = StepKind::write, .effect = Effect::misdirect, .shift = 4096});
  ASSERT_TRUE(file->write_at(0, fresh.data(), fresh.size()));
  const std::string misdirected = old.substr(0, 4096) + fresh;
  EXPECT_EQ(os.read_file("/f").value(), misdirected);

  os.add_fault({.kind = StepKind::sync, .effect = Effect::lose});
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(os.crash({.policy = CrashPolicy::lost})->read_file("/f").value(), old);
  ASSERT_TRUE(file->sync());
  EXPECT_EQ(os.crash({.policy = CrashPolicy::lost})->read_file("/f").value(), misdirected);
  EXPECT_EQ(os.faults_fired(), 3u);
}

// Goal:   a slow call takes its time, and the wall clock can jump and stand still; the monotonic one only goes on.
TEST(SimFault, TimeCanPassStandStillAndJump) {
  SimOs os;
  const uint64_t before = os.monotonic_ns();
  os.add_fault({.kind = StepKind::stat, .effect = Effect::delay, .delay_ns = 5'000'000'000});
  ASSERT_TRUE(os.exists("/").has_value());
  const uint64_t after = os.monotonic_ns();
  EXPECT_GE(after, before + 5'000'000'000);

  const uint64_t wall = os.wall_ns();
  os.jump_wall_clock(-3'600'000'000'000);
  EXPECT_LT(os.wall_ns(), wall);
  os.hold_wall_clock(true);
  const uint64_t held = os.wall_ns();
  EXPECT_EQ(os.wall_ns(), held);
  EXPECT_EQ(os.crash()->wall_ns(), held);  // A restart does not mend the clock.
  EXPECT_GT(os.monotonic_ns(), after);
  os.hold_wall_clock(false);
  EXPECT_NE(os.wall_ns(), held);
}

}  // namespace
}  // namespace aether::sim
