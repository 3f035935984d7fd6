// A crawl's addresses in a radix tree in pages: as in memory, what begins alike is there once in its inner pages, but the tree may be
// larger than memory. Here it is, on purpose: a pool of 1 MiB, and some 5 MiB of rows.
//
//   example_rax_paged DIR

#include <cstdio>
#include <string>

#include "aether/aether.hpp"

namespace {

using aether::Bytes;
using aether::KvStore;
using aether::Result;

constexpr int kHosts = 20;
constexpr int kPages = 2000;

std::string host(int number) { return "https://www.host" + std::to_string(100 + number) + ".org/"; }

Result<void> fill(aether::DbEnv& env, KvStore& crawl) {
  for (int h = 0; h < kHosts; ++h) {
    AETHER_TRY_ASSIGN(aether::Transaction txn, env.begin());
    for (int page = 0; page < kPages; ++page) {
      const std::string address = host(h) + "articles/" + std::to_string(page) + ".html";
      AETHER_TRY(crawl.put(txn, address, std::string(100, 'a')));
    }
    AETHER_TRY(txn.commit());
  }
  return {};
}

Result<int> run(const std::string& home) {
  aether::EnvOptions options;
  options.pool_bytes = 1 * aether::MiB;
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home, options));
  AETHER_TRY_ASSIGN(KvStore crawl,
                    env->open_store("crawl", {.index = aether::IndexKind::rax_paged}));
  AETHER_TRY(fill(*env, crawl));

  std::string end;
  uint64_t bytes = 0;
  AETHER_TRY_ASSIGN(const uint64_t pages,
                    crawl.scan(aether::Range::prefix(host(7), end), [&](Bytes, Bytes value) {
                      bytes += value.size();
                      return true;
                    }));
  std::printf("%s has %llu pages of %llu bytes\n", host(7).c_str(),
              static_cast<unsigned long long>(pages), static_cast<unsigned long long>(bytes));

  // A host goes; its neighbours stay.
  AETHER_TRY_ASSIGN(const uint64_t removed,
                    crawl.remove_range(aether::Range::prefix(host(7), end)));
  AETHER_TRY_ASSIGN(const std::string neighbour, crawl.get(host(8) + "articles/0.html"));
  AETHER_TRY(env->close());
  return pages == kPages && removed == kPages && neighbour.size() == 100 ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_rax_paged DIR\n");
    return 2;
  }
  const Result<int> status = run(arguments[1]);
  if (!status) std::fprintf(stderr, "%s\n", std::string(status.error().message()).c_str());
  return status ? *status : 1;
}
