/// What one read sees: the rows of its own transaction, and those of the snapshot; without one, the newest committed.
///
/// Threads   One at a time.
#pragma once

#include <string>

#include "base/planted.h"
#include "index/btree/services.h"
#include "page/leaf_record.h"
#include "txn/transaction_context.h"

namespace aether::index {

class ReadView {
 public:
  /// `txn` may be null.
  ReadView(Services& services, const txn::TransactionContext* txn) noexcept
      : ReadView(services, txn, txn == nullptr ? nullptr : txn->snapshot) {}
  ReadView(Services& services, const txn::TransactionContext* txn,
           const txn::Snapshot* snapshot) noexcept
      : services_(services), own_id_(txn == nullptr ? 0 : txn->id()), snapshot_(snapshot) {}
  ReadView(const ReadView&) = delete;
  ReadView& operator=(const ReadView&) = delete;
  ~ReadView() {
    if (own_.is_open()) services_.transactions.close_snapshot(own_);
  }

  bool sees(TxnId writer) const noexcept {
    if (AETHER_PLANTED("txn.dirty_read")) return true;
    if (snapshot_ != nullptr && snapshot_->sees(writer)) return true;
    if (writer == own_id_) return true;
    return snapshot_ == nullptr && !services_.transactions.is_open(writer);
  }
  bool has_snapshot() const noexcept { return snapshot_ != nullptr; }
  /// Without a snapshot older versions cannot be looked for: they might go meanwhile. The read begins anew.
  void take_snapshot() {
    services_.transactions.open_snapshot(own_);
    snapshot_ = &own_;
  }
  /// For this reader the row, which it sees, has expired. A guess where `payload` is one.
  bool finds_expired(std::string_view payload) noexcept;
  bool finds_expired(uint64_t expiry_ms) noexcept;
  /// Of the row that was looked at last, since it was forgotten; 0: it stays.
  uint64_t expiry_ms() const noexcept { return expiry_ms_; }
  void forget_expiry() noexcept { expiry_ms_ = 0; }
  /// The payload of the newest version that is seen, of a row whose newest is not. False: it did not exist. Then the
  /// page must be validated. Errors: io_error, corruption (of a version on disk).
  Result<bool> find_version(StoreId store, std::string_view key, std::string& payload) const {
    return services_.versions.find(store, key, *snapshot_, payload);
  }

 private:
  Services& services_;
  const TxnId own_id_;
  const txn::Snapshot* snapshot_;
  txn::Snapshot own_;
  uint64_t expiry_ms_ = 0;
};

/// For a write of `txn`, a row that is there with `payload`, and does not simply stay.
bool is_present(Services& services, const txn::TransactionContext& txn,
                std::string_view payload) noexcept;

}  // namespace aether::index
