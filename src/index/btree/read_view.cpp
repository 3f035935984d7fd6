// Rows that expire: out of the way of those that do not.
#include "index/btree/read_view.h"

namespace aether::index {

bool ReadView::finds_expired(std::string_view payload) noexcept {
  return finds_expired(page::expiry_of(payload));
}

bool ReadView::finds_expired(uint64_t expiry_ms) noexcept {
  expiry_ms_ = expiry_ms;
  if (expiry_ms == 0) return false;
  const txn::TransactionTable& transactions = services_.transactions;
  const uint64_t now = snapshot_ == nullptr ? transactions.now_ms()
                                            : transactions.now_ms(*snapshot_);
  return page::has_expired(expiry_ms, now);
}

bool is_present(Services& services, const txn::TransactionContext& txn,
                std::string_view payload) noexcept {
  const page::RecordMeta meta = page::meta_of(payload);
  if (meta.stays()) return true;
  if (meta.removed()) return false;
  return !ReadView(services, &txn).finds_expired(payload);
}

}  // namespace aether::index
