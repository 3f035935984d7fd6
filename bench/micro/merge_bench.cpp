// Merging: entries a second out of `runs` sorted lists in memory, 16-byte keys and 100-byte values, without the writing of a run.
//   aether-micro --benchmark_filter=Merge
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "lsm/merge.h"

namespace aether::bench {
namespace {

using namespace lsm;

constexpr size_t kEntries = 200000;
constexpr size_t kKeyBytes = 16;
constexpr size_t kValueBytes = 100;

struct Row {
  Bytes key;
  Bytes value;
};

/// Rows of a run, one behind the other as a block has them.
struct Rows {
  std::string bytes;
  std::vector<Row> rows;
};

class RowCursor {
 public:
  explicit RowCursor(const std::vector<Row>& rows) : rows_(&rows) {}
  Result<bool> first() { return go(0); }
  Result<bool> last() { return go(rows_->size() - 1); }
  Result<bool> seek(Bytes key) {
    const auto at = std::partition_point(rows_->begin(), rows_->end(),
                                         [key](const Row& row) { return row.key < key; });
    return go(static_cast<size_t>(at - rows_->begin()));
  }
  Result<bool> seek_for_prev(Bytes key) {
    const auto at = std::partition_point(rows_->begin(), rows_->end(),
                                         [key](const Row& row) { return row.key <= key; });
    return go(static_cast<size_t>(at - rows_->begin()) - 1);
  }
  Result<bool> next() { return go(place_ + 1); }
  Result<bool> prev() { return go(place_ - 1); }
  const Entry& entry() const noexcept { return entry_; }

 private:
  Result<bool> go(size_t place) {
    place_ = place;
    if (place >= rows_->size()) return false;
    const Row& row = (*rows_)[place];
    entry_ = {row.key, 1, EntryKind::value, 0, row.value};
    return true;
  }
  const std::vector<Row>* rows_;
  size_t place_ = 0;
  Entry entry_;
};

/// `runs` lists with kEntries rows in all, random keys.
std::vector<Rows> make_runs(size_t runs) {
  std::mt19937_64 random(7);
  std::vector<std::vector<std::string>> keys(runs);
  for (size_t i = 0; i < kEntries; ++i) {
    std::string key(kKeyBytes, '\0');
    for (char& byte : key) byte = static_cast<char>('a' + random() % 26);
    keys[i % runs].push_back(std::move(key));
  }
  std::vector<Rows> all(runs);
  for (size_t i = 0; i < runs; ++i) {
    std::sort(keys[i].begin(), keys[i].end());
    all[i].bytes.reserve(keys[i].size() * (kKeyBytes + kValueBytes));
    for (const std::string& key : keys[i]) {
      const char* const at = all[i].bytes.data() + all[i].bytes.size();
      all[i].bytes.append(key).append(kValueBytes, 'v');
      all[i].rows.push_back({{at, kKeyBytes}, {at + kKeyBytes, kValueBytes}});
    }
  }
  return all;
}

class Nowhere final : public MergeOutput {
 public:
  Result<void> add(const Entry& entry) override {
    benchmark::DoNotOptimize(entry.value.data());
    return {};
  }
  Result<void> leave_out_value_apart(const Entry&) override { return {}; }
};

void BM_Merge(benchmark::State& state) {
  const auto runs = make_runs(static_cast<size_t>(state.range(0)));
  uint64_t bytes = 0;
  uint64_t entries = 0;
  for (auto step : state) {
    std::vector<MergeSource> sources;
    for (const auto& run : runs) {
      sources.push_back({std::make_unique<EntryCursorOf<RowCursor>>(RowCursor(run.rows)), {}});
    }
    Merge merge(std::move(sources), {});
    Nowhere out;
    bool good = merge.begin().has_value();
    while (good && !merge.has_ended()) good = merge.step(64 * KiB, out).has_value();
    if (!good) state.SkipWithError("a merge failed");
    bytes += merge.bytes_read();
    entries += merge.entries_read();
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.SetItemsProcessed(static_cast<int64_t>(entries));
}
BENCHMARK(BM_Merge)->Arg(1)->Arg(2)->Arg(4)->Arg(8)->Arg(16)->ArgName("runs");

void BM_MergingCursorPrev(benchmark::State& state) {
  const auto runs = make_runs(static_cast<size_t>(state.range(0)));
  std::vector<std::unique_ptr<EntryCursor>> cursors;
  for (const auto& run : runs) {
    cursors.push_back(std::make_unique<EntryCursorOf<RowCursor>>(RowCursor(run.rows)));
  }
  MergingCursor cursor(std::move(cursors));
  for (auto step : state) {
    const Result<bool> there = cursor.valid() ? cursor.prev() : cursor.last();
    if (!there) state.SkipWithError("a move failed");
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(BM_MergingCursorPrev)->Arg(4)->Arg(16)->ArgName("runs");

}  // namespace
}  // namespace aether::bench
