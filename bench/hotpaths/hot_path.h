/// The engine's hot paths, each a loop of any length: tools/hotpaths counts their instructions, aether-micro their time.
///
/// Everything happens on the calling thread: environments are opened without background threads, and with one log stream.
/// So the number of instructions of a loop depends on its length alone.
///
/// Threads   One.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "aether/error.h"

namespace aether::hotpaths {

class HotPath {
 public:
  HotPath() = default;
  HotPath(const HotPath&) = delete;
  HotPath& operator=(const HotPath&) = delete;
  virtual ~HotPath() = default;

  /// Before each run, not measured: makes what `count` operations use up.
  virtual void prepare(uint64_t count) { static_cast<void>(count); }
  virtual void run(uint64_t count) = 0;
};

struct HotPathKind {
  const char* name;
  const char* what;  ///< One operation.
  uint64_t count;    ///< A good length of the loop.
  std::unique_ptr<HotPath> (*make)();
};

std::span<const HotPathKind> page_paths();
std::span<const HotPathKind> log_paths();
std::span<const HotPathKind> txn_paths();
std::span<const HotPathKind> store_paths();
std::span<const HotPathKind> lsm_paths();

template <typename Path>
std::unique_ptr<HotPath> make_path() {
  return std::make_unique<Path>();
}

/// The compiler must think that `value` is used.
template <typename T>
void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

/// Nothing here may fail: what failed would be measured as fast.
[[noreturn]] void stop(const Error& error);
template <typename T>
T must(Result<T> result) {
  if (!result) stop(result.error());
  return *std::move(result);
}
inline void must(const Result<void>& result) {
  if (!result) stop(result.error());
}

/// A new directory in memory, or where temporary files go; removed with all that is in it.
class Place {
 public:
  Place();
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place();
  std::string path(const std::string& name) const { return name_ + "/" + name; }

 private:
  std::string name_;
};

}  // namespace aether::hotpaths
