// Directories that are not an environment, are one of another format, or are damaged: each gives a code that tells
// which, names the place, and is left as it was. What the bytes inside pages may suffer is tests/unit's.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/checksum.h"
#include "integration/contract_fixture.h"

namespace aether::contract {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string read_all(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_all(const std::string& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good()) << path;
}

/// A closed environment with some rows, small and large.
struct ClosedPlace : Place {
  ClosedPlace() {
    EXPECT_TRUE(ok(open()));
    KvStore rows = store();
    for (int i = 0; i < 2000; ++i) EXPECT_TRUE(ok(rows.put(key_of(i), std::string(100, 'v'))));
    EXPECT_TRUE(ok(rows.put("large", std::string(50000, 'L'))));
    EXPECT_TRUE(ok(env->close()));
    env.reset();
  }
  std::string file(const std::string& name) const { return home + "/" + name; }
  /// Opening fails so, for writing as well as for reading.
  void expect_refused(Code code, std::string_view says) {
    for (const bool read_only : {true, false}) {
      options.read_only = read_only;
      EXPECT_TRUE(fails(open(), code, says)) << (read_only ? "read-only" : "for writing");
    }
    options.read_only = false;
  }
};

// --- not an environment ----------------------------------------------------------------------------------

TEST(ForeignDirectory, FilesOfSomebodyElseAreLeftAlone) {
  Place t;
  ASSERT_TRUE(fs::create_directory(t.home));
  write_all(t.home + "/thesis.tex", "precious");
  EXPECT_TRUE(fails(t.open(), Code::not_found, "thesis.tex"));
  EXPECT_TRUE(fails(t.open(), Code::not_found, "name another directory"));
  EXPECT_EQ(std::distance(fs::directory_iterator(t.home), fs::directory_iterator()), 1);
  EXPECT_EQ(read_all(t.home + "/thesis.tex"), "precious");
}

TEST(ForeignDirectory, AFileIsNoDirectory) {
  Place t;
  write_all(t.home, "a file");
  EXPECT_TRUE(fails(t.open(), Code::invalid_argument, t.home + " is not a directory"));
  EXPECT_EQ(read_all(t.home), "a file");
}

// --- CONTROL ---------------------------------------------------------------------------------------------

constexpr uint64_t kSlotBytes = 16 * KiB;

/// Changes the 4-byte field at `offset` of both slots, with the right checksum (docs/formats/control.md).
void patch_control(const std::string& path, uint64_t offset, uint32_t value) {
  std::string bytes = read_all(path);
  ASSERT_EQ(bytes.size(), 2 * kSlotBytes);
  for (uint64_t slot = 0; slot < 2; ++slot) {
    char* at = bytes.data() + slot * kSlotBytes;
    std::copy_n(reinterpret_cast<const char*>(&value), sizeof value, at + offset);
    uint64_t magic = 0;
    std::copy_n(at + 8, sizeof magic, reinterpret_cast<char*>(&magic));
    const uint64_t sum = base::checksum(at + 8, kSlotBytes - 8, magic);
    std::copy_n(reinterpret_cast<const char*>(&sum), sizeof sum, at);
  }
  write_all(path, bytes);
}

TEST(ForeignFormat, AnotherVersionIsUnsupportedAndBothAreNamed) {
  constexpr uint64_t kVersionOffset = 16;
  const std::string ours = std::to_string(kFormatVersion);
  for (const uint32_t version : {kFormatVersion + 1, kFormatVersion + 1000, kFormatVersion - 1}) {
    ClosedPlace t;
    patch_control(t.file("CONTROL"), kVersionOffset, version);
    const std::string before = read_all(t.file("CONTROL"));
    const std::string word = version > kFormatVersion ? "newer" : "older";
    t.expect_refused(Code::unsupported, "format version " + std::to_string(version) + " is " +
                                            word + " than this program's " + ours);
    EXPECT_EQ(read_all(t.file("CONTROL")), before);
    patch_control(t.file("CONTROL"), kVersionOffset, kFormatVersion);
    EXPECT_TRUE(ok(t.open()));
  }
}

TEST(DamagedControl, BothSlotsBadIsCorruption) {
  for (const uint64_t offset : {0u, 8u, 24u, 5000u}) {
    ClosedPlace t;
    std::string bytes = read_all(t.file("CONTROL"));
    bytes[offset] = static_cast<char>(bytes[offset] ^ 1);
    bytes[kSlotBytes + offset] = static_cast<char>(bytes[kSlotBytes + offset] ^ 1);
    write_all(t.file("CONTROL"), bytes);
    t.expect_refused(Code::corruption, "CONTROL");
    EXPECT_EQ(read_all(t.file("CONTROL")), bytes);
  }
}

TEST(DamagedControl, AnEmptyOrShortOneIsCorruption) {
  for (const uint64_t size : {0u, 1u, 100u}) {
    ClosedPlace t;
    fs::resize_file(t.file("CONTROL"), size);
    t.expect_refused(Code::corruption, "restore the environment from a backup");
    EXPECT_EQ(fs::file_size(t.file("CONTROL")), size);
  }
}

// Goal:   the loss of one slot, newest or not, costs no row.
// Method: each slot damaged in turn, after one and after several openings; also the second cut off.
TEST(DamagedControl, OneSlotIsEnough) {
  for (int openings = 0; openings < 4; ++openings) {
    for (const int damage : {0, 1, 2}) {
      SCOPED_TRACE("openings " + std::to_string(openings) + ", damage " + std::to_string(damage));
      ClosedPlace t;
      for (int i = 0; i < openings; ++i) {
        ASSERT_TRUE(ok(t.open()));
        ASSERT_TRUE(ok(t.store().put("opening", std::to_string(i))));
        ASSERT_TRUE(ok(t.env->close()));
        t.env.reset();
      }
      std::string bytes = read_all(t.file("CONTROL"));
      if (damage == 2) bytes.resize(kSlotBytes);
      const size_t at = static_cast<size_t>(damage % 2) * kSlotBytes + 40;
      if (damage < 2) bytes[at] = static_cast<char>(bytes[at] ^ 4);
      write_all(t.file("CONTROL"), bytes);
      ASSERT_TRUE(ok(t.open()));
      EXPECT_EQ(
          t.store().scan({.begin = "key", .end = "l"}, [](Bytes, Bytes) { return true; }).value(),
          2000u);
      EXPECT_EQ(t.store().get("large").value(), std::string(50000, 'L'));
      const std::string last = openings == 0 ? "" : std::to_string(openings - 1);
      EXPECT_EQ(t.store().get("opening").value_or(""), last);
      EXPECT_TRUE(ok(t.store().put("k", "v")));
      EXPECT_TRUE(t.whole());
    }
  }
}

// Goal:   an environment that has lost its CONTROL is not taken for an empty directory: all it holds would be lost.
TEST(DamagedControl, AMissingOneDoesNotMakeItANewEnvironment) {
  ClosedPlace t;
  fs::rename(t.file("CONTROL"), t.directory / "elsewhere");
  const std::string data = read_all(t.file("data"));
  EXPECT_TRUE(fails(t.open(), Code::corruption, "CONTROL is missing"));
  EXPECT_TRUE(read_all(t.file("data")) == data) << "the rows are gone";
  fs::rename(t.directory / "elsewhere", t.file("CONTROL"));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.store().get("large").value(), std::string(50000, 'L'));
}

// Goal:   a CONTROL from before the last life, whole as it is, does not make what that life acknowledged vanish.
// Method: put an old copy back, and go on after a kill and after a close; the copy of a closed life and of an open one.
TEST(DamagedControl, AnOldCopyIsRefusedWhenTheLogIsYounger) {
  for (const bool killed : {true, false}) {
    SCOPED_TRACE(killed ? "killed" : "closed");
    ClosedPlace t;
    t.options.live = false;  // Its socket cannot be copied.
    t.options.durability = Durability::group;
    const std::string old = read_all(t.file("CONTROL"));
    ASSERT_TRUE(ok(t.open()));
    ASSERT_TRUE(ok(t.store().put("acknowledged", "yes")));
    const fs::path aside = t.directory / "aside";
    if (killed)
      fs::copy(t.home, aside, fs::copy_options::recursive | fs::copy_options::skip_existing);
    ASSERT_TRUE(ok(t.env->close()));
    t.env.reset();
    if (killed) {
      fs::remove_all(t.home);
      fs::rename(aside, t.home);
    }
    const std::string young = read_all(t.file("CONTROL"));
    write_all(t.file("CONTROL"), old);
    t.expect_refused(Code::corruption, "CONTROL knows nothing after epoch");
    EXPECT_TRUE(read_all(t.file("CONTROL")) == old) << "it was changed";
    write_all(t.file("CONTROL"), young);
    ASSERT_TRUE(ok(t.open()));
    EXPECT_EQ(t.store().get("acknowledged").value(), "yes");
  }
}

// --- the other files -------------------------------------------------------------------------------------

TEST(DamagedData, AMissingFileIsCorruptionNotAMissingEnvironment) {
  ClosedPlace t;
  fs::rename(t.file("data"), t.directory / "elsewhere");
  t.expect_refused(Code::corruption, "data");
  EXPECT_FALSE(fs::exists(t.file("data")));
  fs::rename(t.directory / "elsewhere", t.file("data"));
  EXPECT_TRUE(ok(t.open()));
}

TEST(DamagedData, AFileWithoutItsFirstPagesIsRefused) {
  for (const uint64_t size : {0u, 1u, 4095u, 4096u, 8192u, 10000u}) {
    ClosedPlace t;
    fs::resize_file(t.file("data"), size);
    t.expect_refused(Code::corruption, "data");
  }
}

// Goal:   a cut that is met later is corruption that names the page, never wrong rows; the rows before it are served.
TEST(DamagedData, ACutFileServesWhatIsThere) {
  ClosedPlace t;
  fs::resize_file(t.file("data"), 24 * 4096);
  ASSERT_TRUE(ok(t.open()));
  uint64_t served = 0;
  uint64_t refused = 0;
  for (int i = 0; i < 2000; ++i) {
    const Result<std::string> got = t.store().get(key_of(i));
    if (!got) {
      ++refused;
      ASSERT_TRUE(fails(got, Code::corruption, "page "));
      continue;
    }
    ++served;
    ASSERT_EQ(*got, std::string(100, 'v'));
  }
  EXPECT_GT(served, 100u);
  EXPECT_GT(refused, 100u);
  EXPECT_TRUE(fails(t.store().get("large"), Code::corruption, "page "));
  EXPECT_FALSE(t.env->verify()->ok());
}

TEST(DamagedData, AnotherEnvironmentsFileIsRefused) {
  ClosedPlace t;
  ClosedPlace other;
  fs::copy_file(other.file("data"), t.file("data"), fs::copy_options::overwrite_existing);
  t.expect_refused(Code::corruption, "data");
}

// Goal:   yesterday's `data` beside today's CONTROL and tags: what has changed since is never answered as it was.
TEST(DamagedData, AnOlderFileIsNoticedPageByPage) {
  ClosedPlace t;
  const std::string old = read_all(t.file("data"));
  ASSERT_TRUE(ok(t.open()));
  for (int i = 0; i < 2000; i += 100) ASSERT_TRUE(ok(t.store().put(key_of(i), "today")));
  ASSERT_TRUE(ok(t.env->close()));
  t.env.reset();
  const std::string young = read_all(t.file("data"));
  write_all(t.file("data"), old);
  const Result<void> opened = t.open();
  if (opened) {
    uint64_t refused = 0;
    for (int i = 0; i < 2000; ++i) {
      const Result<std::string> got = t.store().get(key_of(i));
      refused += got ? 0 : 1;
      if (!got) {
        ASSERT_TRUE(fails(got, Code::corruption, "not the version that was written last"));
      } else {
        ASSERT_EQ(*got, std::string(100, 'v')) << "row " << i;
        ASSERT_NE(i % 100, 0) << "row " << i << " is answered as it was yesterday";
      }
    }
    EXPECT_GE(refused, 20u);
    EXPECT_FALSE(t.env->verify()->ok());
    t.env.reset();
  } else {
    EXPECT_TRUE(fails(opened, Code::corruption, "not the version that was written last"));
  }
  write_all(t.file("data"), young);
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.store().get(key_of(100)).value(), "today");
}

TEST(DamagedData, ADirectoryInItsPlaceIsAnError) {
  ClosedPlace t;
  ASSERT_TRUE(fs::remove(t.file("data")));
  ASSERT_TRUE(fs::create_directory(t.file("data")));
  t.expect_refused(Code::invalid_argument, "data");
}

TEST(DamagedLog, AMissingDirectoryIsCorruptionForWritingOnly) {
  ClosedPlace t;
  fs::remove_all(t.file("log"));
  EXPECT_TRUE(fails(t.open(), Code::corruption, "log"));
  t.options.read_only = true;  // A clean one needs no log.
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.store().get("large").value(), std::string(50000, 'L'));
}

TEST(DamagedLog, AClosedEnvironmentNeedsNoOldSegments) {
  ClosedPlace t;
  for (const auto& entry : fs::directory_iterator(t.file("log"))) fs::remove(entry.path());
  fs::remove(t.file("doublewrite"));
  fs::remove(t.file("LOCK"));
  ASSERT_TRUE(ok(t.open()));
  EXPECT_EQ(t.store().get("large").value(), std::string(50000, 'L'));
  EXPECT_TRUE(ok(t.store().put("k", "v")));
  EXPECT_TRUE(t.whole());
}

}  // namespace
}  // namespace aether::contract
