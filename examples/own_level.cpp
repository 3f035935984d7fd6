// An index of one's own as a level of an LSM: two levels, each in the map of examples/locked_map.h, are read as one, and merged into
// a third. The LSM's parts are not installed: this is built inside the source tree, as any work on them.
//
//   example_own_level DIR        (nothing is written there)

#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "locked_map.h"
#include "lsm/index_entries.h"
#include "lsm/merge.h"
#include "lsm/visible_cursor.h"

namespace {

using aether::Result;
using aether::lsm::Entry;
using aether::lsm::EntryKind;
using aether::lsm::MergeSource;

Result<void> put(LockedMap& level, aether::TxnId writer, const char* key, const char* value) {
  return aether::lsm::put_entry(
      level,
      {.key = key, .writer = writer, .kind = EntryKind::value, .expiry_ms = 0, .value = value});
}

Result<void> remove(LockedMap& level, aether::TxnId writer, const char* key) {
  return aether::lsm::put_entry(
      level,
      {.key = key, .writer = writer, .kind = EntryKind::tombstone, .expiry_ms = 0, .value = {}});
}

/// The newest first.
std::vector<MergeSource> sources_of(const std::vector<const LockedMap*>& levels) {
  std::vector<MergeSource> sources;
  sources.reserve(levels.size());
  for (const LockedMap* level : levels) {
    sources.push_back(MergeSource{aether::lsm::entries_of(*level), {}});
  }
  return sources;
}

/// What somebody sees who sees all writers.
Result<std::string> seen_in(const std::vector<const LockedMap*>& levels) {
  aether::lsm::VisibleCursor cursor(
      sources_of(levels), [](aether::TxnId) { return true; }, 0);
  std::string text;
  AETHER_TRY_ASSIGN(bool there, cursor.first());
  while (there) {
    text.append(cursor.key()).append("=").append(cursor.value()).append(" ");
    AETHER_TRY_ASSIGN(there, cursor.next());
  }
  return text;
}

/// What a merge writes goes into a level of the same kind.
class IntoMap final : public aether::lsm::MergeOutput {
 public:
  explicit IntoMap(LockedMap& map) : map_(map) {}
  Result<void> add(const Entry& entry) override {
    ++entries_;
    return aether::lsm::put_entry(map_, entry);
  }
  Result<void> leave_out_value_apart(const Entry& /*entry*/) override { return {}; }
  size_t entries() const { return entries_; }

 private:
  LockedMap& map_;
  size_t entries_ = 0;
};

Result<int> run() {
  LockedMap older;
  AETHER_TRY(put(older, 1, "ada", "1815"));
  AETHER_TRY(put(older, 2, "alan", "1911"));
  AETHER_TRY(put(older, 3, "grace", "1906"));
  LockedMap newer;
  AETHER_TRY(put(newer, 4, "alan", "1912"));
  AETHER_TRY(remove(newer, 5, "grace"));

  AETHER_TRY_ASSIGN(const std::string before, seen_in({&newer, &older}));
  std::printf("two levels: %s\n", before.c_str());

  LockedMap merged;
  IntoMap output(merged);
  aether::lsm::Merge merge(sources_of({&newer, &older}), {});
  AETHER_TRY(merge.begin());
  while (!merge.has_ended()) AETHER_TRY(merge.step(16, output));  // As much at a time as is due.
  AETHER_TRY(merge.end_part(output));

  AETHER_TRY_ASSIGN(const std::string after, seen_in({&merged}));
  std::printf("merged:     %s(%zu entries of 5)\n", after.c_str(), output.entries());
  return before == "ada=1815 alan=1912 " && after == before && output.entries() == 2 ? 0 : 1;
}

}  // namespace

int main() {
  const Result<int> status = run();
  if (!status) std::fprintf(stderr, "%s\n", std::string(status.error().message()).c_str());
  return status ? *status : 1;
}
