/// Aether for C (C99), and for every language that can call C.
///
/// Answers     Every function with an int result answers AETHER_OK or one of the codes below, whose numbers never
///             change. The text of a failure: aether_error_message(), which names place, cause and what to do.
///             What is handed out through a pointer is written only if the answer is AETHER_OK, unless said otherwise.
/// Handles     Who gets one gives it back: aether_close, aether_store_close, aether_txn_free, aether_cursor_close,
///             aether_batch_free.
///             Each takes NULL too, and the handle is gone whatever it answers. In any order: what is still open
///             when its environment is closed answers AETHER_CLOSED. A handle that was given back must not be used.
/// Bytes       Keys, values and ids are any bytes, with their length; NULL is good for a length of 0. They are borrowed
///             for the call. Names and paths end with a zero byte.
/// Threads     Environments and stores: any thread. A transaction, and the cursors in it: one thread at a time.
/// Options     A structure of zeros, with its size set, asks for the defaults; so does NULL. Later versions add fields at the
///             end: a program that was compiled before goes on as it was; one that asks an older library for what it
///             does not have gets AETHER_UNSUPPORTED.
///                 aether_txn_options options = {.size = sizeof options};
/// Exceptions  None comes out. Memory that runs out is AETHER_NO_MEMORY.
///
/// The calls are those of the C++ interface, whose headers say more of each: aether/env.h, store.h, transaction.h.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// --- answers ------------------------------------------------------------------------------------------------

enum {
  AETHER_OK = 0,
  AETHER_NOT_FOUND =
      1,  ///< No such key, store, environment or prepared transaction; a cursor: no row there.
  AETHER_EXISTS = 2,     ///< aether_insert met the key; aether_prepare met the id.
  AETHER_CONFLICT = 3,   ///< Another transaction changed the row first: abort, then retry.
  AETHER_DEADLOCK = 4,   ///< Chosen as the victim of a deadlock: abort, then retry.
  AETHER_BUSY = 5,       ///< In use by another process, or a resource is taken for the moment.
  AETHER_TIMED_OUT = 6,  ///< A wait reached its limit.
  AETHER_INVALID_ARGUMENT = 7,  ///< The call is wrong; the message says which argument.
  AETHER_UNSUPPORTED = 8,       ///< Written by a newer format, or something needed is not there.
  AETHER_CLOSED = 9,            ///< The environment or transaction has ended.
  AETHER_TOO_LARGE =
      10,  ///< Key, value or transaction exceeds a stated bound, or the buffer given.
  AETHER_IO_ERROR =
      11,  ///< The operating system refused a read, write or sync; see aether_error_errno.
  AETHER_CORRUPTION = 12,  ///< Bytes on disk are not what was written; the message names the place.
  AETHER_NO_SPACE = 13,    ///< The file system or a quota is full.
  AETHER_NO_MEMORY = 14,   ///< An allocation failed.
  AETHER_FAILED = 15  ///< The environment stopped accepting writes after an earlier I/O failure.
};

/// What the last call of this thread that failed has said; "" if none has. Never NULL. Good until the next call of
/// this thread that fails.
const char* aether_error_message(void);
/// The errno behind it; 0 if there is none.
int aether_error_errno(void);
/// The word for a code, for example "not_found"; "ok" for 0, "unknown" for what is no code. Never NULL.
const char* aether_code_name(int code);
/// The version of the library, for example "0.1.0".
const char* aether_version(void);
/// Gives back memory that a call has handed out. NULL is good.
void aether_free(void* memory);

// --- environments -------------------------------------------------------------------------------------------

typedef struct aether_env aether_env;
typedef struct aether_store aether_store;
typedef struct aether_txn aether_txn;
typedef struct aether_cursor aether_cursor;
typedef struct aether_batch aether_batch;

/// What a commit waits for.
enum {
  AETHER_DURABILITY_DEFAULT = 0,  ///< Environment: group. Transaction: the environment's.
  AETHER_DURABILITY_GROUP =
      1,                       ///< Its log record is on disk; one fdatasync may serve many commits.
  AETHER_DURABILITY_SYNC = 2,  ///< As group, and it demands its flush at once.
  AETHER_DURABILITY_NONE = 3   ///< Nothing: a crash may lose the last flush_interval_ms, whole.
};

enum { AETHER_IO_AUTOMATIC = 0, AETHER_IO_URING = 1, AETHER_IO_THREADS = 2 };

/// In every field 0 asks for the default, which EnvOptions in aether/options.h tells, with units and bounds.
typedef struct aether_env_options {
  uint32_t size;               ///< sizeof(aether_env_options).
  uint32_t must_exist;         ///< Not 0: the environment is not made; AETHER_NOT_FOUND instead.
  uint32_t read_only;          ///< Not 0: opens without changing a byte.
  uint32_t page_bytes;         ///< When it is made: a power of two, 4-64 KiB.
  uint64_t pool_bytes;         ///< Memory for pages.
  uint64_t log_segment_bytes;  ///< When it is made.
  uint64_t log_bytes_max;      ///< The log is held near this.
  uint64_t transaction_bytes_max;
  uint64_t version_bytes_max;
  uint32_t log_streams;  ///< When it is made: 1-8.
  uint32_t flush_interval_ms;
  int32_t durability;  ///< AETHER_DURABILITY_...
  int32_t io_mode;     ///< AETHER_IO_...
  uint32_t no_background_threads;
  uint32_t reserved;                ///< 0.
  double reopen_seconds_max;        ///< How long reopening after a crash may take.
  const char* archive_directory;    ///< Where the log is archived. NULL: nowhere.
  uint64_t scrub_bytes_per_second;  ///< 0: no scrubbing.
  uint64_t block_cache_bytes;       ///< Memory for values too large for a leaf.
  uint64_t no_redo_on_demand;       ///< Not 0: all of the log is redone before the call returns.
} aether_env_options;

/// Opens the environment in directory `home`, recovering it if its last process did not close it; makes it if `home` is
/// missing or empty. Errors: not_found, busy (another process has it, named by its pid), unsupported, corruption,
/// invalid_argument (names the option), io_error, no_space, no_memory.
int aether_open(const char* home, const aether_env_options* options, aether_env** env);
/// Writes a final checkpoint and lets go of the directory. No other call on `env` may be running. The environment is
/// closed whatever the answer; after an error the next open recovers. Errors: busy (transactions were open: the next
/// open rolls them back), failed, io_error, no_space; invalid_argument (aether_xa_env's: nothing has happened).
int aether_close(aether_env* env);

/// Opens a store, an ordered map from keys to values. `create` not 0: makes it if it is not there. Errors: not_found;
/// invalid_argument (a name has 1 to 255 bytes); busy.
int aether_open_store(aether_env* env, const char* name, int create, aether_store** store);

/// Kinds of index; IndexKind in aether/options.h says when which.
enum {
  AETHER_INDEX_DEFAULT = 0,
  AETHER_BTREE = 1,
  AETHER_SKIPLIST = 2,
  AETHER_RAX = 3,
  AETHER_LSM = 4,
  AETHER_RAX_PAGED = 5
};

/// Of a store of kind AETHER_LSM; LsmOptions in aether/options.h says what each does.
enum {
  AETHER_POLICY_DEFAULT = 0,
  AETHER_HANOI = 1,
  AETHER_LEVELED = 2,
  AETHER_TIERED = 3,
  AETHER_LAZY_LEVELED = 4,
  AETHER_ADAPTIVE = 5
};
enum { AETHER_COMPRESSION_DEFAULT = 0, AETHER_LZ4 = 1, AETHER_ZSTD = 2, AETHER_UNCOMPRESSED = 3 };
enum {
  AETHER_FILTER_DEFAULT = 0,
  AETHER_BLOOM = 1,
  AETHER_RIBBON = 2,
  AETHER_SURF = 3,
  AETHER_NO_FILTER = 4
};

/// In every field 0 asks for the default.
typedef struct aether_lsm_options {
  uint32_t size;           ///< sizeof(aether_lsm_options).
  uint32_t reserved;       ///< 0.
  uint64_t nursery_bytes;  ///< Memory that writes go to.
  int32_t nursery;         ///< AETHER_SKIPLIST or AETHER_RAX.
  int32_t
      policy;  ///< Which runs are merged, and when; this and the next five: aether_set_merge_policy.
  uint32_t size_ratio;      ///< How much larger each level is.
  uint32_t runs_per_level;  ///< AETHER_LAZY_LEVELED.
  uint32_t runs_at_bottom;
  uint32_t runs_max;        ///< AETHER_HANOI: never more runs at rest.
  uint64_t expected_bytes;  ///< AETHER_HANOI with runs_max: what the store will hold.
  int32_t compression;
  int32_t zstd_level;
  uint32_t dictionary_bytes;    ///< AETHER_ZSTD: a dictionary is trained for each run.
  uint32_t block_bytes;         ///< What is compressed as one.
  int32_t filter;               ///< What spares reads of runs.
  uint32_t inline_value_bytes;  ///< Larger values lie outside of runs.
  double filter_bits;           ///< A key.
} aether_lsm_options;

/// In every field 0 asks for the default, which StoreOptions in aether/options.h tells.
typedef struct aether_store_options {
  uint32_t size;        ///< sizeof(aether_store_options).
  uint32_t must_exist;  ///< Not 0: the store is not made; AETHER_NOT_FOUND instead.
  int32_t index;      ///< AETHER_..., above. When it is made; a store that is there keeps its own.
  uint32_t reserved;  ///< 0.
  uint64_t memory_bytes_max;      ///< Of a store in memory: it holds no more.
  const aether_lsm_options* lsm;  ///< When a store of kind AETHER_LSM is made. NULL: the defaults.
} aether_store_options;

/// The same, with options. Errors: those; invalid_argument names the option.
int aether_open_store_with(aether_env* env, const char* name, const aether_store_options* options,
                           aether_store** store);
/// Of a store of kind AETHER_LSM: its runs are merged by `options`' policy from now on; its other fields are not looked at.
/// Nothing is rewritten for it. Durable. Errors: invalid_argument (another kind; names the option).
int aether_set_merge_policy(aether_store* store, const aether_lsm_options* options);
void aether_store_close(aether_store* store);
/// Removes a store with all its keys; handles to it answer not_found from then on. No other call may be using it. A crash
/// in between leaves all or nothing. Errors: not_found; busy (transactions are open, in whatever store: end them first).
int aether_drop_store(aether_env* env, const char* name);
/// In ascending order: `count` pointers in `names`, each to a text that ends with a zero byte (a name that holds one, as
/// C++ can make it, ends there). One aether_free(names) gives all of it back.
int aether_list_stores(aether_env* env, char*** names, size_t* count);

/// Writes all pages that were dirty when it began, then lets go of the log before. Writers go on. Errors: failed, io_error,
/// no_space, invalid_argument (the environment is read-only).
int aether_checkpoint(aether_env* env);
/// What the environment tells about itself, as JSON that ends with a zero byte, for the caller to aether_free: the document
/// of `aether stat --format json` (docs/CLI.md).
int aether_stats(aether_env* env, char** json);

/// What verification has found wrong.
typedef struct aether_problem {
  uint64_t page;
  const char* store;  ///< "" if no store is concerned.
  const char* message;
} aether_problem;

/// Proves that every allocated page has its checksum and its own identity, that keys are in order and within fences, and that
/// allocated and reachable pages are the same; that last thing only if nobody writes meanwhile. AETHER_OK with a `count` of 0: all is well; else
/// `count` pointers in `problems`. One aether_free(problems) gives all of it back. Another answer: the check could not run.
int aether_verify(aether_env* env, aether_problem*** problems, size_t* count);

/// What a round of scrubbing has done.
typedef struct aether_scrubbed {
  uint64_t pages;     ///< Looked at.
  uint64_t bytes;     ///< Read, of all files.
  uint64_t repaired;  ///< Damaged pages and copies that were written anew.
  uint64_t damaged;   ///< Those that could not be.
} aether_scrubbed;

/// Reads all that is on disk once, at `bytes_per_second` (0: as it goes), beside whoever reads and writes, and writes damaged
/// pages anew where that can be done. `done` may be NULL. What is damaged still is in `problems`, as of aether_verify; the
/// option scrub_bytes_per_second has it done in the background. Another answer: it could not run, or a write failed.
int aether_scrub(aether_env* env, uint64_t bytes_per_second, aether_scrubbed* done,
                 aether_problem*** problems, size_t* count);

// --- backups (docs/BACKUP.md) ------------------------------------------------------------------------------------

/// How far a long call is, in bytes of its own input; `phase` is "pages", "log" or "recovery". Called on the thread of the
/// long call. Anything but 0 ends that, which then gives AETHER_CLOSED and leaves nothing behind.
typedef int (*aether_progress)(void* context, const char* phase, uint64_t done, uint64_t total);

typedef struct aether_backup_options {
  uint32_t size;      ///< sizeof(aether_backup_options).
  uint32_t reserved;  ///< 0.
  const char*
      parent;  ///< The directory of an earlier backup: only what has changed since is copied. NULL: all.
  uint64_t bytes_per_second;  ///< 0: as fast as the device.
  aether_progress progress;   ///< May be NULL.
  void* progress_context;
} aether_backup_options;

/// Copies the environment into `directory`, which is made or is empty, while others read and write. `options` may be NULL.
/// Errors: exists, busy (another backup is running), corruption (a page is damaged, or the parent is), not_found,
/// invalid_argument, closed (by `progress`), io_error, no_space.
int aether_backup(aether_env* env, const char* directory, const aether_backup_options* options);

/// Checks every byte of `count` backups, and that each has its ancestors among them. Errors: corruption (names file and
/// place), not_found (one is unfinished, or an ancestor is missing), unsupported, invalid_argument.
int aether_verify_backup(const char* const* directories, size_t count);

typedef struct aether_restore_options {
  uint32_t size;               ///< sizeof(aether_restore_options).
  uint32_t reserved;           ///< 0.
  const char* const* backups;  ///< A full backup and the incremental ones to use, in any order.
  size_t backup_count;
  const char* const* archives;  ///< Directories of archived log; none: as the backup was.
  size_t archive_count;
  uint64_t until_ns;  ///< By the clock, in nanoseconds since 1970: nothing later. 0: no limit.
  uint64_t until_position;   ///< Of the log. 0: no limit.
  uint64_t pool_bytes;       ///< 0: 256 MiB.
  aether_progress progress;  ///< May be NULL.
  void* progress_context;
} aether_restore_options;

/// Makes a new environment in `home`, which is made or is empty, as of the newest point that the backups and archives
/// reach, or of the one asked for. Errors: exists, not_found (a backup is missing; the log does not reach the point),
/// corruption (names file and place), invalid_argument, closed, io_error, no_space.
int aether_restore(const char* home, const aether_restore_options* options);

// --- transactions -------------------------------------------------------------------------------------------

/// What a transaction sees of others (docs/ISOLATION.md).
enum {
  AETHER_ISOLATION_DEFAULT = 0,  ///< Snapshot.
  AETHER_READ_COMMITTED = 1,
  AETHER_SNAPSHOT = 2,
  AETHER_SERIALIZABLE = 3
};

#define AETHER_NO_WAIT UINT32_MAX  ///< As lock_timeout_ms: busy instead of waiting.

typedef struct aether_txn_options {
  uint32_t size;             ///< sizeof(aether_txn_options).
  int32_t isolation;         ///< AETHER_..., above.
  int32_t durability;        ///< AETHER_DURABILITY_...
  uint32_t read_only;        ///< Not 0: promises not to write.
  uint32_t lock_timeout_ms;  ///< How long each wait for a lock may take. 0: 10 seconds.
  uint32_t reserved;         ///< 0.
} aether_txn_options;

/// Errors: busy (4096 are open), invalid_argument, closed.
int aether_begin(aether_env* env, const aether_txn_options* options, aether_txn** txn);
/// Makes all writes permanent and waits as the durability asks. The transaction has ended whatever the answer; its handle
/// remains. Errors: conflict (serializable: what it has read was changed; it has been taken back, run it again),
/// failed (the outcome is unknown until the environment is opened again), closed, invalid_argument (aether_xa_transaction's).
int aether_commit(aether_txn* txn);
/// Takes every write back; the transaction has ended. Errors: closed, io_error, corruption (the next open finishes
/// it), no_memory (call it again; nothing else can be done with it), invalid_argument (aether_xa_transaction's).
int aether_abort(aether_txn* txn);
/// Gives the handle back; a transaction that is still open aborts. Not for aether_xa_transaction's, which it leaves alone.
void aether_txn_free(aether_txn* txn);

/// A place in a transaction to go back to; of use only with the transaction that made it.
typedef struct aether_savepoint {
  uint64_t id;
} aether_savepoint;

/// Marks this place. Savepoints nest. Errors: closed.
int aether_savepoint_set(aether_txn* txn, aether_savepoint* savepoint);
/// Takes back every write since `savepoint`, which stays; later ones are gone, and so are locks taken since. Errors:
/// invalid_argument (it is gone, or another transaction's), closed, io_error, corruption.
int aether_savepoint_rollback(aether_txn* txn, aether_savepoint savepoint);
/// Forgets `savepoint` and later ones; the writes stay. Errors: invalid_argument, closed.
int aether_savepoint_release(aether_txn* txn, aether_savepoint savepoint);

// --- two-phase commit ---------------------------------------------------------------------------------------
// For transaction managers that speak X/Open XA there is aether/xa.h.

enum {
  AETHER_VOTE_PREPARED = 0,  ///< It waits for its decision.
  AETHER_VOTE_READ_ONLY =
      1  ///< It had written nothing: it has ended, and there is nothing to decide.
};

/// First phase: makes all writes durable, so that aether_commit_prepared will succeed whatever happens, also after a crash.
/// The transaction is the environment's from then on, under the global id `gid` (1 to 128 bytes), with its rows and
/// locks. `vote`: AETHER_VOTE_...; may be NULL. Errors: exists, invalid_argument (`gid`), too_large: it is still open;
/// conflict (serializable): it has been taken back; failed: as for commit; closed.
int aether_prepare(aether_txn* txn, const void* gid, size_t gid_size, int* vote);
/// Second phase, from any thread and any life of the environment. Durable when it returns. Errors: not_found, busy
/// (another thread is deciding it), closed, failed (it is still prepared, or the outcome unknown until the environment is
/// opened again).
int aether_commit_prepared(aether_env* env, const void* gid, size_t gid_size);
int aether_rollback_prepared(aether_env* env, const void* gid, size_t gid_size);

/// A transaction between its two phases.
typedef struct aether_prepared {
  const void* gid;
  size_t gid_size;
  uint64_t id;
  uint64_t prepared_at_ns;  ///< Wall clock, since 1970.
  double age_seconds;       ///< By the wall clock; 0 if that went backwards.
  int32_t recovered;        ///< Not 0: prepared before the environment was opened.
} aether_prepared;

/// Those in doubt, oldest first: `count` pointers in `list`. One aether_free(list) gives all of it back.
int aether_list_prepared(aether_env* env, aether_prepared*** list, size_t* count);

// --- rows ---------------------------------------------------------------------------------------------------
// `txn` may be NULL: the call alone is then one transaction, with the environment's durability. Every call may also
// answer closed; not_found (the store was dropped; the message says so); invalid_argument (writes: environment or transaction
// is read-only; the transaction is another environment's); failed, io_error, corruption, no_space, busy. A write that
// fails has changed nothing, and its transaction is still open.

/// The value of `key`, for the caller to aether_free. An empty value has a pointer too. Errors: not_found.
int aether_get(aether_store* store, aether_txn* txn, const void* key, size_t key_size, void** value,
               size_t* value_size);
/// Copies the value of `key` into `buffer`. `value_size` is also set if the answer is too_large: the value has more than
/// `buffer_size` bytes, and nothing was copied. Errors: not_found, too_large.
int aether_get_into(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                    void* buffer, size_t buffer_size, size_t* value_size);
/// Sets `key` to `value`, whether it is there or not. Errors: conflict, too_large, deadlock, timed_out.
int aether_put(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
               const void* value, size_t value_size);
/// Adds a new key. Errors: exists, and those of aether_put.
int aether_insert(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                  const void* value, size_t value_size);
/// Replaces the value of a key that is there. Errors: not_found, and those of aether_put.
int aether_update(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                  const void* value, size_t value_size);
/// Errors: not_found, and those of aether_put.
int aether_remove(aether_store* store, aether_txn* txn, const void* key, size_t key_size);
/// Removes all keys from `begin` on and before `end`; an `end` of no bytes: to the last. All or, after an error, none; inside
/// `txn`, or alone as a transaction of its own. `removed` (may be NULL) is how many there were. It costs as much as a removal
/// for each. Errors: conflict; too_large (more than the transaction can take back).
int aether_remove_range(aether_store* store, aether_txn* txn, const void* begin, size_t begin_size,
                        const void* end, size_t end_size, uint64_t* removed);
/// The same three for a row that expires: from `expires_at_ms`, milliseconds since 1970, on it is as if it had been removed (0: it
/// stays). What is written without an expiry has none. A transaction finds what there was when it began; alone each call looks at the
/// clock, which never goes back while the environment is open.
int aether_put_expiring(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                        const void* value, size_t value_size, uint64_t expires_at_ms);
int aether_insert_expiring(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                           const void* value, size_t value_size, uint64_t expires_at_ms);
int aether_update_expiring(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                           const void* value, size_t value_size, uint64_t expires_at_ms);
/// When the row expires; 0: it stays. Errors: not_found.
int aether_expiry(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                  uint64_t* expires_at_ms);
/// Changes that, and leaves the value; 0: the row stays from now on. Errors: not_found, and those of aether_put.
int aether_set_expiry(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                      uint64_t expires_at_ms);
/// As aether_get, with the key locked first, so that nobody else locks or writes it until `txn` (not NULL) ends. Errors:
/// not_found (it is locked all the same), conflict, deadlock (the message names who waited for what; abort, then
/// retry), timed_out, busy (AETHER_NO_WAIT), too_large, invalid_argument.
int aether_lock_for_update(aether_store* store, aether_txn* txn, const void* key, size_t key_size,
                           void** value, size_t* value_size);

// --- batches ------------------------------------------------------------------------------------------------
// Writes to any stores of one environment, gathered to be applied as one transaction. Keys and values are copied. A batch is
// one thread's at a time.

int aether_batch_create(aether_batch** batch);
void aether_batch_free(aether_batch* batch);

// Each adds an entry, which is applied in its turn: of two for one key the later one wins. Errors: invalid_argument (the
// batch has entries for another environment).
int aether_batch_put(aether_batch* batch, aether_store* store, const void* key, size_t key_size,
                     const void* value, size_t value_size);
int aether_batch_insert(aether_batch* batch, aether_store* store, const void* key, size_t key_size,
                        const void* value, size_t value_size);
int aether_batch_update(aether_batch* batch, aether_store* store, const void* key, size_t key_size,
                        const void* value, size_t value_size);
int aether_batch_put_expiring(aether_batch* batch, aether_store* store, const void* key,
                              size_t key_size, const void* value, size_t value_size,
                              uint64_t expires_at_ms);
int aether_batch_set_expiry(aether_batch* batch, aether_store* store, const void* key,
                            size_t key_size, uint64_t expires_at_ms);
int aether_batch_remove(aether_batch* batch, aether_store* store, const void* key, size_t key_size);
/// Its entries; 0 for NULL.
size_t aether_batch_count(const aether_batch* batch);
/// Removes all entries and keeps the memory.
void aether_batch_clear(aether_batch* batch);

/// Applies all of the batch or, after an error, nothing. The batch stays as it is. `durability`: AETHER_DURABILITY_... Errors:
/// those of the single calls, with the index of the entry, from 0; too_large, busy, failed.
int aether_write(aether_env* env, const aether_batch* batch, int durability);

// --- cursors ------------------------------------------------------------------------------------------------

/// A cursor over a store in key order, inside `txn` or, if that is NULL, outside any. It stands nowhere yet.
int aether_cursor_open(aether_store* store, aether_txn* txn, aether_cursor** cursor);
void aether_cursor_close(aether_cursor* cursor);

// Each moves the cursor. Errors: not_found (there is no such row: the cursor stands nowhere), closed, and those of rows.

/// To the first key >= `key`.
int aether_cursor_seek(aether_cursor* cursor, const void* key, size_t key_size);
/// To the last key <= `key`.
int aether_cursor_seek_for_prev(aether_cursor* cursor, const void* key, size_t key_size);
int aether_cursor_first(aether_cursor* cursor);
int aether_cursor_last(aether_cursor* cursor);
/// One row on; from nowhere, to the first.
int aether_cursor_next(aether_cursor* cursor);
/// One row back; from nowhere, to the last.
int aether_cursor_prev(aether_cursor* cursor);

/// The bytes belong to the cursor and are good until it moves. Errors: invalid_argument (it stands nowhere).
int aether_cursor_key(aether_cursor* cursor, const void** key, size_t* key_size);
/// As aether_cursor_key. Errors: invalid_argument; not_found (a large value whose row was removed since).
int aether_cursor_value(aether_cursor* cursor, const void** value, size_t* value_size);
/// When the row on which it stands expires; 0: it stays. Errors: those of aether_cursor_value.
int aether_cursor_expiry(aether_cursor* cursor, uint64_t* expires_at_ms);

#ifdef __cplusplus
}  // extern "C"
#endif
