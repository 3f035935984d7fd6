// A program outside the tree: sees the installed headers and libraries, and nothing else.
#include <aether/aether.hpp>

#include <cstdio>
#include <string>

namespace {

aether::Result<std::string> write_and_read(const std::string& home) {
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(aether::KvStore store, env->open_store("greetings"));
  AETHER_TRY(store.put("hello", "installed world"));
  AETHER_TRY(env->close());

  AETHER_TRY_ASSIGN(auto again, aether::DbEnv::open(home, {.create = false}));
  AETHER_TRY_ASSIGN(aether::KvStore same, again->open_store("greetings", {.create = false}));
  return same.get("hello");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const aether::Result<std::string> value = write_and_read(argv[1]);
  if (!value) {
    std::fprintf(stderr, "%s\n", std::string(value.error().message()).c_str());
    return 1;
  }
  std::printf("aether %s: %s\n", aether::kVersion, value.value().c_str());
  return 0;
}
