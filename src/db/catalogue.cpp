// Stores by name: the catalogue is a B+ tree like any other, from names to CatalogueEntry.
#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/reached.h"
#include "db/env_impl.h"
#include "db/transaction_end.h"
#include "db/transaction_impl.h"
#include "index/btree/cursor.h"

namespace aether::db {
namespace {

constexpr size_t kNameBytesMax = 255;

bool is_kind(IndexKind kind) noexcept {
  return kind == IndexKind::btree || kind == IndexKind::rax_paged || has_table(kind);
}

/// As a store that is being dropped is in the catalogue: only one that has runs needs more than its tree.
IndexKind dropped_kind(IndexKind kind) noexcept {
  return kind == IndexKind::lsm ? kind : IndexKind::btree;
}

Bytes entry_bytes(const CatalogueEntry& entry) noexcept {
  return {reinterpret_cast<const char*>(&entry), sizeof entry};
}
Bytes entry_bytes(const TableEntry& entry) noexcept {
  if (!has_table(entry.store.index)) return entry_bytes(entry.store);
  return {reinterpret_cast<const char*>(&entry), sizeof entry};
}

}  // namespace

Result<TableEntry> parse_catalogue_entry(Bytes name, Bytes value) {
  const auto bad_size = [&] {
    return Error(Code::corruption, "catalogue: the entry of store '" + std::string(name) +
                                       "' has " + std::to_string(value.size()) + " bytes");
  };
  if (value.size() < sizeof(CatalogueEntry)) return bad_size();
  TableEntry result{.store = base::load<CatalogueEntry>(value.data())};
  const CatalogueEntry& entry = result.store;
  if (!is_kind(entry.index)) {
    return Error(Code::unsupported, "store '" + std::string(name) + "' has an index of kind " +
                                        std::to_string(static_cast<unsigned>(entry.index)) +
                                        ": use a newer release");
  }
  const bool is_whole = has_table(entry.index) && entry.dropped == 0;
  if (value.size() != (is_whole ? sizeof(TableEntry) : sizeof(CatalogueEntry))) return bad_size();
  if (is_whole) result = base::load<TableEntry>(value.data());
  if (entry.id <= kCatalogueStore || entry.id == std::numeric_limits<StoreId>::max()) {
    return Error(Code::corruption, "catalogue: store '" + std::string(name) + "' has number " +
                                       std::to_string(entry.id) + ", which no store can have");
  }
  return result;
}

Result<void> EnvImpl::open_catalogue() {
  AETHER_TRY_ASSIGN(buffer::Frame * root, pool_->load_pinned(kCatalogueRoot));
  catalogue_ = std::make_unique<index::BTree>(*services_, kCatalogueStore, *root);
  index::BTreeCursor cursor(*catalogue_, nullptr);
  std::set<StoreId> numbers;
  Result<bool> more = cursor.first();
  for (; more && *more; more = cursor.next()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    AETHER_TRY_ASSIGN(const TableEntry row, parse_catalogue_entry(cursor.key(), value));
    const CatalogueEntry& entry = row.store;
    if (!numbers.insert(entry.id).second) {
      return Error(Code::corruption, "catalogue: store '" + std::string(cursor.key()) +
                                         "' has number " + std::to_string(entry.id) +
                                         ", as another one has");
    }
    next_store_ = std::max(next_store_, entry.id + 1);
  }
  if (!more) return std::move(more).error();
  return {};
}

index::BTree* EnvImpl::open_tree(StoreId id) {
  if (id == kCatalogueStore) return catalogue_.get();
  os::LockGuard lock(stores_mutex_);
  for (const auto& [name, store] : stores_) {
    if (store->id() == id) return &store->tree();
  }
  return nullptr;
}

StoreRows EnvImpl::open_rows(StoreId id) {
  if (id == kCatalogueStore) return {.tree = catalogue_.get()};
  os::LockGuard lock(stores_mutex_);
  for (const auto& [name, store] : stores_) {
    if (store->id() == id) return store->rows();
  }
  return {};
}

Result<StoreRows> EnvImpl::rows(StoreId id) {
  AETHER_TRY(tree(id));  // Opens the store.
  return open_rows(id);
}

Result<void> EnvImpl::undo_row(txn::TransactionContext& txn, const txn::UndoEntry& entry) {
  if (replay_ != nullptr) return replay_->undo(txn, entry, *log_);
  AETHER_TRY_ASSIGN(const StoreRows rows, this->rows(entry.store));
  if (rows.table != nullptr) return rows.table->undo(txn, entry);
  return Error(Code::corruption, "the log has a row of store " + std::to_string(entry.store) +
                                     " that is in no page, but the store is not in memory");
}

std::string EnvImpl::name_of(StoreId id) {
  os::LockGuard lock(stores_mutex_);
  for (const auto& [name, store] : stores_) {
    if (store->id() == id) return name;
  }
  return "";
}

Result<index::BTree*> EnvImpl::tree(StoreId id) {
  if (index::BTree* const tree = open_tree(id)) return tree;
  AETHER_TRY_ASSIGN(const std::vector<std::string> names, list_stores());
  for (const std::string& name : names) {
    AETHER_TRY_ASSIGN(StoreImpl * store, open_store(name, {.create = false}));
    if (store->id() == id) return &store->tree();
  }
  return Error(Code::corruption,
               "the log names store " + std::to_string(id) + ", which the catalogue does not have");
}

Result<StoreImpl*> EnvImpl::attach_store(const std::string& name, const TableEntry& row,
                                         uint64_t memory_bytes_max) {
  const CatalogueEntry& entry = row.store;
  AETHER_TRY_ASSIGN(buffer::Frame* const root, pool_->load_pinned(PageId{entry.root_page}));
  base::Unless unused([&] { pool_->discard(buffer::ExclusiveGuard::lock(*root)); });
  const StoreId owner = pool_->node(*root).header().page.store;
  if (owner != entry.id) {
    return Error(Code::corruption, "page " + std::to_string(entry.root_page) +
                                       ", the root of store '" + name + "', belongs to store " +
                                       std::to_string(owner) +
                                       " (a lost write?): restore it from a backup");
  }
  Stores made = make_store(name, row, memory_bytes_max, *root);
  StoreImpl& store = *made.begin()->second;
  // In recovery the image may not be what it was yet.
  if (store.table() != nullptr && replay_ == nullptr) AETHER_TRY(load_table(store, row));
  unused.dismiss();
  StoreImpl* const added = add_store(made);
  if (replay_ == nullptr) AETHER_TRY(start_worker(*added));
  return added;
}

/// A store in a map of its own: all the memory that `add_store` needs.
EnvImpl::Stores EnvImpl::make_store(const std::string& name, const TableEntry& entry,
                                    uint64_t memory_bytes_max, buffer::Frame& root) {
  const IndexKind kind = entry.store.index;
  std::unique_ptr<LsmStore> lsm;
  if (kind == IndexKind::lsm) lsm = std::make_unique<LsmStore>(*this);
  std::unique_ptr<table::Table> table;
  if (has_table(kind)) table = make_table(entry, memory_bytes_max, lsm.get());
  Stores made;
  made.emplace(name, std::make_unique<StoreImpl>(*this, name, entry.store.id, root,
                                                 std::move(table), kind, std::move(lsm)));
  return made;
}

StoreImpl* EnvImpl::add_store(Stores& made) noexcept {
  StoreImpl* const store = made.begin()->second.get();
  os::LockGuard lock(stores_mutex_);
  stores_.merge(made);
  AETHER_ASSERT(made.empty());  // Else there was one of that name.
  return store;
}

/// Two steps: the name goes, with a commit; then the pages, a leaf at a time. The entry of a store that is being given
/// back stays under a hidden name (a zero byte, then its id), so that a crash in between leaks nothing.
Result<void> EnvImpl::drop_store(const std::string& name) {
  AETHER_TRY(check_open());
  AETHER_TRY(check_writable());
  finish_rollbacks();  // They count as open.
  AETHER_TRY_ASSIGN(StoreImpl * store, open_store(name, {.create = false}));
  os::LockGuard ddl(ddl_mutex_);
  AETHER_TRY(store->check());  // Somebody else may have dropped it since.
  // A transaction that has rows here could not be rolled back afterwards. First the mark, then the count: who writes
  // without seeing the mark is counted.
  // An image of a store in memory is not counted, and none is made of this one from here on.
  image_mutex_.lock();
  store->set_state(StoreImpl::State::dropping);
  const uint64_t open_count = transactions_->open_count();
  image_mutex_.unlock();
  base::Unless kept([&] { store->set_state(StoreImpl::State::open); });
  CatalogueEntry entry{.id = store->id(), .index = dropped_kind(store->kind()), .dropped = 1};
  entry.root_page = raw(store->tree().root().page_id.load());
  std::string hidden(1, '\0');
  hidden.append(reinterpret_cast<const char*>(&entry.id), sizeof entry.id);
  if (open_count > 0) {
    return Error(Code::busy, "store '" + name + "' cannot be dropped while " +
                                 std::to_string(open_count) +
                                 " transactions are open: end them first");
  }
  {
    os::LockGuard lock(stores_mutex_);
    base::make_room(dropped_stores_);  // Once the name has gone, so must its store.
  }
  AETHER_TRY(take_name(*store, hidden, entry));
  kept.dismiss();
  store->set_state(StoreImpl::State::dropped);
  if (store->lsm() != nullptr) {
    store->lsm()->stop();
  } else if (store->table() != nullptr) {
    store->table()->clear();
  }
  Result<void> finished = base::or_no_memory([&] { return finish_drop(hidden, entry); });
  // The store is gone; its pages come back when the next open goes on with it.
  if (!finished && finished.error().code() == Code::no_memory) return {};
  return finished;
}

/// The first step of a drop.
Result<void> EnvImpl::take_name(StoreImpl& store, const std::string& hidden_name,
                                const CatalogueEntry& entry) {
  garbage_.forget_store(store.id());
  std::vector<page::OverflowReference> values;
  base::Unless goes_on([&] {
    if (store.lsm() != nullptr) store.lsm()->go_on();
  });
  if (store.lsm() != nullptr) AETHER_TRY(store.lsm()->take_own_values(values));
  // What has ended in this store is so after a crash too: nobody could undo it there then.
  if (!AETHER_PLANTED("db.drop_before_flush")) AETHER_TRY(log_->flush());
  AETHER_TRY_ASSIGN(const TransactionPointer txn,
                    begin({.durability = Durability::group, .env_durability = false}));
  txn->context().freed = std::move(values);
  AETHER_TRY(catalogue_->write(txn->context(), index::WriteMode::remove, store.name(), {}));
  AETHER_TRY(
      catalogue_->write(txn->context(), index::WriteMode::insert, hidden_name, entry_bytes(entry)));
  AETHER_TRY(txn->commit());
  goes_on.dismiss();
  return {};
}

Result<void> EnvImpl::finish_drop(const std::string& hidden_name, const CatalogueEntry& entry) {
  buffer::Frame* root = nullptr;
  {
    os::LockGuard lock(stores_mutex_);
    base::make_room(dropped_stores_);
    for (auto it = stores_.begin(); it != stores_.end() && root == nullptr; ++it) {
      if (it->second->id() != entry.id) continue;
      root = &it->second->tree().root();
      dropped_stores_.push_back(std::move(it->second));
      stores_.erase(it);
      break;
    }
  }
  if (root == nullptr) {
    AETHER_TRY_ASSIGN(root, pool_->load_pinned(PageId{entry.root_page}));
  }
  index::BTree tree(*services_, entry.id, *root);
  if (entry.index == IndexKind::lsm) AETHER_TRY(drop_runs(entry, tree));
  buffer::LogContext system;
  system.stream = stream_of_caller();
  for (bool more = true; more;) {
    AETHER_TRY(pace_log(true));
    AETHER_TRY_ASSIGN(more, tree.drop_last_leaf(system));
  }
  // The root's page goes with the entry, in one commit.
  AETHER_TRY_ASSIGN(const TransactionPointer txn,
                    begin({.durability = Durability::group, .env_durability = false}));
  txn::TransactionContext& context = txn->context();
  context.freed_pages.push_back({root->page_id.load(), 1});
  AETHER_TRY(catalogue_->write(context, index::WriteMode::remove, hidden_name, {}));
  {
    // The frame goes when the commit is logged, before anybody can take the page; if it is not, the entry still leads here.
    buffer::ExclusiveGuard guard = buffer::ExclusiveGuard::lock(*root);
    context.log.gsn = std::max(context.log.gsn, pool_->ref(*root).header().gsn);
    context.log.lsn_vector.raise(root->lsn_vector);
    AETHER_TRY(log_commit(*this, context));
    pool_->discard(std::move(guard));
  }
  txn->leave();
  statistics_.count_commit();
  garbage_.add(context);
  return log_->wait_durable(context.log.lsn_vector, true);
}

/// At open: what a crash or an error has interrupted.
Result<void> EnvImpl::finish_drops() {
  std::vector<std::pair<std::string, CatalogueEntry>> dropped;
  index::BTreeCursor cursor(*catalogue_, nullptr);
  Result<bool> more = cursor.first();
  for (; more && *more && cursor.key().starts_with('\0'); more = cursor.next()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    AETHER_TRY_ASSIGN(const TableEntry entry, parse_catalogue_entry(cursor.key(), value));
    dropped.emplace_back(std::string(cursor.key()), entry.store);
  }
  if (!more) return std::move(more).error();
  if (dropped.empty()) return {};
  AETHER_REACHED("db.interrupted_drop_finished");
  AETHER_TRY(log_->flush());  // As in drop_store: what has been undone stays so.
  for (const auto& [name, entry] : dropped) AETHER_TRY(finish_drop(name, entry));
  return {};
}

Result<StoreImpl*> EnvImpl::open_store(const std::string& name, const StoreOptions& options) {
  AETHER_TRY(check_open());
  constexpr uint64_t kMemoryBytesMost = 4 * GiB;  // One commit has to name all extents of an image.
  if (options.memory_bytes_max > kMemoryBytesMost) {
    return Error(Code::invalid_argument, "StoreOptions::memory_bytes_max is " +
                                             std::to_string(options.memory_bytes_max) +
                                             ": a store in memory holds 4 GiB at most");
  }
  if (name.empty() || name.size() > kNameBytesMax || name.front() == '\0') {
    return Error(Code::invalid_argument,
                 "a store's name has 1 to 255 bytes, the first not zero; this one has " +
                     std::to_string(name.size()));
  }
  os::LockGuard ddl(ddl_mutex_);
  {
    os::LockGuard lock(stores_mutex_);
    const auto found = stores_.find(name);
    if (found != stores_.end()) {
      table::Table* const table = found->second->table();
      if (table != nullptr && options.memory_bytes_max != 0)
        table->set_memory_bytes_max(options.memory_bytes_max);
      return found->second.get();
    }
  }
  std::string value;
  Result<void> got = catalogue_->get(name, value, nullptr);
  if (got) {
    AETHER_TRY_ASSIGN(const TableEntry entry, parse_catalogue_entry(name, value));
    Result<StoreImpl*> attached = attach_store(name, entry, options.memory_bytes_max);
    // After a failed write the entry may be that of a store whose making was never finished: its pages were not
    // written, and that is no corruption.
    if (!attached && !options_.read_only) AETHER_TRY(check_writable());
    return attached;
  }
  if (got.error().code() != Code::not_found) return std::move(got).error();
  if (!options.create || options_.read_only) {
    return Error(Code::not_found, home_ + ": no store is named '" + name + "'");
  }
  return create_store(name, options);
}

Result<StoreImpl*> EnvImpl::create_store(const std::string& name, const StoreOptions& options) {
  AETHER_TRY(check_writable());
  if (!is_kind(options.index)) {
    return Error(Code::invalid_argument, "StoreOptions::index: there is no kind " +
                                             std::to_string(static_cast<unsigned>(options.index)));
  }
  lsm::StoreConfiguration configuration;
  if (options.index == IndexKind::lsm) {
    AETHER_TRY_ASSIGN(configuration, lsm::configuration_of(options.lsm));
    AETHER_TRY(lsm::check(lsm::policy_of(options.lsm)));
  }
  AETHER_TRY_ASSIGN(const TransactionPointer txn,
                    begin({.durability = Durability::group, .env_durability = false}));
  constexpr uint64_t kMemoryBytesMax = 1 * GiB;
  const uint64_t memory_max = options.memory_bytes_max;
  TableEntry entry{.store = {.id = next_store_++, .index = options.index},
                   .gsn_floor = buffer::first_gsn(log_->epoch()),
                   .memory_bytes_max = memory_max != 0 ? memory_max : kMemoryBytesMax};
  AETHER_TRY_ASSIGN(buffer::Frame * root,
                    index::BTree::create(*services_, txn->context(), entry.store.id));
  entry.store.root_page = raw(root->page_id.load());
  AETHER_TRY(catalogue_->write(txn->context(), index::WriteMode::insert, name, entry_bytes(entry)));
  // Before the commit, after which nothing may fail.
  Stores made = make_store(name, entry, 0, *root);
  StoreImpl& store = *made.begin()->second;
  if (store.lsm() != nullptr) {
    AETHER_TRY(store.lsm()->create(txn->context(), configuration, lsm::policy_of(options.lsm)));
    AETHER_TRY(start_worker(store));
  }
  AETHER_TRY(txn->commit());
  return add_store(made);
}

Result<std::vector<std::string>> EnvImpl::list_stores() {
  AETHER_TRY(check_open());
  std::vector<std::string> names;
  index::BTreeCursor cursor(*catalogue_, nullptr);
  Result<bool> more = cursor.first();
  for (; more && *more; more = cursor.next()) {
    if (!cursor.key().starts_with('\0')) names.emplace_back(cursor.key());
  }
  if (!more) return std::move(more).error();
  return names;
}

}  // namespace aether::db
