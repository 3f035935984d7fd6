// The rows of an LSM's manifest: each is refused or written back as it was; together they agree with each other or are refused,
// and what was accepted can be planned for.
#include <map>

#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "lsm/manifest.h"

namespace aether::fuzz {
namespace {

lsm::ManifestRun run_of(uint64_t id, const char* smallest, const char* largest) {
  lsm::ManifestRun run;
  run.run = {.id = id,
             .bytes = 1000,
             .entries = 10,
             .tombstones = 1,
             .newest_writer = id,
             .smallest_key = smallest,
             .largest_key = largest};
  run.reference.assign(64, 'r');
  return run;
}

/// Flushes, a merge with a part, one that only moves.
lsm::Manifest sample(bool has_part) {
  lsm::Manifest manifest(lsm::PolicyOptions{.kind = lsm::PolicyKind::hanoi});
  lsm::ManifestChanges changes;
  const char* keys[][2] = {{"a", "m"}, {"b", "z"}, {"c", "d"}, {"e", "f"}};
  for (uint64_t i = 0; i < 4; ++i) {
    const uint64_t id = manifest.take_run_id(changes);
    manifest.flush(i * 2 + 1, i * 2 + 1, run_of(id, keys[i][0], keys[i][1]), i, changes);
  }
  const uint64_t merge = manifest.begin_merge({0, 2, 1000}, manifest.shape(100), changes);
  manifest.begin_merge({2, 2, 1000}, manifest.shape(100), changes);
  if (has_part) {
    const uint64_t id = manifest.take_run_id(changes);
    manifest.add_part(merge, run_of(id, "a", "g"), "g", 500, changes);
  }
  return manifest;
}

std::string input_of(const lsm::Manifest& manifest) {
  InputWriter input;
  for (const lsm::ManifestChange& row : manifest.all_rows()) {
    input.shortly_sized(row.key).shortly_sized(*row.value);
  }
  return input.bytes();
}

}  // namespace

std::vector<std::string> seeds() {
  return {input_of(lsm::Manifest()), input_of(sample(false)), input_of(sample(true))};
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  std::map<std::string, std::string> rows;
  while (!input.empty()) {
    std::string key(input.shortly_sized());
    rows[std::move(key)] = std::string(input.shortly_sized());
  }
  lsm::Manifest manifest;
  for (const auto& [key, value] : rows) {
    if (!manifest.add_row(key, value)) return 0;
  }
  if (!manifest.check()) return 0;
  std::map<std::string, std::string> again;
  for (const lsm::ManifestChange& row : manifest.all_rows()) again[row.key] = *row.value;
  for (const auto& [key, value] : rows) {
    const bool is_of_format_1 = key == "s" && value[0] == 1;  // Written back in the newest.
    FUZZ_REQUIRE(is_of_format_1 ? again.at(key).starts_with("\2" + value.substr(1))
                                : again.at(key) == value);
  }
  const Result<std::unique_ptr<lsm::MergePolicy>> policy = lsm::make_policy(manifest.policy());
  FUZZ_REQUIRE(policy);
  const lsm::Shape shape = manifest.shape(100);
  lsm::ManifestChanges changes;
  for (const lsm::PlannedMerge& merge : (*policy)->plan(shape)) {
    (void)lsm::split_for_merge(shape, merge);
  }
  std::vector<uint64_t> merges;
  for (const auto& [number, merge] : manifest.merges()) merges.push_back(number);
  for (const uint64_t merge : merges) (void)manifest.end_merge(merge, changes);
  FUZZ_REQUIRE(manifest.merges().empty());
  return 0;
}
