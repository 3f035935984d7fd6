#include "base/planted.h"

#if defined(AETHER_SIM) || defined(AETHER_TRACE)

#include <cstdlib>

namespace aether::base {
namespace {

std::string& planted() {
  static std::string name = [] {
    const char* const given = std::getenv("AETHER_PLANT");
    return std::string(given == nullptr ? "" : given);
  }();
  return name;
}

}  // namespace

void plant(const std::string& name) { planted() = name; }

bool is_planted(const char* name) noexcept {
  static const std::string& alive = planted();
  return !alive.empty() && alive == name;
}

}  // namespace aether::base

#endif
