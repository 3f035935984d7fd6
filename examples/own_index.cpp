// An index of one's own as a store with typed keys: temperatures by room and time, in examples/locked_map.h.
//
//   example_own_index DIR        (nothing is written there)

#include <cstdio>
#include <string>
#include <tuple>

#include "aether/generic_kv_store.h"
#include "locked_map.h"

namespace {

using aether::Result;

/// By room, and in a room by the second.
using At = std::tuple<std::string, uint64_t>;
using Readings = aether::GenericKvStore<LockedMap, At, double>;

Result<int> run() {
  Readings readings;
  AETHER_TRY(readings.put({"attic", 1700000000}, 21.5));
  AETHER_TRY(readings.put({"cellar", 1700000000}, 12.25));
  AETHER_TRY(readings.put({"attic", 1700003600}, 22.75));
  AETHER_TRY(readings.put({"attic", 1700007200}, 20.0));

  double warmest = -273.15;
  AETHER_TRY_ASSIGN(const uint64_t of_the_attic,
                    readings.scan({.begin = At("attic", 0), .end = At("attic", UINT64_MAX)},
                                  [&](const At& at, double celsius) {
                                    std::printf("%s %llu %.2f\n", std::get<0>(at).c_str(),
                                                static_cast<unsigned long long>(std::get<1>(at)),
                                                celsius);
                                    warmest = celsius > warmest ? celsius : warmest;
                                    return true;
                                  }));

  // The latest one of a room: the last key before the room's end of time.
  Readings::Cursor cursor = readings.cursor();
  AETHER_TRY_ASSIGN(const bool found, cursor.seek_for_prev({"attic", UINT64_MAX}));
  if (!found) return 1;
  AETHER_TRY_ASSIGN(const double latest, cursor.value());
  std::printf("latest %.2f, warmest %.2f\n", latest, warmest);
  return of_the_attic == 3 && latest == 20.0 && warmest == 22.75 ? 0 : 1;
}

}  // namespace

int main() {
  const Result<int> status = run();
  if (!status) std::fprintf(stderr, "%s\n", std::string(status.error().message()).c_str());
  return status ? *status : 1;
}
