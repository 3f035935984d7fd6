// Stores in memory: how they are made, read from their image and the log, and written as an image.
//
// An image is made of rows of the store's B+ tree: chunks of packed rows, as large values. So it is written past the pool and
// synced before the commit that puts it in the place of the one before, and is verified, backed up and repaired as all pages
// are. docs/formats/image.md.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "db/env_impl.h"
#include "db/transaction_end.h"
#include "db/transaction_impl.h"
#include "index/btree/cursor.h"
#include "index/rax/rax.h"
#include "index/skiplist/skiplist.h"
#include "table/row.h"

namespace aether::db {
namespace {

/// The row 0 of an image's tree.
struct ImageHeader {
  uint32_t version = 1;
  uint32_t chunks = 0;
  Gsn gsn_floor = 0;  ///< Changes up to here are in it.
  uint64_t rows = 0;
};
static_assert(sizeof(ImageHeader) == 24);

/// A chunk is one extent.
constexpr size_t kChunkBytes = 900 * KiB;
constexpr uint64_t kMemoryBytesMax = ~uint64_t{0} >> 2;

/// Of the chunk: in the order of numbers.
std::string chunk_key(uint32_t number) {
  const uint32_t big_endian = __builtin_bswap32(number);
  return {reinterpret_cast<const char*>(&big_endian), sizeof big_endian};
}

template <typename T>
void append_number(std::string& text, T number) {
  text.append(reinterpret_cast<const char*>(&number), sizeof number);
}

Error damaged_image(const std::string& store, const char* what) {
  std::string text("the image of store '");
  text.append(store).append("': ").append(what);
  text.append(": restore the environment from a backup");
  return {Code::corruption, std::move(text)};
}

/// Calls `visit` for each row of a chunk. False: it is damaged.
Result<bool> visit_chunk(Bytes chunk, FunctionRef<Result<void>(Bytes key, Bytes row)> visit) {
  constexpr size_t kRowHeadBytes = table::kGsnBytes + page::kMetaBytes;
  while (!chunk.empty()) {
    base::ByteReader reader(chunk);
    const auto key_bytes = reader.read<uint16_t>();
    const auto row_bytes = reader.read<uint32_t>();
    constexpr size_t kHeadBytes = sizeof key_bytes + sizeof row_bytes;
    if (!reader.ok() || row_bytes < kRowHeadBytes) return false;
    if (chunk.size() - kHeadBytes < uint64_t{key_bytes} + row_bytes) return false;
    AETHER_TRY(visit(chunk.substr(kHeadBytes, key_bytes),
                     chunk.substr(kHeadBytes + key_bytes, row_bytes)));
    chunk.remove_prefix(kHeadBytes + key_bytes + row_bytes);
  }
  return true;
}

}  // namespace

/// Indexes without a bound of their own: what must not fail does not ask the table's.
std::unique_ptr<table::Table> EnvImpl::make_table(const TableEntry& entry,
                                                  uint64_t memory_bytes_max, LsmStore* lsm) {
  const StoreId id = entry.store.id;
  const uint64_t bytes_max = memory_bytes_max != 0 ? memory_bytes_max : entry.memory_bytes_max;
  if (lsm != nullptr)
    return std::make_unique<table::Table>(*services_, id, lsm->tree().as_index(), bytes_max,
                                          &lsm->tree());
  const auto make = [&](auto index) {
    return std::make_unique<table::Table>(*services_, id, index::AnyIndex(std::move(index)),
                                          bytes_max);
  };
  if (entry.store.index == IndexKind::rax) {
    return make(
        std::make_unique<index::Rax>(index::RaxOptions{.memory_bytes_max = kMemoryBytesMax}));
  }
  return make(std::make_unique<index::Skiplist>(
      index::SkiplistOptions{.memory_bytes_max = kMemoryBytesMax, .seed = os_.random()}));
}

/// From its image, and what recovery has found in the log. Before anybody else has the store.
Result<void> EnvImpl::load_table(StoreImpl& store, const TableEntry& entry) {
  Gsn floor = entry.gsn_floor;
  if (store.lsm() != nullptr) {
    AETHER_TRY_ASSIGN(const Gsn flushed, store.lsm()->load());
    floor = std::max(floor, flushed);
  } else {
    AETHER_TRY(load_image(store, floor));
  }
  if (replay_ == nullptr) return {};
  table::Table& table = *store.table();
  bool is_changed = false;
  Gsn highest = 0;
  for (const auto& [key, row] : replay_->take(store.id())) {
    highest = std::max(highest, row.gsn);
    if (row.gsn <= floor) continue;
    is_changed = true;
    const page::RecordMeta meta = page::meta_of(row.payload);
    // No snapshot has survived that would need a ghost; only who may be rolled back still does.
    // Or what lies below: then it hides that.
    const bool is_gone = meta.removed() && !table.has_layers() &&
                         !transactions_->is_open(meta.txn());
    AETHER_TRY(table.redo(key, row.gsn, is_gone ? Bytes() : Bytes(row.payload)));
    ++recovery_report_.records_redone;
  }
  // What undo has written, in this epoch, comes before all that follows.
  table.raise_gsn(highest);
  // A checkpoint that has no image of that must not let go of it.
  if (is_changed) table.set_redo_from(control_->state().redo_position);
  return {};
}

Result<void> EnvImpl::load_image(StoreImpl& store, Gsn& floor) {
  table::Table& table = *store.table();
  index::BTreeCursor cursor(store.tree(), nullptr);
  AETHER_TRY_ASSIGN(bool more, cursor.first());
  if (!more) return {};  // There has been none yet.
  AETHER_TRY_ASSIGN(const Bytes head, cursor.value());
  if (cursor.key() != chunk_key(0) || head.size() != sizeof(ImageHeader))
    return damaged_image(store.name(), "its header is not there");
  const auto header = base::load<ImageHeader>(head.data());
  if (header.version != 1) {
    return Error(Code::unsupported, "the image of store '" + store.name() + "' has format " +
                                        std::to_string(header.version) + ": use a newer release");
  }
  floor = std::max(floor, header.gsn_floor);
  uint64_t rows = 0;
  for (uint32_t number = 1; number <= header.chunks; ++number) {
    AETHER_TRY_ASSIGN(more, cursor.next());
    if (!more || cursor.key() != chunk_key(number))
      return damaged_image(store.name(), "a part is not there");
    AETHER_TRY_ASSIGN(const Bytes chunk, cursor.value());
    const auto load = [&](Bytes key, Bytes row) -> Result<void> {
      ++rows;
      const page::RecordMeta meta = page::meta_of(table::payload_of(row));
      if (meta.removed() && !transactions_->is_open(meta.txn())) return {};
      return table.load(key, row);
    };
    AETHER_TRY_ASSIGN(const bool is_whole, visit_chunk(chunk, load));
    if (!is_whole) return damaged_image(store.name(), "a row is cut short");
  }
  AETHER_TRY_ASSIGN(more, cursor.next());
  if (more || rows != header.rows)
    return damaged_image(store.name(), "it has other rows than its header says");
  return {};
}

/// In recovery, when all trees are as they were: those of which the log has something, and those that undo has opened. Others
/// are loaded when they are opened.
Result<void> EnvImpl::load_tables() {
  if (replay_ == nullptr) return {};
  std::vector<std::pair<std::string, TableEntry>> tables;
  {
    index::BTreeCursor cursor(*catalogue_, nullptr);
    Result<bool> more = cursor.first();
    for (; more && *more; more = cursor.next()) {
      AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
      AETHER_TRY_ASSIGN(const TableEntry entry, parse_catalogue_entry(cursor.key(), value));
      if (!has_table(entry.store.index) || entry.store.dropped != 0) continue;
      if (replay_->has(entry.store.id) || open_rows(entry.store.id))
        tables.emplace_back(std::string(cursor.key()), entry);
    }
    if (!more) return std::move(more).error();
  }
  for (const auto& [name, entry] : tables) {
    AETHER_TRY_ASSIGN(StoreImpl * store, open_store(name, {.create = false}));
    AETHER_TRY(load_table(*store, entry));
  }
  replay_.reset();
  return {};
}

/// Where the log begins that a store in memory needs.
LogPosition EnvImpl::tables_redo_from(LogPosition otherwise) {
  os::LockGuard lock(stores_mutex_);
  for (const auto& [name, store] : stores_) {
    if (store->table() == nullptr) continue;
    const LogPosition from = store->table()->redo_from();
    if (from != 0) otherwise = std::min(otherwise, from);
  }
  return otherwise;
}

/// Of every store in memory that needs log from before `below`.
Result<void> EnvImpl::write_images(LogPosition below, bool closing) {
  std::vector<StoreImpl*> stores;  // They stay, also if they are dropped.
  {
    os::LockGuard lock(stores_mutex_);
    for (const auto& [name, store] : stores_) {
      if (store->table() != nullptr) stores.push_back(store.get());
    }
  }
  for (StoreImpl* const store : stores) {
    const LogPosition from = store->table()->redo_from();
    if (from == 0 || from >= below) continue;
    Result<void> written = base::or_no_memory([&] { return write_rows(*store); });
    if (written) continue;
    AETHER_REACHED("table.image_not_written");
    if (closing || !may_wait(written.error())) return written;
  }
  return {};
}

/// As an image, or as runs.
Result<void> EnvImpl::write_rows(StoreImpl& store) {
  if (store.lsm() != nullptr) return store.lsm()->flush_all();
  os::LockGuard lock(image_mutex_);
  return store.is_open() ? write_image(store) : Result<void>();
}

Result<void> EnvImpl::write_image(StoreImpl& store) {
  table::Table& table = *store.table();
  AETHER_TRY_ASSIGN(const TransactionPointer txn, begin({.durability = Durability::group,
                                                         .env_durability = false,
                                                         .isolation = Isolation::read_committed}));
  txn::TransactionContext& context = txn->context();
  context.undo_bytes_max = ~uint64_t{0} >> 1;  // One reference a chunk.
  const Gsn floor = table.begin_image();
  base::Unless whole([&] { table.end_image(false); });
  AETHER_TRY(put_image(store, context, floor));
  // What it holds, and what it leaves out, is not to be lost when it is there.
  AETHER_TRY(log_->flush());
  AETHER_TRY(log_commit(*this, context));
  txn->leave();
  statistics_.count_commit();
  garbage_.add(context);
  AETHER_TRY(log_->wait_durable(context.log.lsn_vector, true));
  whole.dismiss();
  table.end_image(true);
  return {};
}

/// The chunks, in the place of those of the image before.
Result<void> EnvImpl::put_image(StoreImpl& store, txn::TransactionContext& context, Gsn floor) {
  index::BTree& tree = store.tree();
  ImageHeader header{.gsn_floor = floor};
  std::string chunk;
  const auto put_chunk = [&]() -> Result<void> {
    ++header.chunks;
    AETHER_TRY(tree.write(context, index::WriteMode::put, chunk_key(header.chunks), chunk));
    chunk.clear();
    return {};
  };
  const auto add = [&](Bytes key, Bytes row) -> Result<void> {
    constexpr size_t kHeadBytes = sizeof(uint16_t) + sizeof(uint32_t);
    if (!chunk.empty() && chunk.size() + kHeadBytes + key.size() + row.size() > kChunkBytes)
      AETHER_TRY(put_chunk());
    append_number(chunk, static_cast<uint16_t>(key.size()));
    append_number(chunk, static_cast<uint32_t>(row.size()));
    chunk.append(key).append(row);
    ++header.rows;
    return {};
  };
  AETHER_TRY(store.table()->visit_rows(add));
  if (!chunk.empty()) AETHER_TRY(put_chunk());
  std::vector<std::string> old;
  {
    index::BTreeCursor cursor(tree, &context);
    Result<bool> more = cursor.seek(chunk_key(header.chunks + 1));
    for (; more && *more; more = cursor.next()) old.emplace_back(cursor.key());
    if (!more) return std::move(more).error();
  }
  for (const std::string& key : old)
    AETHER_TRY(tree.write(context, index::WriteMode::remove, key, {}));
  const Bytes head(reinterpret_cast<const char*>(&header), sizeof header);
  AETHER_TRY(tree.write(context, index::WriteMode::put, chunk_key(0), head));
  return {};
}

}  // namespace aether::db
