#include "fuzz/support/target.h"

#include <cstdio>
#include <cstdlib>

namespace aether::fuzz {

void broken(const char* what, const char* file, int line, const std::string& more) noexcept {
  std::fprintf(stderr, "%s:%d: does not hold: %s%s%s\n", file, line, what, more.empty() ? "" : ": ",
               more.c_str());
  std::abort();
}

}  // namespace aether::fuzz
