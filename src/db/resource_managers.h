/// The resource managers as recovery sees them, over an open environment.
#pragma once

#include "index/btree/btree.h"
#include "recovery/resource_manager.h"

namespace aether::db {

class EnvImpl;

class BTreeManager final : public recovery::ResourceManager {
 public:
  explicit BTreeManager(EnvImpl* env) noexcept : env_(env) {}
  Result<void> check(std::byte* page, uint32_t page_bytes) const override;
  Result<void> redo(std::byte* page, uint32_t page_bytes, const wal::PartView& part) const override;
  Result<txn::UndoEntry> undo_entry(const wal::RecordView& record,
                                    const wal::PartView& part) const override;
  Result<void> undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) override;
  std::string describe(const wal::PartView& part) const override;

 private:
  EnvImpl* env_;  ///< Null: redo and describe only.
};

class SpaceResourceManager final : public recovery::ResourceManager {
 public:
  explicit SpaceResourceManager(EnvImpl* env) noexcept : env_(env) {}
  Result<void> check(std::byte* page, uint32_t page_bytes) const override;
  Result<void> redo(std::byte* page, uint32_t page_bytes, const wal::PartView& part) const override;
  Result<txn::UndoEntry> undo_entry(const wal::RecordView& record,
                                    const wal::PartView& part) const override;
  Result<void> undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) override;
  std::string describe(const wal::PartView& part) const override;

 private:
  EnvImpl* env_;
};

/// Rows of stores in memory: no page, so nothing for `check` and `redo` to do (TableReplay takes their parts).
class TableManager final : public recovery::ResourceManager {
 public:
  explicit TableManager(EnvImpl* env) noexcept : env_(env) {}
  Result<void> check(std::byte* page, uint32_t page_bytes) const override;
  Result<void> redo(std::byte* page, uint32_t page_bytes, const wal::PartView& part) const override;
  Result<txn::UndoEntry> undo_entry(const wal::RecordView& record,
                                    const wal::PartView& part) const override;
  Result<void> undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) override;
  std::string describe(const wal::PartView& part) const override;

 private:
  EnvImpl* env_;
};

}  // namespace aether::db
