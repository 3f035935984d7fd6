#include "db/resource_managers.h"

#include "base/bytes.h"
#include "buffer/space_manager.h"
#include "db/env_impl.h"
#include "index/btree/extents.h"
#include "index/btree/ops.h"
#include "page/slotted_page.h"
#include "page/space_map_page.h"
#include "table/table_log.h"

namespace aether::db {

Result<void> BTreeManager::check(std::byte* page, uint32_t page_bytes) const {
  return page::SlottedPage(page, page_bytes).check_node();
}

Result<void> BTreeManager::redo(std::byte* page, uint32_t page_bytes,
                                const wal::PartView& part) const {
  return index::redo_btree(page, page_bytes, part);
}

Result<txn::UndoEntry> BTreeManager::undo_entry(const wal::RecordView& record,
                                                const wal::PartView& part) const {
  AETHER_TRY_ASSIGN(const index::BTreeOperation operation, index::parse_operation(part));
  return txn::UndoEntry{.manager = wal::ResourceManager::btree,
                        .op = part.header.op,
                        .store = part.header.store,
                        .lsn = record.lsn,
                        .previous = record.header.link,
                        .key = operation.key,
                        .before = record.undo};
}

Result<void> BTreeManager::undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) {
  AETHER_TRY_ASSIGN(index::BTree * tree, env_->tree(entry.store));
  return tree->undo(txn, entry);
}

std::string BTreeManager::describe(const wal::PartView& part) const {
  return index::describe_btree(part);
}

Result<void> SpaceResourceManager::check(std::byte* page, uint32_t page_bytes) const {
  return page::SpaceMapPage(page, page_bytes).check_map();
}

Result<void> SpaceResourceManager::redo(std::byte* page, uint32_t page_bytes,
                                        const wal::PartView& part) const {
  return buffer::redo_space(page, page_bytes, PageId{part.header.page_id}, part.header.op,
                            part.data);
}

Result<txn::UndoEntry> SpaceResourceManager::undo_entry(const wal::RecordView& record,
                                                        const wal::PartView& part) const {
  return txn::UndoEntry{.manager = wal::ResourceManager::space,
                        .op = part.header.op,
                        .store = part.header.store,
                        .lsn = record.lsn,
                        .previous = record.header.link,
                        .key = {},
                        .before = record.undo};
}

Result<void> SpaceResourceManager::undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) {
  return index::undo_allocation(env_->services(), txn, entry);
}

std::string SpaceResourceManager::describe(const wal::PartView& part) const {
  if (part.header.op == static_cast<uint8_t>(buffer::SpaceOp::format)) return "format map";
  if (part.header.op == static_cast<uint8_t>(buffer::SpaceOp::image)) return "image of the page";
  std::string text = part.header.op == static_cast<uint8_t>(buffer::SpaceOp::allocate) ? "allocate"
                                                                                       : "free";
  base::ByteReader reader(part.data);
  while (reader.remaining() >= 8) {
    const auto first = reader.read<uint32_t>();
    const auto count = reader.read<uint32_t>();
    text += " " + std::to_string(count) + " from bit " + std::to_string(first);
  }
  return text;
}

namespace {

Error row_in_a_page() {
  return {Code::corruption, "a change of a row of a store in memory names a page"};
}

}  // namespace

Result<void> TableManager::check(std::byte*, uint32_t) const { return row_in_a_page(); }

Result<void> TableManager::redo(std::byte*, uint32_t, const wal::PartView&) const {
  return row_in_a_page();
}

Result<txn::UndoEntry> TableManager::undo_entry(const wal::RecordView& record,
                                                const wal::PartView& part) const {
  AETHER_TRY_ASSIGN(const table::TableOperation operation, table::parse_operation(part));
  if (!record.undo.empty() && record.undo.size() < page::kMetaBytes) {
    return Error(Code::corruption, "the change of a row at LSN " + std::to_string(record.lsn) +
                                       ": what it replaced is cut short");
  }
  return txn::UndoEntry{.manager = wal::ResourceManager::table,
                        .op = static_cast<uint8_t>(operation.op),
                        .store = part.header.store,
                        .lsn = record.lsn,
                        .previous = record.header.link,
                        .key = operation.key,
                        .before = record.undo};
}

Result<void> TableManager::undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) {
  return env_->undo_row(txn, entry);
}

std::string TableManager::describe(const wal::PartView& part) const {
  return table::describe(part);
}

}  // namespace aether::db
