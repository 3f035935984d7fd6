// Routes of a web server in a radix tree in memory: what begins alike is kept once, and all below a path is one short scan. The
// route for a request is the longest one that its path begins with.
//
//   example_rax DIR

#include <cstdio>
#include <string>

#include "aether/aether.hpp"

namespace {

using aether::Bytes;
using aether::KvStore;
using aether::Result;

/// Of the keys that `path` begins with the longest, which is not always the key next before it: a shorter path is asked for
/// then. False: there is none.
Result<bool> find_route(const KvStore& routes, std::string path, std::string& handler) {
  aether::Cursor cursor = routes.cursor();
  for (;;) {
    AETHER_TRY_ASSIGN(const bool there, cursor.seek_for_prev(path));
    if (!there) return false;
    const Bytes route = cursor.key();
    size_t same = 0;
    while (same < route.size() && same < path.size() && route[same] == path[same]) ++same;
    if (same == route.size()) {
      AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
      handler = value;
      return true;
    }
    path.resize(same);
  }
}

Result<int> run(const std::string& home) {
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(KvStore routes, env->open_store("routes", {.index = aether::IndexKind::rax}));
  AETHER_TRY(routes.put("/", "home"));
  AETHER_TRY(routes.put("/shop/", "shop"));
  AETHER_TRY(routes.put("/shop/fruit/", "fruit"));
  AETHER_TRY(routes.put("/shop/fruit/apples", "apples"));
  AETHER_TRY(routes.put("/shop/vegetables/", "vegetables"));
  AETHER_TRY(routes.put("/static/", "files"));

  std::string end;
  AETHER_TRY_ASSIGN(const uint64_t below,
                    routes.scan(aether::Range::prefix("/shop/fruit/", end), [](Bytes key, Bytes) {
                      std::printf("%s\n", std::string(key).c_str());
                      return true;
                    }));

  std::string pears;
  std::string nothing;
  AETHER_TRY_ASSIGN(const bool has_pears, find_route(routes, "/shop/fruit/pears/ripe", pears));
  AETHER_TRY_ASSIGN(const bool has_nothing, find_route(routes, "mailto:ada", nothing));
  std::printf("/shop/fruit/pears/ripe: %s\n", pears.c_str());
  AETHER_TRY(env->close());
  return below == 2 && has_pears && pears == "fruit" && !has_nothing ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_rax DIR\n");
    return 2;
  }
  const Result<int> status = run(arguments[1]);
  if (!status) std::fprintf(stderr, "%s\n", std::string(status.error().message()).c_str());
  return status ? *status : 1;
}
