#include "txn/version_runs.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "base/no_memory.h"
#include "base/reached.h"

namespace aether::txn {
namespace {

constexpr size_t kRunsOfAClass = 4;
/// A filter takes no more memory than this part of a fresh run would: larger runs are asked in vain more often.
constexpr uint64_t kFilterPart = 8;
constexpr uint64_t kFilterBytesMax = 64 * MiB;

}  // namespace

VersionRuns::VersionRuns(std::string directory, uint64_t run_bytes, os::Os& os)
    : directory_(std::move(directory)), run_bytes_(run_bytes), os_(os) {}

VersionRuns::~VersionRuns() {
  merge_.reset();
  {
    os::LockGuard lock(list_mutex_);
    list_.reset();
  }
  // Empty now; what stays for an error is removed at the next open.
  if (next_number_ > 1)
    static_cast<void>(base::or_no_memory([&] { return os_.remove(directory_); }).has_value());
}

Result<void> VersionRuns::remove_leftovers(const std::string& directory, os::Os& os) {
  const Result<std::vector<std::string>> names = os.list(directory);
  if (!names) {
    if (names.error().code() == Code::not_found) return {};
    return names.error().clone();
  }
  for (const std::string& name : *names)
    AETHER_TRY(os.remove(std::string(directory).append("/").append(name)));
  return os.remove(directory);
}

Result<std::unique_ptr<VersionRunWriter>> VersionRuns::create(uint64_t versions_expected) {
  Result<void> made = os_.create_directory(directory_);
  if (!made && made.error().code() != Code::exists) return std::move(made).error();
  char name[32];
  std::snprintf(name, sizeof name, "/%08llu.run", static_cast<unsigned long long>(next_number_++));
  const uint64_t filter_bytes_max = std::min(run_bytes_ / kFilterPart, kFilterBytesMax);
  return VersionRunWriter::create(directory_ + name, versions_expected, filter_bytes_max, os_);
}

std::shared_ptr<const VersionRuns::List> VersionRuns::list() const {
  os::LockGuard lock(list_mutex_);
  return list_;
}

void VersionRuns::replace(List list) {
  auto next = std::make_shared<const List>(std::move(list));
  count_.store(next->size(), std::memory_order_release);
  os::LockGuard lock(list_mutex_);
  list_.swap(next);  // The old one goes with the last reader that looks through it.
}

void VersionRuns::publish(std::shared_ptr<const VersionRun> run) {
  List next = *list();
  next.push_back(std::move(run));
  replace(std::move(next));
  merging_failed_ = false;
}

Result<bool> VersionRuns::find(const RowKey& row, const Snapshot& snapshot,
                               std::string& payload) const {
  searches_.fetch_add(1, std::memory_order_relaxed);
  const std::shared_ptr<const List> runs = list();
  Result<bool> result = false;
  for (auto run = runs->rbegin(); run != runs->rend(); ++run) {
    Result<bool> found = (*run)->find(row, snapshot, payload);
    if (found && *found) return true;
    // What could not be read counts only if the version is in no other run.
    if (!found) result = std::move(found);
  }
  return result;
}

void VersionRuns::drop_below(TxnId horizon) {
  const auto is_needless = [&](const std::shared_ptr<const VersionRun>& run) {
    return run->newest_superseder() < horizon;
  };
  const std::shared_ptr<const List> runs = list();
  if (std::none_of(runs->begin(), runs->end(), is_needless)) return;
  List next = *runs;
  std::erase_if(next, is_needless);
  if (merge_ != nullptr && std::any_of(merge_->inputs.begin(), merge_->inputs.end(), is_needless))
    merge_.reset();
  replace(std::move(next));
}

/// Runs of one class differ by a factor of four at most.
uint32_t VersionRuns::size_class(const VersionRun& run) const noexcept {
  uint32_t result = 0;
  for (uint64_t bytes = run.disk_bytes(); bytes > run_bytes_ && run_bytes_ > 0; bytes /= 4)
    ++result;
  return result;
}

/// What is to be merged next: the smallest class that is full, and what is smaller. Empty: nothing.
VersionRuns::List VersionRuns::pick() const {
  List runs = *list();
  std::erase_if(runs, [](const auto& run) { return run->damaged(); });
  std::stable_sort(runs.begin(), runs.end(), [](const auto& left, const auto& right) {
    return left->disk_bytes() < right->disk_bytes();
  });
  size_t of_class = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    of_class = i > 0 && size_class(*runs[i]) == size_class(*runs[i - 1]) ? of_class + 1 : 1;
    if (of_class < kRunsOfAClass) continue;
    runs.resize(i + 1);
    return runs;
  }
  return {};
}

bool VersionRuns::merge_some(const TransactionTable& table, size_t versions_max) {
  if (merge_ == nullptr) {
    if (merging_failed_ || count_.load(std::memory_order_relaxed) < kRunsOfAClass) return false;
    List inputs = pick();
    if (inputs.empty()) return false;
    const auto begin = [&] { return begin_merge(table, std::move(inputs)); };
    if (base::or_no_memory(begin)) return true;
  } else if (const Result<bool> more = base::or_no_memory(
                 [&] { return merge_share(versions_max); });
             more) {
    if (!*more) merge_.reset();
    return true;
  }
  // The runs stay as they are; readers that meet the damage report it.
  merge_.reset();
  AETHER_REACHED("txn.version_merge_failed");
  merging_failed_ = true;
  merge_failures_.fetch_add(1, std::memory_order_relaxed);
  return false;
}

Result<void> VersionRuns::begin_merge(const TransactionTable& table, List inputs) {
  merge_ = std::make_unique<Merge>();
  merge_->inputs = std::move(inputs);
  // Snapshots that are opened later see what has replaced these versions: they need none of them.
  merge_->snapshots = table.snapshots();
  uint64_t versions = 0;
  for (const auto& run : merge_->inputs) {
    versions += run->versions();
    VersionRunReader reader(run);
    const Result<bool> more = reader.next();
    if (!more) {
      run->set_damaged();
      return more.error().clone();
    }
    if (*more) merge_->readers.push_back(std::move(reader));
  }
  AETHER_TRY_ASSIGN(merge_->writer, create(versions));
  return {};
}

/// False: it is done.
Result<bool> VersionRuns::merge_share(size_t versions_max) {
  std::vector<VersionRunReader>& readers = merge_->readers;
  for (size_t i = 0; i < versions_max; ++i) {
    if (readers.empty()) {
      AETHER_TRY(finish_merge());
      return false;
    }
    const auto first = std::min_element(readers.begin(), readers.end(),
                                        [](const auto& left, const auto& right) {
                                          return comes_before(left.current(), right.current());
                                        });
    const VersionView& version = first->current();
    if (is_needed(version.writer, version.superseded_by, merge_->snapshots))
      AETHER_TRY(merge_->writer->add(version));
    const Result<bool> more = first->next();
    if (!more) {
      first->run().set_damaged();
      return more.error().clone();
    }
    if (!*more) readers.erase(first);
  }
  return true;
}

Result<void> VersionRuns::finish_merge() {
  List next = *list();
  std::erase_if(next, [&](const auto& run) {
    return std::find(merge_->inputs.begin(), merge_->inputs.end(), run) != merge_->inputs.end();
  });
  if (merge_->writer->versions() > 0) {
    AETHER_TRY_ASSIGN(std::shared_ptr<const VersionRun> run, merge_->writer->finish());
    next.insert(next.begin(), std::move(run));
  }
  replace(std::move(next));
  AETHER_REACHED("txn.version_runs_merged");
  merges_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

VersionRunStats VersionRuns::stats() const {
  VersionRunStats stats{.merges = merges_.load(std::memory_order_relaxed),
                        .merge_failures = merge_failures_.load(std::memory_order_relaxed),
                        .searches = searches_.load(std::memory_order_relaxed)};
  for (const auto& run : *list()) {
    ++stats.runs;
    stats.versions += run->versions();
    stats.disk_bytes += run->disk_bytes();
    stats.memory_bytes += run->memory_bytes();
  }
  return stats;
}

}  // namespace aether::txn
