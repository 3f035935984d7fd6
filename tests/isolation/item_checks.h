/// What can be told from one transaction, or one key, at a time: reads of aborted, intermediate or
/// unwritten values, own writes not seen, lists that disagree. What is left are reads by committed
/// transactions of versions that others wrote, and those are listed for the dependency graph.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "isolation/findings.h"
#include "isolation/version_index.h"

namespace aether::isolation {

/// A committed transaction saw this version of another (or the initial one).
class SeenVersion {
 public:
  SeenVersion(VersionId version, bool missed_by_scan)
      : word_(version | (missed_by_scan ? kMissed : 0)) {}
  VersionId version() const { return word_ & ~kMissed; }
  /// It saw nothing there, and by a scan: the read of a predicate.
  bool missed_by_scan() const { return (word_ & kMissed) != 0; }

 private:
  static constexpr uint32_t kMissed = uint32_t{1} << 31;
  uint32_t word_;
};

/// A committed transaction saw version `read` of a key, and then made `written` of it.
struct ReadThenWrite {
  VersionId read;
  VersionId written;
};

class ItemChecks {
 public:
  ItemChecks(const VersionIndex& index, const CheckOptions& options, Findings& findings);

  std::span<const SeenVersion> seen_by(TxnId txn) const {
    return {seen_.data() + seen_starts_[txn], seen_.data() + seen_starts_[txn + 1]};
  }
  const std::vector<ReadThenWrite>& read_then_written() const { return read_then_written_; }
  /// The level that the transaction is held to.
  Level level_of(TxnId txn) const;

 private:
  /// What one transaction knows of one key. Valid if `txn` is the transaction at hand.
  struct KeyState {
    TxnId txn = kNone;
    uint32_t own_writes = 0;
    Value own_last = kNoValue;
    VersionId base = kNone;  ///< What it saw of others; kNone: has not looked.
  };

  void check_lists();
  void check_list(KeyId key);
  void check_lost_writes(KeyId key);
  void check_lost_updates();
  void check_txn(TxnId id);
  void on_write(const Op& op);
  void on_list(const Op& op);
  void on_value(KeyId key, Value value, bool by_scan);
  void on_scan(const Op& op);
  void on_version(KeyId key, VersionId version, bool by_scan);
  void check_base(KeyId key, VersionId base, Value written);
  void check_source(KeyId key, VersionId version);
  bool own_writes_end(KeyId key, std::span<const Value> list, uint32_t own) const;
  void garbage(KeyId key, Value value);
  void internal(KeyId key, const std::string& what);
  KeyState& state_of(KeyId key);

  const VersionIndex& index_;
  const Level level_;
  const bool own_levels_;
  Findings& findings_;
  std::vector<KeyState> states_;
  std::vector<std::pair<KeyId, Value>> own_;  ///< The writes, so far, of the transaction at hand:
  TxnId txn_ = kNone;                         ///< this one.
  std::vector<SeenVersion> seen_;
  std::vector<size_t> seen_starts_;
  std::vector<ReadThenWrite> read_then_written_;
};

}  // namespace aether::isolation
