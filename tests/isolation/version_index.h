/// Who wrote what: every write of a history as a version of its key, and, for lists, their order.
///
/// Ids are dense indexes. A version id at or above `version_count()` is the initial version of a key,
/// the one that holds nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "isolation/checker.h"
#include "isolation/history.h"

namespace aether::isolation {

using KeyId = uint32_t;
using VersionId = uint32_t;
inline constexpr uint32_t kNone = UINT32_MAX;  ///< No such key, version or transaction.

struct Version {
  KeyId key = 0;
  Value value = kNoValue;
  TxnId txn = 0;
  uint32_t write = 0;         ///< The how-manieth write of its transaction.
  uint32_t position = kNone;  ///< In the order of its list; kNone: no committed read has it.
  bool final = false;         ///< The last one that its transaction wrote to the key.
};

struct KeyInfo {
  Key key = 0;
  bool is_list = false;
  bool is_register = false;
  VersionId first_version = 0;  ///< Its versions follow each other, by value.
  uint32_t version_count = 0;
  std::span<const Value> longest{};  ///< The longest list that a committed transaction read,
  TxnId longest_reader = kNone;      ///< and which one.
  TxnId latest_reader = kNone;     ///< The committed one that began last among the list's readers.
  uint64_t first_order = 0;        ///< Where the list's order begins (`order_of`).
  uint32_t first_aborted = kNone;  ///< Position of the first aborted append in `longest`.
};

class VersionIndex {
 public:
  explicit VersionIndex(const History& history);

  /// Not empty: the recording is at fault, and nothing else here may be used.
  const std::string& malformed() const { return malformed_; }

  TxnId txn_count() const { return static_cast<TxnId>(txns_.size()); }
  const TxnRecord& txn(TxnId id) const { return *txns_[id]; }
  uint32_t session_of(TxnId id) const;
  /// The first transaction of each session, and one past the last of all.
  const std::vector<TxnId>& session_starts() const { return session_starts_; }
  /// Committed, or unknown with a write that a committed transaction saw.
  bool is_committed(TxnId id) const { return committed_[id]; }

  KeyId key_count() const { return static_cast<KeyId>(keys_.size()); }
  const KeyInfo& key(KeyId id) const { return keys_[id]; }
  KeyId find_key(Key key) const;
  /// The first key at or after `key`; keys are numbered in their order.
  KeyId lower_bound(Key key) const;

  VersionId version_count() const { return static_cast<VersionId>(versions_.size()); }
  const Version& version(VersionId id) const { return versions_[id]; }
  VersionId initial_version(KeyId key) const { return version_count() + key; }
  bool is_initial(VersionId id) const { return id >= version_count(); }
  KeyId key_of(VersionId id) const {
    return is_initial(id) ? id - version_count() : versions_[id].key;
  }
  Value value_of(VersionId id) const { return is_initial(id) ? kNoValue : versions_[id].value; }
  /// kNone if nobody wrote it. The initial version for kNoValue.
  VersionId find_version(KeyId key, Value value) const;
  /// The versions in `longest`, with kNone for a value that nobody wrote or that stood there before.
  std::span<const VersionId> order_of(KeyId key) const {
    return {orders_.data() + keys_[key].first_order, keys_[key].longest.size()};
  }

 private:
  void number_transactions(const History& history);
  void number_keys();
  bool collect_writes();
  void sort_versions();
  void mark_final_writes();
  void settle_unknown();
  void mark_seen(TxnId reader, std::vector<TxnId>& found);
  void find_longest_lists();
  void order_lists();

  std::string malformed_;
  std::vector<const TxnRecord*> txns_;
  std::vector<TxnId> session_starts_;
  std::vector<bool> committed_;
  std::vector<KeyInfo> keys_;
  std::vector<KeyId> small_keys_;  ///< Key id by key, for keys that are small numbers.
  std::vector<Version> versions_;
  std::vector<VersionId> orders_;
};

}  // namespace aether::isolation
