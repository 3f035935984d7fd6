// aether-hotpaths: runs each hot path in a loop, for tools/hotpaths to count.
//   aether-hotpaths [NAME...]     runs these, or all; a line a path: name, length of the first measured loop, what it does
//   aether-hotpaths --list        their names
//   aether-hotpaths --compiler    the compiler that made it
#include <cstdio>
#include <cstring>
#include <vector>

#include "hotpaths/hot_path.h"

using namespace aether::hotpaths;

// What callgrind collects: by name, so it must be one function, called and not jumped to.
extern "C" [[gnu::noinline]] void aether_hot_path(HotPath& path, uint64_t count);
extern "C" void aether_hot_path(HotPath& path, uint64_t count) {
  path.run(count);
  asm volatile("" : : : "memory");
}

namespace {

// The second loop is twice as long: the difference of both is `count` operations and nothing else.
void measure(const HotPathKind& kind) {
  std::printf("%s\t%llu\t%s\n", kind.name, static_cast<unsigned long long>(kind.count), kind.what);
  const std::unique_ptr<HotPath> path = kind.make();
  path->prepare(kind.count);
  path->run(kind.count);  // Buffers grow, pages become hot.
  for (const uint64_t count : {kind.count, 2 * kind.count}) {
    path->prepare(count);
    aether_hot_path(*path, count);
  }
}

int print_compiler() {
#if defined(__clang__)
  std::printf("clang %s\n", __clang_version__);
#else
  std::printf("g++ %s\n", __VERSION__);
#endif
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<const char*> names(argv + 1, argv + argc);
  if (names.size() == 1 && std::strcmp(names[0], "--compiler") == 0) return print_compiler();
  const bool only_names = names.size() == 1 && std::strcmp(names[0], "--list") == 0;
  size_t measured = 0;
  for (const auto paths : {page_paths(), log_paths(), txn_paths(), store_paths(), lsm_paths()}) {
    for (const HotPathKind& kind : paths) {
      if (only_names) std::printf("%s\n", kind.name);
      bool wanted = names.empty();
      for (const char* name : names) wanted |= std::strcmp(name, kind.name) == 0;
      if (!wanted) continue;
      measure(kind);
      ++measured;
    }
  }
  if (only_names) return 0;
  if (measured < names.size())
    std::fprintf(stderr, "hot paths: not all of these names are known\n");
  return measured >= names.size() && measured != 0 ? 0 : 2;
}
