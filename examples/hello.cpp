// Opens an environment, writes three rows, reads one and scans all.
//
//   example_hello DIR

#include <cstdio>
#include <string>

#include "aether/aether.hpp"

namespace {

aether::Result<int> run(const std::string& home) {
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(aether::KvStore planets, env->open_store("planets"));

  // Each call alone is a transaction, durable when it returns.
  AETHER_TRY(planets.put("mercury", "0.39 AU"));
  AETHER_TRY(planets.put("earth", "1.00 AU"));
  AETHER_TRY(planets.put("jupiter", "5.20 AU"));

  AETHER_TRY_ASSIGN(const std::string earth, planets.get("earth"));
  std::printf("earth is at %s\n", earth.c_str());

  const aether::Result<std::string> pluto = planets.get("pluto");
  if (!pluto && pluto.error().code() == aether::Code::not_found) std::printf("pluto is not here\n");

  // Keys come in order of their bytes.
  AETHER_TRY_ASSIGN(const uint64_t rows,
                    planets.scan({}, [](aether::Bytes key, aether::Bytes value) {
                      std::printf("%.*s\t%.*s\n", static_cast<int>(key.size()), key.data(),
                                  static_cast<int>(value.size()), value.data());
                      return true;  // false would end the scan here.
                    }));

  AETHER_TRY(env->close());
  return rows == 3 && earth == "1.00 AU" && !pluto ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_hello DIR\n");
    return 2;
  }
  const aether::Result<int> outcome = run(arguments[1]);
  if (outcome) return *outcome;
  std::fprintf(stderr, "%s\n", std::string(outcome.error().message()).c_str());
  return 1;
}
