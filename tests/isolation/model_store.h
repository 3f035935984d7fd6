/// A store in a few lines whose isolation is plain to see, to make histories for the checker: versions in
/// commit order under one mutex, first updater wins, validation of what was read for `serializable`. A
/// fault can be switched on, and the checker must notice.
///
/// Threads     Any; a transaction belongs to one thread at a time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "isolation/history.h"

namespace aether::isolation {

enum class Fault : uint8_t {
  none,
  no_validation,   ///< serializable commits whatever was read.
  no_write_check,  ///< First committer does not win: writes go over newer versions.
  dirty_reads,     ///< Reads see what is not committed.
  stale_snapshot,  ///< A snapshot is some commits old when it is taken.
  torn_commit,     ///< Of a commit, half becomes visible at once and half with the next commit.
  kept_abort,      ///< An abort leaves the first write behind.
  lost_append,     ///< Now and then a commit forgets its last append.
};

/// The kinds of keys: even ones are lists, odd ones registers.
constexpr bool is_list_key(Key key) { return key % 2 == 0; }

class ModelStore {
 public:
  struct Txn {
    Level level = Level::serializable;
    uint64_t snapshot = 0;
    std::vector<std::pair<Key, Value>> writes;
    std::vector<std::pair<Key, Key>> read_ranges;  ///< First and last key.
  };

  explicit ModelStore(Fault fault = Fault::none) : fault_(fault) {}

  Txn begin(Level level) {
    const std::lock_guard<std::mutex> lock(mutex_);
    uint64_t snapshot = commits_;
    if (fault_ == Fault::stale_snapshot) snapshot -= std::min<uint64_t>(snapshot, 3);
    return {level, snapshot, {}, {}};
  }

  std::vector<Value> read_list(Txn& txn, Key key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    txn.read_ranges.emplace_back(key, key);
    std::vector<Value> list;
    const std::vector<Version>& versions = row(key).versions;
    for (size_t i = 0; i < visible(txn, row(key)); ++i) list.push_back(versions[i].value);
    for (const auto& [written, value] : txn.writes) {
      if (written == key) list.push_back(value);
    }
    return list;
  }

  std::optional<Value> read(Txn& txn, Key key) {
    const std::lock_guard<std::mutex> lock(mutex_);
    txn.read_ranges.emplace_back(key, key);
    return last_value(txn, key);
  }

  std::vector<std::pair<Key, Value>> scan(Txn& txn, Key first, Key last) {
    const std::lock_guard<std::mutex> lock(mutex_);
    txn.read_ranges.emplace_back(first, last);
    std::vector<std::pair<Key, Value>> seen;
    for (Key key = first; key <= last; ++key) {
      if (const std::optional<Value> value = last_value(txn, key)) seen.emplace_back(key, *value);
    }
    return seen;
  }

  /// Appends to a list, overwrites a register. False: a conflict, abort.
  bool write(Txn& txn, Key key, Value value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    Row& written = row(key);
    if (written.writer != nullptr && written.writer != &txn) return false;
    const bool newer = !written.versions.empty() && written.versions.back().commit > txn.snapshot;
    const bool checked = txn.level != Level::read_committed && fault_ != Fault::no_write_check;
    if (newer && checked) return false;
    written.writer = &txn;
    txn.writes.emplace_back(key, value);
    return true;
  }

  /// False: a conflict; the transaction has been aborted.
  bool commit(Txn& txn) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const bool validate = txn.level == Level::serializable && fault_ != Fault::no_validation;
    if (validate && !txn.writes.empty() && !unchanged(txn)) {
      unlock(txn);
      return false;
    }
    ++commits_;
    const bool appended = !txn.writes.empty() && is_list_key(txn.writes.back().first);
    if (fault_ == Fault::lost_append && appended && commits_ % 16 == 0) {
      row(txn.writes.back().first).writer = nullptr;
      txn.writes.pop_back();
    }
    for (size_t i = 0; i < txn.writes.size(); ++i) {
      const auto& [key, value] = txn.writes[i];
      const bool late = fault_ == Fault::torn_commit && i >= txn.writes.size() / 2;
      row(key).versions.push_back({value, commits_ + (late ? 1 : 0)});
    }
    unlock(txn);
    return true;
  }

  void abort(Txn& txn) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (fault_ == Fault::kept_abort && !txn.writes.empty()) {
      row(txn.writes[0].first).versions.push_back({txn.writes[0].second, ++commits_});
    }
    unlock(txn);
  }

 private:
  struct Version {
    Value value;
    uint64_t commit;  ///< The how-manieth commit made it; ascending.
  };
  struct Row {
    std::vector<Version> versions;
    Txn* writer = nullptr;  ///< Who has written it and not ended yet.
  };

  Row& row(Key key) {
    if (key >= rows_.size()) rows_.resize(std::max<size_t>(key + size_t{1}, rows_.size() * 2));
    return rows_[key];
  }

  /// How many of the row's versions the transaction sees.
  size_t visible(const Txn& txn, const Row& row) const {
    const uint64_t until = txn.level == Level::read_committed ? commits_ : txn.snapshot;
    size_t count = row.versions.size();
    while (count > 0 && row.versions[count - 1].commit > until) --count;
    return count;
  }

  std::optional<Value> last_value(const Txn& txn, Key key) {
    const Row& read = row(key);
    const bool dirty = fault_ == Fault::dirty_reads && read.writer != nullptr;
    const Txn& writer = dirty ? *read.writer : txn;
    for (size_t i = writer.writes.size(); i > 0; --i) {
      if (writer.writes[i - 1].first == key) return writer.writes[i - 1].second;
    }
    const size_t count = visible(txn, read);
    if (count == 0) return std::nullopt;
    return read.versions[count - 1].value;
  }

  /// Nothing that the transaction read, or did not find, has been written since by others.
  bool unchanged(const Txn& txn) {
    for (const auto& [first, last] : txn.read_ranges) {
      for (Key key = first; key <= last; ++key) {
        const std::vector<Version>& versions = row(key).versions;
        if (!versions.empty() && versions.back().commit > txn.snapshot) return false;
      }
    }
    return true;
  }

  void unlock(Txn& txn) {
    for (const auto& [key, value] : txn.writes) {
      if (row(key).writer == &txn) row(key).writer = nullptr;
    }
  }

  const Fault fault_;
  std::mutex mutex_;
  uint64_t commits_ = 0;
  std::vector<Row> rows_;
};

}  // namespace aether::isolation
