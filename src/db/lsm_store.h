/// A store of kind `lsm` in an environment: who commits for it, and what its writers do beside writing.
///
/// Threads   Any.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "aether/error.h"
#include "aether/options.h"
#include "lsm/lsm_tree.h"
#include "lsm/upkeep.h"

namespace aether::db {

class EnvImpl;
class StoreImpl;

class LsmStore final : public lsm::Committer {
 public:
  explicit LsmStore(EnvImpl& env);
  /// Once its tree and table are there.
  void attach(StoreImpl& store);

  lsm::LsmTree& tree() noexcept { return tree_; }
  lsm::Upkeep& upkeep() noexcept { return *upkeep_; }

  Result<void> create(txn::TransactionContext& txn, const lsm::StoreConfiguration& configuration,
                      const lsm::PolicyOptions& policy);
  /// Reads the manifest. Once, before others use the store. Returns up to which GSN changes are in runs.
  Result<Gsn> load();

  /// Before a write of `txn`, with no latch held. Errors: of a flush that has failed, and for which there is no more memory to wait in (no_space, io_error).
  Result<void> before_write(const txn::TransactionContext& txn) {
    return is_to_look_.load(std::memory_order_relaxed) ? look(txn) : Result<void>();
  }
  /// It was one of a key and a value of so many bytes.
  void after_write(uint64_t key_bytes, uint64_t value_bytes) noexcept;
  /// Everything in memory becomes runs.
  Result<void> flush_all();
  /// For a drop, when nobody writes: the values outside that no run will have, since nothing more is done. Writes out what is more than one
  /// commit can free.
  Result<void> take_own_values(std::vector<page::OverflowReference>& values);
  /// Nothing more is done. Before the rooms below go.
  void stop() noexcept { upkeep_->stop(); }
  void go_on() noexcept { upkeep_->go_on(); }
  /// Some work, as much as keeps others waiting for a moment. False: there is none.
  Result<bool> work();

  // As lsm::Committer.
  Result<void> commit(uint32_t stream, bool log_first, Body body) override;
  uint32_t stream() const noexcept override;

 private:
  Result<void> look(const txn::TransactionContext& txn);
  Result<void> look_now();
  Result<void> work_here();
  Result<void> flush_sealed();

  EnvImpl& env_;
  IndexKind nursery_ = IndexKind::skiplist;
  lsm::LsmTree tree_;
  std::unique_ptr<lsm::Upkeep> upkeep_;
  std::atomic<bool> is_to_look_{false};  ///< Enough was written since somebody did.
};

/// Errors of what may be tried again later, because nothing has happened: there was no room, no memory, no frame.
bool may_wait(const Error& error) noexcept;

}  // namespace aether::db
