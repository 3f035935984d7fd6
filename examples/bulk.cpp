// Fills a store from sorted keys, walks a range both ways with a cursor, and verifies every page.
//
//   example_bulk DIR

#include <array>
#include <cstdio>
#include <string>

#include "aether/aether.hpp"

namespace {

using aether::Bytes;
using aether::Result;

constexpr uint32_t kRows = 100'000;

std::string key_of(uint32_t number) {
  std::array<char, 16> text{};
  const int size = std::snprintf(text.data(), text.size(), "row%08u", number);
  return std::string(text.data(), static_cast<size_t>(size));
}

/// Keys must ascend; pages are packed, and the log stays small.
Result<uint64_t> fill(aether::KvStore& store) {
  uint32_t next = 0;
  std::string key_text;
  std::string value_text;
  return store.bulk_load([&](Bytes& key, Bytes& value) {
    if (next == kRows) return false;
    key_text = key_of(next);
    value_text = "value " + std::to_string(next);
    key = key_text;
    value = value_text;
    ++next;
    return true;
  });
}

/// From row 500 on three rows forward, then back again.
Result<std::string> walk(const aether::KvStore& store) {
  std::string path;
  aether::Cursor cursor = store.cursor();
  AETHER_TRY_ASSIGN(bool there, cursor.seek(key_of(500)));
  for (int step = 0; there && step < 3; ++step) {
    path += std::string(cursor.key().substr(8)) + " ";
    AETHER_TRY_ASSIGN(there, cursor.next());
  }
  AETHER_TRY_ASSIGN(there, cursor.prev());
  if (there) path += std::string(cursor.key().substr(8));
  return path;
}

Result<int> run(const std::string& home) {
  AETHER_TRY_ASSIGN(auto env, aether::DbEnv::open(home));
  AETHER_TRY_ASSIGN(aether::KvStore store, env->open_store("numbers"));
  AETHER_TRY_ASSIGN(const uint64_t rows, fill(store));

  AETHER_TRY_ASSIGN(const std::string path, walk(store));
  std::printf("%s\n", path.c_str());

  std::string storage;
  AETHER_TRY_ASSIGN(
      const uint64_t in_prefix,
      store.scan(aether::Range::prefix("row000123", storage), [](Bytes, Bytes) { return true; }));
  AETHER_TRY_ASSIGN(const aether::VerifyReport report, env->verify());
  std::printf("%llu rows, %llu pages checked\n", static_cast<unsigned long long>(rows),
              static_cast<unsigned long long>(report.pages_checked));
  AETHER_TRY(env->close());
  return rows == kRows && path == "500 501 502 502" && in_prefix == 100 && report.ok() ? 0 : 1;
}

}  // namespace

int main(int argument_count, char** arguments) {
  if (argument_count != 2) {
    std::fprintf(stderr, "Usage: example_bulk DIR\n");
    return 2;
  }
  const Result<int> outcome = run(arguments[1]);
  if (outcome) return *outcome;
  std::fprintf(stderr, "%s\n", std::string(outcome.error().message()).c_str());
  return 1;
}
