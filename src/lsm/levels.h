/// The runs of a store as a reader meets them: sorted runs, the newest first, each of parts whose keys are disjoint.
///
/// Immutable: a flush or a merge publishes others (base/rcu_pointer.h). A run whose pages are to be given back is held by nobody else
/// then; until then whoever has it may read it.
///
/// Threads   Any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aether/error.h"
#include "index/btree/services.h"
#include "lsm/expiry_times.h"
#include "lsm/filter/filter.h"
#include "lsm/manifest.h"
#include "lsm/merging_cursor.h"
#include "lsm/run.h"
#include "os/sync.h"

namespace aether::lsm {

/// RunWriter::add_section: a filter (lsm/filter/filter.h) over all keys of the run.
inline constexpr SectionType kFilterSection = 1;
/// When entries expire (lsm/expiry_times.h). Where none does, and in runs from before there was such a section: none.
inline constexpr SectionType kExpirySection = 2;

/// Of a filter's bytes: so that a line of it is one of the cache, and a large one lies on huge pages, for each question is at another
/// place of it.
class FilterMemory {
 public:
  FilterMemory() = default;
  /// Throws std::bad_alloc.
  explicit FilterMemory(std::string_view bytes);
  FilterMemory(const FilterMemory&) = delete;
  FilterMemory& operator=(const FilterMemory&) = delete;
  FilterMemory(FilterMemory&& other) noexcept
      : at_(std::exchange(other.at_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}
  FilterMemory& operator=(FilterMemory&& other) noexcept {
    std::swap(at_, other.at_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~FilterMemory() {
    if (at_ != nullptr) os::release_memory(at_, reserved(bytes_));
  }
  std::string_view bytes() const noexcept { return {at_, bytes_}; }

 private:
  static uint64_t reserved(uint64_t bytes) noexcept;
  char* at_ = nullptr;
  uint64_t bytes_ = 0;
};

/// A run that is open, with its filter in memory.
class OpenRun {
 public:
  /// Errors: those of Run::open, FilterView::open and ExpiryTimes::decode.
  static Result<std::shared_ptr<const OpenRun>> open(index::Services& services,
                                                     const ManifestRun& described);
  OpenRun(const OpenRun&) = delete;
  OpenRun& operator=(const OpenRun&) = delete;

  const Run& run() const noexcept { return *run_; }
  const RunSummary& summary() const noexcept { return run_->summary(); }
  const FilterView& filter() const noexcept { return filter_; }
  /// Empty although summary().expiring is not 0: of a run from before they were kept.
  const ExpiryTimes& expiry() const noexcept { return expiry_; }
  Bytes smallest_key() const noexcept { return summary().smallest_key; }
  Bytes largest_key() const noexcept { return summary().largest_key; }
  /// All its keys are above `key`, or below. `begin`: index::key_begin(key), which mostly tells without a look at theirs.
  bool is_above(Bytes key, uint64_t begin) const noexcept {
    return begin != smallest_begin_ ? begin < smallest_begin_ : key < smallest_key();
  }
  bool is_below(Bytes key, uint64_t begin) const noexcept {
    return begin != largest_begin_ ? begin > largest_begin_ : key > largest_key();
  }

 private:
  OpenRun() = default;
  std::shared_ptr<const Run> run_;
  uint64_t smallest_begin_ = 0;
  uint64_t largest_begin_ = 0;
  FilterMemory filter_bytes_;
  FilterView filter_;
  ExpiryTimes expiry_;
};

using RunPart = std::shared_ptr<const OpenRun>;
/// For what wants a Run and is to keep its OpenRun.
inline std::shared_ptr<const Run> run_of(const RunPart& part) { return {part, &part->run()}; }
/// The same where somebody else keeps it.
inline std::shared_ptr<const Run> kept_run_of(const RunPart& part) {
  return {std::shared_ptr<const Run>(), &part->run()};
}

struct SortedLevel {
  std::vector<RunPart> parts;  ///< By key.
  TxnId newest_writer = 0;

  /// The part that may have `key`; null: none.
  const OpenRun* find(Bytes key) const noexcept;
  /// The last part that has keys below `key`; null: none.
  const OpenRun* find_below(Bytes key) const noexcept;
  /// False: no part has a key of [begin, end), by where they begin and end, and by their filters.
  bool may_have(Bytes begin, Bytes end) const noexcept;
};

struct Levels {
  std::vector<SortedLevel> newest_first;
  TxnId newest_writer = 0;
};

/// Goes through the parts of a sorted run as one.
class SortedLevelCursor {
 public:
  SortedLevelCursor(std::vector<RunPart> parts, RunCursor::Use use) noexcept
      : owned_(std::move(parts)), parts_(owned_), use_(use) {}
  /// `parts` outlive it.
  SortedLevelCursor(std::span<const RunPart> parts, RunCursor::Use use) noexcept
      : parts_(parts), use_(use) {}
  SortedLevelCursor(SortedLevelCursor&&) noexcept = default;
  SortedLevelCursor& operator=(SortedLevelCursor&&) noexcept = default;
  ~SortedLevelCursor() = default;

  /// By filters and by where parts begin and end.
  Outlook foresee(Bytes key, std::string& bound) const;
  bool may_have(Bytes from, Bytes to) const;
  Result<bool> first();
  Result<bool> last();
  Result<bool> seek(Bytes key);
  Result<bool> seek_in_steps(Bytes key, SeekStep step);
  Result<bool> seek_for_prev(Bytes key);
  Result<bool> next();
  Result<bool> prev();
  bool try_next() { return cursor_->try_next(); }
  const Entry& entry() const noexcept { return cursor_->entry(); }

 private:
  void open(size_t part);
  Result<bool> forward(Result<bool> moved);
  Result<bool> backward(Result<bool> moved);

  /// The first that has, or may have, keys from `key` on.
  const RunPart* part_from(Bytes key) const;

  std::vector<RunPart> owned_;
  std::span<const RunPart> parts_;
  RunCursor::Use use_;
  size_t at_ = 0;
  std::optional<RunCursor> cursor_;
  size_t cursor_part_ = 0;
};

}  // namespace aether::lsm
