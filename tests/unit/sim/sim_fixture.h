// What the simulator's tests share: short words for files, sectors, and what a crash leaves of them.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "sim/sim_os.h"

namespace aether::sim {

inline constexpr os::OpenFlags kMake{.write = true, .create = true};
inline constexpr CrashPolicy kPolicies[] = {CrashPolicy::lost, CrashPolicy::kept,
                                            CrashPolicy::sectors, CrashPolicy::prefix};

inline std::unique_ptr<os::File> open(SimOs& os, const std::string& path,
                                      os::OpenFlags flags = kMake) {
  auto file = os.open(path, flags);
  EXPECT_TRUE(file) << file.error().message();
  return file ? *std::move(file) : nullptr;
}

inline void write(os::File& file, uint64_t offset, const std::string& bytes) {
  const Result<void> done = file.write_at(offset, bytes.data(), bytes.size());
  ASSERT_TRUE(done) << done.error().message();
}

// The contents, or "-" where there is no such file.
inline std::string contents(SimOs& os, const std::string& path) {
  const auto bytes = os.read_file(path);
  return bytes ? *bytes : "-";
}

inline std::string after(SimOs& os, const Crash& how, const std::string& path) {
  return contents(*os.crash(how), path);
}

inline std::string sectors(const std::string& letters) {
  std::string bytes;
  for (const char letter : letters) bytes.append(kSectorBytes, letter);
  return bytes;
}

// One letter a sector: what fills it, or '?' if it is not all the same.
inline std::string letters(const std::string& bytes) {
  std::string result;
  for (size_t at = 0; at < bytes.size(); at += kSectorBytes) {
    const std::string sector = bytes.substr(at, kSectorBytes);
    result += sector == std::string(sector.size(), sector[0]) ? sector[0] : '?';
  }
  return result;
}

struct Synced {
  SimOs os;
  std::unique_ptr<os::File> file;
  explicit Synced(const std::string& start, const SimOptions& options = {}) : os(options) {
    EXPECT_TRUE(os.write_file("/a", sectors(start)));
    file = open(os, "/a");
  }
};

}  // namespace aether::sim
