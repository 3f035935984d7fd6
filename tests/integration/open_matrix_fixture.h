// What the open matrix is made of: small environments written to real files, ways to damage them, and what must come of it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/checksum.h"
#include "page/page_header.h"
#include "support/small_env.h"
#include "unit/os/temp_directory.h"

namespace aether::matrix {

namespace fs = std::filesystem;
using small::State;

inline std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}
inline void write_all(const fs::path& path, std::string_view bytes) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.good()) << path;
}

/// One of the small environments, made once.
inline const small::SmallEnv& environment(State state) {
  static std::map<State, small::SmallEnv> made;
  const auto found = made.find(state);
  return found != made.end() ? found->second
                             : made.emplace(state, small::make(state)).first->second;
}

/// Another environment of the same kind: other rows, another id.
inline const small::SmallEnv& another(State state) {
  static std::map<State, small::SmallEnv> made;
  const auto found = made.find(state);
  if (found != made.end()) return found->second;
  return made.emplace(state, small::make(state, 8)).first->second;
}

/// The files of a simulated disk, as they are, below `home`.
inline void write_files(const small::SmallEnv& env, const fs::path& home) {
  const std::unique_ptr<sim::SimOs> os = env.os->copy();
  fs::create_directories(home / "log");
  for (const std::string& path : os->files()) {
    const std::string name = path.substr(std::string(small::kHome).size() + 1);
    fs::create_directories((home / name).parent_path());
    write_all(home / name, os->read_file(path).value());
  }
}

/// A place in the file system with an environment in it.
struct Place {
  testing_support::TempDirectory directory;
  fs::path home = directory / "env";
  State state = State::closed;

  fs::path operator/(const std::string& name) const { return home / name; }
  /// The segment that recovery begins in; of a closed one, the last.
  fs::path segment() const {
    std::vector<fs::path> all = segments();
    return state == State::closed ? all.back() : all.front();
  }
  std::vector<fs::path> segments() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(home / "log")) all.push_back(entry.path());
    std::sort(all.begin(), all.end());
    return all;
  }

  /// Every file with its bytes, every link with its target. LOCK apart: who tries to open leaves his pid in it.
  std::map<std::string, std::string> content() const {
    std::map<std::string, std::string> all;
    if (!fs::is_directory(home)) {
      all["."] = fs::exists(home) ? read_all(home) : "(none)";
      return all;
    }
    for (const auto& entry : fs::recursive_directory_iterator(home)) {
      const std::string name = entry.path().lexically_relative(home).string();
      if (name == "LOCK" || entry.is_socket()) continue;
      if (entry.is_symlink()) {
        all[name] = "-> " + fs::read_symlink(entry.path()).string();
      } else {
        all[name] = entry.is_directory() ? "(directory)" : read_all(entry.path());
      }
    }
    return all;
  }
};

// --- what is changed -------------------------------------------------------------------------------------------

inline void overwrite(const fs::path& path, uint64_t offset, std::string_view bytes) {
  std::string file = read_all(path);
  ASSERT_LE(offset + bytes.size(), file.size()) << path;
  std::copy(bytes.begin(), bytes.end(), file.begin() + static_cast<int64_t>(offset));
  write_all(path, file);
}

template <typename T>
std::string little(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

inline constexpr uint64_t kSlotBytes = 16 * KiB;
inline constexpr uint64_t kControlMagic = 0x314c'5443'4854'4541;

/// `bytes` at `offset` of both slots of CONTROL, with the right checksums (docs/formats/control.md).
inline void patch_control(const Place& place, uint64_t offset, std::string_view bytes) {
  std::string file = read_all(place / "CONTROL");
  ASSERT_EQ(file.size(), 2 * kSlotBytes);
  for (char* slot : {file.data(), file.data() + kSlotBytes}) {
    std::copy(bytes.begin(), bytes.end(), slot + offset);
    base::store(slot, base::checksum(slot + 8, kSlotBytes - 8, kControlMagic));
  }
  write_all(place / "CONTROL", file);
}

inline uint64_t environment_id(const Place& place) {
  return base::load<uint64_t>(read_all(place / "CONTROL").data() + 32);
}

/// `bytes` at `offset` of a page of the data file, with the right checksum.
inline void patch_page(const Place& place, uint64_t page, uint64_t offset, std::string_view bytes) {
  std::string file = read_all(place / "data");
  char* at = file.data() + page * 4096;
  std::copy(bytes.begin(), bytes.end(), at + offset);
  page::seal(at, 4096, environment_id(place));
  write_all(place / "data", file);
}

// --- what must come of it --------------------------------------------------------------------------------------

struct Expected {
  enum class Kind : uint8_t { refused, sound, damage_reported } kind = Kind::sound;
  Code code = Code::corruption;
  std::string says;  ///< A part of the message.
};

inline Expected refused(Code code, std::string says) {
  return {Expected::Kind::refused, code, std::move(says)};
}
/// It opens, and every row is there.
inline Expected sound() { return {}; }
/// It opens; what is damaged is `corruption` when it is read, the rest is right.
inline Expected damage_reported() {
  return {Expected::Kind::damage_reported, Code::corruption, ""};
}
/// A crashed environment, opened for reading only.
inline Expected needs_recovery() { return refused(Code::unsupported, "needs recovery"); }

struct Case {
  std::string name;
  State state = State::closed;
  std::function<void(Place&)> change;
  Expected writing;
  Expected reading;
};

inline void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

}  // namespace aether::matrix
