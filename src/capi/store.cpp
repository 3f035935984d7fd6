// Rows and cursors.
#include <cstring>
#include <memory>

#include "capi/answer.h"
#include "capi/handles_private.h"

namespace aether::capi {
namespace {

/// Remembers for XA what went wrong in a branch.
Result<void> noted(aether_txn* txn, Result<void> done) {
  if (done || txn == nullptr) return done;
  switch (done.error().code()) {
    case Code::conflict:
    case Code::deadlock:
    case Code::busy:
    case Code::timed_out: txn->trouble = done.error().code(); break;
    default: break;
  }
  return done;
}

/// Runs `call` with the store and the key, inside `txn` or alone.
template <typename Call>
int with_row(aether_store* store, aether_txn* txn, const void* key, size_t key_size, Call call) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(store, "store"));
    AETHER_TRY_ASSIGN(const Bytes key_bytes, bytes_of(key, key_size, "key"));
    return noted(txn, call(store->store, key_bytes));
  });
}

using WriteAlone = Result<void> (KvStore::*)(Bytes key, Bytes value);
using WriteInside = Result<void> (KvStore::*)(Transaction& txn, Bytes key, Bytes value);

/// Sets the row of `key` to `value`, by one of the three ways.
int write(aether_store* store, aether_txn* txn, const void* key, size_t key_size, const void* value,
          size_t value_size, WriteAlone alone, WriteInside inside) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) -> Result<void> {
    AETHER_TRY_ASSIGN(const Bytes bytes, bytes_of(value, value_size, "value"));
    return txn == nullptr ? (rows.*alone)(key_bytes, bytes)
                          : (rows.*inside)(txn->transaction, key_bytes, bytes);
  });
}

using WriteExpiringAlone = Result<void> (KvStore::*)(Bytes key, Bytes value,
                                                     const PutOptions& options);
using WriteExpiringInside = Result<void> (KvStore::*)(Transaction& txn, Bytes key, Bytes value,
                                                      const PutOptions& options);

int write(aether_store* store, aether_txn* txn, const void* key, size_t key_size, const void* value,
          size_t value_size, uint64_t expires_at_ms, WriteExpiringAlone alone,
          WriteExpiringInside inside) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) -> Result<void> {
    AETHER_TRY_ASSIGN(const Bytes bytes, bytes_of(value, value_size, "value"));
    const PutOptions options{.expires_at_ms = expires_at_ms};
    return txn == nullptr ? (rows.*alone)(key_bytes, bytes, options)
                          : (rows.*inside)(txn->transaction, key_bytes, bytes, options);
  });
}

Result<void> visit(const KvStore& rows, aether_txn* txn, Bytes key,
                   FunctionRef<void(Bytes)> visitor) {
  return txn == nullptr ? rows.visit(key, visitor) : rows.visit(txn->transaction, key, visitor);
}

/// Moves the cursor; no row there is `not_found`.
template <typename Move>
int moved(aether_cursor* cursor, Move move) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(cursor, "cursor"));
    AETHER_TRY_ASSIGN(const bool is_there, move(cursor->cursor));
    if (!is_there) return Code::not_found;
    return {};
  });
}

Result<void> check_stands(const aether_cursor* cursor, const void* bytes, const void* size) {
  AETHER_TRY(check_given(cursor, "cursor"));
  AETHER_TRY(check_given(bytes, "the place for the bytes"));
  AETHER_TRY(check_given(size, "the place for the size"));
  if (cursor->cursor.positioned()) return {};
  return Error(Code::invalid_argument, "the cursor stands nowhere: move it to a row first");
}

}  // namespace
}  // namespace aether::capi

using namespace aether;
using namespace aether::capi;

extern "C" {

int aether_get(aether_store* store, aether_txn* txn, const void* key, size_t key_size, void** value,
               size_t* value_size) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) -> Result<void> {
    AETHER_TRY(check_given(value, "value"));
    AETHER_TRY(check_given(value_size, "value_size"));
    Result<void> copied;
    AETHER_TRY(visit(rows, txn, key_bytes,
                     [&](Bytes found) { copied = hand_out(found, value, value_size); }));
    return copied;
  });
}

int aether_get_into(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                    void* buffer, size_t buffer_size, size_t* value_size) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) -> Result<void> {
    AETHER_TRY(check_given(value_size, "value_size"));
    AETHER_TRY_ASSIGN(const Bytes room, bytes_of(buffer, buffer_size, "buffer"));
    size_t size = 0;
    AETHER_TRY(visit(rows, txn, key_bytes, [&](Bytes found) {
      size = found.size();
      if (size != 0 && size <= room.size()) std::memcpy(buffer, found.data(), size);
    }));
    *value_size = size;
    if (size <= room.size()) return {};
    return Error(Code::too_large, "the value has " + std::to_string(size) + " bytes, the buffer " +
                                      std::to_string(room.size()));
  });
}

int aether_put(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
               const void* value, size_t value_size) {
  return write(store, txn, key, key_size, value, value_size, &KvStore::put, &KvStore::put);
}

int aether_insert(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                  const void* value, size_t value_size) {
  return write(store, txn, key, key_size, value, value_size, &KvStore::insert, &KvStore::insert);
}

int aether_update(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                  const void* value, size_t value_size) {
  return write(store, txn, key, key_size, value, value_size, &KvStore::update, &KvStore::update);
}

int aether_put_expiring(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                        const void* value, size_t value_size, uint64_t expires_at_ms) {
  return write(store, txn, key, key_size, value, value_size, expires_at_ms, &KvStore::put,
               &KvStore::put);
}

int aether_insert_expiring(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                           const void* value, size_t value_size, uint64_t expires_at_ms) {
  return write(store, txn, key, key_size, value, value_size, expires_at_ms, &KvStore::insert,
               &KvStore::insert);
}

int aether_update_expiring(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                           const void* value, size_t value_size, uint64_t expires_at_ms) {
  return write(store, txn, key, key_size, value, value_size, expires_at_ms, &KvStore::update,
               &KvStore::update);
}

int aether_expiry(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                  uint64_t* expires_at_ms) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) -> Result<void> {
    AETHER_TRY(check_given(expires_at_ms, "expires_at_ms"));
    AETHER_TRY_ASSIGN(*expires_at_ms, txn == nullptr ? rows.expiry(key_bytes)
                                                     : rows.expiry(txn->transaction, key_bytes));
    return {};
  });
}

int aether_set_expiry(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                      uint64_t expires_at_ms) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) {
    return txn == nullptr ? rows.set_expiry(key_bytes, expires_at_ms)
                          : rows.set_expiry(txn->transaction, key_bytes, expires_at_ms);
  });
}

int aether_remove(aether_store* store, aether_txn* txn, const void* key, size_t key_size) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) {
    return txn == nullptr ? rows.remove(key_bytes) : rows.remove(txn->transaction, key_bytes);
  });
}

int aether_remove_range(aether_store* store, aether_txn* txn, const void* begin, size_t begin_size,
                        const void* end, size_t end_size, uint64_t* removed) {
  return with_row(store, txn, begin, begin_size, [&](KvStore& rows, Bytes first) -> Result<void> {
    AETHER_TRY_ASSIGN(const Bytes behind, bytes_of(end, end_size, "end"));
    const Range range{.begin = first, .end = behind};
    AETHER_TRY_ASSIGN(const uint64_t count, txn == nullptr
                                                ? rows.remove_range(range)
                                                : rows.remove_range(txn->transaction, range));
    if (removed != nullptr) *removed = count;
    return {};
  });
}

int aether_lock_for_update(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                           void** value, size_t* value_size) {
  return with_row(store, txn, key, key_size, [&](KvStore& rows, Bytes key_bytes) -> Result<void> {
    AETHER_TRY(check_given(txn, "txn"));
    AETHER_TRY(check_given(value, "value"));
    AETHER_TRY(check_given(value_size, "value_size"));
    AETHER_TRY_ASSIGN(const std::string found, rows.lock_for_update(txn->transaction, key_bytes));
    return hand_out(found, value, value_size);
  });
}

int aether_cursor_open(aether_store* store, aether_txn* txn, aether_cursor** cursor) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(store, "store"));
    AETHER_TRY(check_given(cursor, "cursor"));
    Cursor opened = txn == nullptr ? store->store.cursor() : store->store.cursor(txn->transaction);
    *cursor = std::make_unique<aether_cursor>(aether_cursor{store->env, std::move(opened)})
                  .release();
    return {};
  });
}

void aether_cursor_close(aether_cursor* cursor) { delete cursor; }

int aether_cursor_seek(aether_cursor* cursor, const void* key, size_t key_size) {
  return moved(cursor, [&](Cursor& place) -> Result<bool> {
    AETHER_TRY_ASSIGN(const Bytes key_bytes, bytes_of(key, key_size, "key"));
    return place.seek(key_bytes);
  });
}

int aether_cursor_seek_for_prev(aether_cursor* cursor, const void* key, size_t key_size) {
  return moved(cursor, [&](Cursor& place) -> Result<bool> {
    AETHER_TRY_ASSIGN(const Bytes key_bytes, bytes_of(key, key_size, "key"));
    return place.seek_for_prev(key_bytes);
  });
}

int aether_cursor_first(aether_cursor* cursor) {
  return moved(cursor, [](Cursor& place) { return place.first(); });
}

int aether_cursor_last(aether_cursor* cursor) {
  return moved(cursor, [](Cursor& place) { return place.last(); });
}

int aether_cursor_next(aether_cursor* cursor) {
  return moved(cursor, [](Cursor& place) { return place.next(); });
}

int aether_cursor_prev(aether_cursor* cursor) {
  return moved(cursor, [](Cursor& place) { return place.prev(); });
}

int aether_cursor_key(aether_cursor* cursor, const void** key, size_t* key_size) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_stands(cursor, key, key_size));
    const Bytes bytes = cursor->cursor.key();
    *key = bytes.data();
    *key_size = bytes.size();
    return {};
  });
}

int aether_cursor_expiry(aether_cursor* cursor, uint64_t* expires_at_ms) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_stands(cursor, expires_at_ms, expires_at_ms));
    AETHER_TRY_ASSIGN(*expires_at_ms, cursor->cursor.expiry());
    return {};
  });
}

int aether_cursor_value(aether_cursor* cursor, const void** value, size_t* value_size) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_stands(cursor, value, value_size));
    AETHER_TRY_ASSIGN(const Bytes bytes, cursor->cursor.value());
    *value = bytes.data();
    *value_size = bytes.size();
    return {};
  });
}

}  // extern "C"
