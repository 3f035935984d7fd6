#include <aether/aether.hpp>

#include <cstdio>

aether::Result<void> run(const char* home) {
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(aether::KvStore cities, env->open_store("cities"));

  AETHER_TRY_ASSIGN(aether::Transaction txn, env->begin());
  AETHER_TRY(cities.put(txn, "FR/Paris", "2138551"));
  AETHER_TRY(cities.put(txn, "FR/Lyon", "522250"));
  AETHER_TRY(txn.commit());  // Returns when both are safe on disk.

  std::string end;
  AETHER_TRY(cities.scan(aether::Range::prefix("FR/", end), [](auto key, auto value) {
    std::printf("%.*s  %.*s\n", int(key.size()), key.data(), int(value.size()), value.data());
    return true;  // Go on.
  }));
  return env->close();
}

int main(int, char** argv) {
  const aether::Result<void> done = run(argv[1]);
  if (!done) std::fprintf(stderr, "%s\n", std::string(done.error().message()).c_str());
  return done ? 0 : 1;
}
