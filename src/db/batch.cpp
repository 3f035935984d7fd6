// Batches: how entries lie in their buffer, and how they become one transaction.
#include "aether/batch.h"

#include <array>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "base/bytes.h"
#include "base/no_memory.h"
#include "db/env_impl.h"
#include "db/transaction_impl.h"

namespace aether {
namespace db {
namespace {

/// Before the bytes of key and value.
struct EntryHeader {
  StoreImpl* store = nullptr;
  uint64_t key_bytes = 0;
  uint64_t value_bytes = 0;
  index::WriteKind kind;
  uint8_t reserved[6] = {};
};
static_assert(sizeof(EntryHeader) == 32);  // WriteBatch::bytes() says so.

/// False: there was no memory; the entries are as before.
bool append(std::string& entries, index::WriteMode mode, const KvStore& store, Bytes key,
            Bytes value, const PutOptions& options = {}) noexcept {
  const bool expires = options.expires_at_ms != 0;
  const EntryHeader header{.store = &store.impl(),
                           .key_bytes = key.size(),
                           .value_bytes = value.size() + (expires ? page::kExpiryBytes : 0),
                           .kind = {mode, expires ? page::RecordMeta::kExpires : uint8_t{0}}};
  const size_t before = entries.size();
  const bool appended = base::if_memory_allows([&] {
    entries.append(reinterpret_cast<const char*>(&header), sizeof header);
    entries.append(key);
    if (expires) {
      index::append_body(entries, options.expires_at_ms, value);
    } else {
      entries.append(value);
    }
  });
  if (!appended) entries.resize(before);
  return appended;
}

}  // namespace

/// Takes a batch apart, in runs of entries for one store: what a run shares is looked at once.
class BatchReader {
 public:
  static constexpr size_t kRun = 16;

  explicit BatchReader(const WriteBatch& batch) noexcept : rest_(batch.entries_) {}

  /// Reads the next run; valid while the batch is. False: there is none.
  bool next() noexcept {
    first_ += count_;
    for (count_ = 0; count_ < kRun && !rest_.empty(); ++count_) {
      const auto header = base::load<EntryHeader>(rest_.data());
      if (count_ == 0) store_ = header.store;
      if (header.store != store_) break;
      rest_.remove_prefix(sizeof header);
      kinds_[count_] = header.kind;
      keys_[count_] = rest_.substr(0, header.key_bytes);
      rest_.remove_prefix(header.key_bytes);
      values_[count_] = rest_.substr(0, header.value_bytes);
      rest_.remove_prefix(header.value_bytes);
    }
    return count_ > 0;
  }

  StoreImpl& store() const noexcept { return *store_; }
  size_t first() const noexcept { return first_; }  ///< Index of the run's first entry.
  std::span<const Bytes> keys() const noexcept { return {keys_.data(), count_}; }
  Bytes value(size_t i) const noexcept { return values_[i]; }
  index::WriteKind kind(size_t i) const noexcept { return kinds_[i]; }

 private:
  Bytes rest_;
  StoreImpl* store_ = nullptr;
  size_t first_ = 0;
  size_t count_ = 0;
  std::array<Bytes, kRun> keys_;
  std::array<Bytes, kRun> values_;
  std::array<index::WriteKind, kRun> kinds_{};
};

namespace {

Error in_entry(size_t index, Error error) {
  return std::move(error).with_context("entry " + std::to_string(index) + " of the batch");
}

Result<void> check_store(StoreImpl& store, EnvImpl& env) {
  if (&store.env() != &env) {
    return Error(Code::invalid_argument, "store '" + store.name() + "' belongs to environment " +
                                             store.env().home() + ", the transaction to " +
                                             env.home());
  }
  return store.check_writable();
}

Result<void> write_run(TransactionImpl& txn, const BatchReader& run) {
  EnvImpl& env = txn.env();
  StoreImpl& store = run.store();
  if (Result<void> usable = check_store(store, env); !usable)
    return in_entry(run.first(), std::move(usable).error());
  AETHER_TRY(env.check_log_share(txn.context()));
  AETHER_TRY(env.pace_log(run.kind(0).mode == index::WriteMode::remove));
  const std::span<const Bytes> keys = run.keys();
  if (keys.size() > 1 && store.table() == nullptr) store.tree().prefetch(keys);
  for (size_t i = 0; i < keys.size(); ++i) {
    Result<bool> written = store.write_row(txn.context(), run.kind(i), keys[i], run.value(i));
    if (written) [[likely]]
      continue;
    if (written.error().code() == Code::conflict)
      env.conflicts_.fetch_add(1, std::memory_order_relaxed);
    return in_entry(run.first() + i, std::move(written).error());
  }
  return {};
}

Result<void> write_entries(TransactionImpl& txn, const WriteBatch& batch) {
  for (BatchReader run(batch); run.next();) AETHER_TRY(write_run(txn, run));
  return {};
}

}  // namespace

Result<void> TransactionImpl::write(const WriteBatch& batch) {
  AETHER_TRY(check_writable());
  AETHER_TRY(batch.check());
  note_use();
  AETHER_TRY_ASSIGN(const Savepoint before, savepoint());
  Result<void> written = base::or_no_memory([&] { return write_entries(*this, batch); });
  if (!written) AETHER_TRY(rollback_to(before));
  AETHER_TRY(release(before));
  return written;
}

Result<void> EnvImpl::write(const WriteBatch& batch, Durability durability) {
  AETHER_TRY(check_open());
  AETHER_TRY(check_writable());
  if (batch.empty()) return batch.check();
  AETHER_TRY(batch.check());
  // Dropped without commit, it takes back what was written.
  AETHER_TRY_ASSIGN(const TransactionPointer txn, begin({.durability = durability,
                                                         .env_durability = false,
                                                         .isolation = Isolation::read_committed}));
  AETHER_TRY(write_entries(*txn, batch));
  Result<void> committed = txn->commit();
  run_completions();
  return committed;
}

}  // namespace db

void WriteBatch::added(bool is_there) noexcept {
  count_ += is_there ? 1 : 0;
  is_whole_ &= is_there;
}
void WriteBatch::put(const KvStore& store, Bytes key, Bytes value) noexcept {
  added(db::append(entries_, index::WriteMode::put, store, key, value));
}
void WriteBatch::insert(const KvStore& store, Bytes key, Bytes value) noexcept {
  added(db::append(entries_, index::WriteMode::insert, store, key, value));
}
void WriteBatch::update(const KvStore& store, Bytes key, Bytes value) noexcept {
  added(db::append(entries_, index::WriteMode::update, store, key, value));
}
void WriteBatch::put(const KvStore& store, Bytes key, Bytes value,
                     const PutOptions& options) noexcept {
  added(db::append(entries_, index::WriteMode::put, store, key, value, options));
}
void WriteBatch::insert(const KvStore& store, Bytes key, Bytes value,
                        const PutOptions& options) noexcept {
  added(db::append(entries_, index::WriteMode::insert, store, key, value, options));
}
void WriteBatch::update(const KvStore& store, Bytes key, Bytes value,
                        const PutOptions& options) noexcept {
  added(db::append(entries_, index::WriteMode::update, store, key, value, options));
}
void WriteBatch::set_expiry(const KvStore& store, Bytes key, uint64_t at_ms) noexcept {
  added(db::append(entries_, index::WriteMode::expire, store, key, {}, {.expires_at_ms = at_ms}));
}
void WriteBatch::remove(const KvStore& store, Bytes key) noexcept {
  added(db::append(entries_, index::WriteMode::remove, store, key, {}));
}
void WriteBatch::reserve(size_t bytes) noexcept {
  static_cast<void>(base::if_memory_allows([&] { entries_.reserve(bytes); }));
}
Result<void> WriteBatch::check() const {
  if (is_whole_) return {};
  return Error(Code::no_memory,
               "an entry of the batch was not taken, for want of memory: make it anew");
}

}  // namespace aether
