/* All of aether/aether.h from a C99 program.
 *
 *   capi_test DIR
 *
 * Goal:   every function does from C what its docstring says, and its errors come as codes with a text.
 * Method: one environment, small steps, each answer compared. The first that differs ends the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aether/aether.h"
#include "aether/xa.h"

static int failures = 0;

static void check_code(int line, const char* what, int got, int wanted) {
  if (got == wanted) return;
  fprintf(stderr, "line %d: %s answered %s, wanted %s; the last error: %s\n", line, what,
          aether_code_name(got), aether_code_name(wanted), aether_error_message());
  ++failures;
}

static void check_true(int line, const char* what, int holds) {
  if (holds) return;
  fprintf(stderr, "line %d: not so: %s\n", line, what);
  ++failures;
}

#define GIVES(wanted, call) check_code(__LINE__, #call, call, wanted)
#define OK(call) GIVES(AETHER_OK, call)
#define SO(condition) check_true(__LINE__, #condition, (condition) != 0)
#define SAYS(text) SO(strstr(aether_error_message(), text) != NULL)

/* Whether the value of `key`, as `txn` sees it, is `wanted`; NULL: there is no row. */
static int holds(aether_store* store, aether_txn* txn, const char* key, const char* wanted) {
  void* value = NULL;
  size_t size = 0;
  const int code = aether_get(store, txn, key, strlen(key), &value, &size);
  int same = 0;
  if (code == AETHER_OK) {
    same = wanted != NULL && size == strlen(wanted) && memcmp(value, wanted, size) == 0;
  } else {
    same = wanted == NULL && code == AETHER_NOT_FOUND;
  }
  aether_free(value);
  return same;
}

static int put(aether_store* store, aether_txn* txn, const char* key, const char* value) {
  return aether_put(store, txn, key, strlen(key), value, strlen(value));
}

static aether_env* open_small(const char* home) {
  aether_env_options options = {.size = sizeof options};
  aether_env* env = NULL;
  options.pool_bytes = 4 << 20;
  options.log_streams = 2;
  options.log_segment_bytes = 1 << 20;
  options.log_bytes_max = 4 << 20;
  OK(aether_open(home, &options, &env));
  if (env == NULL) exit(1);
  return env;
}

static void open_with_options(const char* home) {
  struct {
    aether_env_options known;
    uint64_t later;
  } newer;
  aether_env_options options = {.size = sizeof options};
  aether_env* env = NULL;
  options.must_exist = 1;
  GIVES(AETHER_NOT_FOUND, aether_open(home, &options, &env));
  SAYS(home);
  SO(env == NULL);
  options.must_exist = 0;
  options.page_bytes = 1000;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open(home, &options, &env));
  options.page_bytes = 0;
  options.durability = 9;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open(home, &options, &env));
  SAYS("durability");
  options.size = 0;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open(home, &options, &env));
  SAYS("size");
  GIVES(AETHER_INVALID_ARGUMENT, aether_open(NULL, NULL, &env));
  SAYS("home");
  GIVES(AETHER_INVALID_ARGUMENT, aether_open(home, NULL, NULL));

  /* A program that knows more than the library: what it leaves at 0 does no harm. */
  memset(&newer, 0, sizeof newer);
  newer.known.size = sizeof newer;
  newer.known.must_exist = 1;
  GIVES(AETHER_NOT_FOUND, aether_open(home, &newer.known, &env));
  newer.later = 1;
  GIVES(AETHER_UNSUPPORTED, aether_open(home, &newer.known, &env));
  /* One that knows less. */
  options.size = 8;
  options.must_exist = 1;
  GIVES(AETHER_NOT_FOUND, aether_open(home, &options, &env));
}

static void rows(aether_env* env) {
  aether_store* store = NULL;
  char buffer[4];
  size_t size = 0;
  void* value = NULL;
  GIVES(AETHER_NOT_FOUND, aether_open_store(env, "s", 0, &store));
  OK(aether_open_store(env, "s", 1, &store));
  OK(put(store, NULL, "a", "1"));
  GIVES(AETHER_EXISTS, aether_insert(store, NULL, "a", 1, "2", 1));
  OK(aether_insert(store, NULL, "b", 1, "2", 1));
  OK(aether_update(store, NULL, "b", 1, "three", 5));
  GIVES(AETHER_NOT_FOUND, aether_update(store, NULL, "c", 1, "4", 1));
  SO(holds(store, NULL, "a", "1") && holds(store, NULL, "b", "three"));
  OK(aether_get_into(store, NULL, "a", 1, buffer, sizeof buffer, &size));
  SO(size == 1 && buffer[0] == '1');
  GIVES(AETHER_TOO_LARGE, aether_get_into(store, NULL, "b", 1, buffer, sizeof buffer, &size));
  SO(size == 5 && buffer[0] == '1');
  GIVES(AETHER_NOT_FOUND, aether_get_into(store, NULL, "c", 1, buffer, sizeof buffer, &size));
  OK(aether_remove(store, NULL, "a", 1));
  GIVES(AETHER_NOT_FOUND, aether_remove(store, NULL, "a", 1));
  SO(holds(store, NULL, "a", NULL));
  /* Empty keys and values are good; a length without bytes is not. */
  OK(aether_put(store, NULL, NULL, 0, NULL, 0));
  OK(aether_get(store, NULL, NULL, 0, &value, &size));
  SO(value != NULL && size == 0);
  aether_free(value);
  OK(aether_remove(store, NULL, NULL, 0));
  GIVES(AETHER_INVALID_ARGUMENT, aether_put(store, NULL, NULL, 1, "x", 1));
  GIVES(AETHER_INVALID_ARGUMENT, aether_put(store, NULL, "x", 1, NULL, 1));
  GIVES(AETHER_INVALID_ARGUMENT, aether_put(NULL, NULL, "x", 1, "x", 1));
  GIVES(AETHER_INVALID_ARGUMENT, aether_get(store, NULL, "x", 1, NULL, &size));
  OK(aether_remove(store, NULL, "b", 1));
  aether_store_close(store);
}

/* A transaction over stores of all kinds. */
static void kinds(aether_env* env) {
  static const char* const names[] = {"tree", "list", "radix", "runs", "paged"};
  aether_store* stores[5] = {NULL, NULL, NULL, NULL, NULL};
  aether_store_options options = {0};
  aether_txn* txn = NULL;
  int i = 0;
  options.size = sizeof options;
  options.must_exist = 1;
  GIVES(AETHER_NOT_FOUND, aether_open_store_with(env, names[0], &options, &stores[0]));
  options.must_exist = 0;
  options.index = AETHER_RAX_PAGED + 1;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open_store_with(env, names[0], &options, &stores[0]));
  SAYS("index");
  for (i = 0; i < 5; ++i) {
    options.index = AETHER_BTREE + i;
    options.memory_bytes_max = i == 0 || i == 4 ? 0 : 1 << 20;
    OK(aether_open_store_with(env, names[i], &options, &stores[i]));
  }
  OK(aether_begin(env, NULL, &txn));
  for (i = 0; i < 5; ++i) OK(put(stores[i], txn, "k", names[i]));
  OK(aether_commit(txn));
  aether_txn_free(txn);
  for (i = 0; i < 5; ++i) {
    uint64_t removed = 0;
    uint64_t expiry = 1;
    const uint64_t long_gone = 1000, far_off = 9999999999999;
    aether_batch* batch = NULL;
    aether_cursor* cursor = NULL;
    SO(holds(stores[i], NULL, "k", names[i]));
    OK(aether_expiry(stores[i], NULL, "k", 1, &expiry));
    SO(expiry == 0);
    OK(aether_insert_expiring(stores[i], NULL, "e", 1, "x", 1, far_off));
    OK(aether_put_expiring(stores[i], NULL, "e", 1, "y", 1, far_off + 1));
    OK(aether_update_expiring(stores[i], NULL, "e", 1, "z", 1, far_off + 2));
    OK(aether_cursor_open(stores[i], NULL, &cursor));
    OK(aether_cursor_seek(cursor, "e", 1));
    OK(aether_cursor_expiry(cursor, &expiry));
    SO(expiry == far_off + 2);
    aether_cursor_close(cursor);
    OK(aether_set_expiry(stores[i], NULL, "e", 1, long_gone));
    SO(!holds(stores[i], NULL, "e", "z"));
    GIVES(AETHER_NOT_FOUND, aether_expiry(stores[i], NULL, "e", 1, &expiry));
    GIVES(AETHER_NOT_FOUND, aether_set_expiry(stores[i], NULL, "e", 1, far_off));
    OK(aether_batch_create(&batch));
    OK(aether_batch_put_expiring(batch, stores[i], "e", 1, "b", 1, far_off));
    OK(aether_batch_set_expiry(batch, stores[i], "k", 1, far_off));
    OK(aether_write(env, batch, AETHER_DURABILITY_DEFAULT));
    aether_batch_free(batch);
    OK(aether_begin(env, NULL, &txn));
    OK(aether_expiry(stores[i], txn, "k", 1, &expiry));
    SO(expiry == far_off);
    OK(aether_set_expiry(stores[i], txn, "k", 1, 0));
    OK(aether_commit(txn));
    aether_txn_free(txn);
    OK(aether_remove(stores[i], NULL, "e", 1));
    OK(put(stores[i], NULL, "l", "x"));
    OK(put(stores[i], NULL, "m", "x"));
    OK(aether_begin(env, NULL, &txn));
    OK(aether_remove_range(stores[i], txn, NULL, 0, NULL, 0, &removed));
    SO(removed == 3);
    OK(aether_abort(txn));
    aether_txn_free(txn);
    OK(aether_remove_range(stores[i], NULL, "l", 1, "m", 1, &removed));
    SO(removed == 1);
    OK(aether_remove_range(stores[i], NULL, "l", 1, NULL, 0, NULL));
    SO(!holds(stores[i], NULL, "m", "x"));
    SO(holds(stores[i], NULL, "k", names[i]));
    GIVES(AETHER_INVALID_ARGUMENT, aether_remove_range(stores[i], NULL, NULL, 1, NULL, 0, NULL));
    aether_store_close(stores[i]);
    OK(aether_drop_store(env, names[i]));
  }
  /* A store that nobody asked a kind for is a tree. */
  OK(aether_open_store_with(env, "plain", NULL, &stores[0]));
  aether_store_close(stores[0]);
  OK(aether_drop_store(env, "plain"));
}

/* Options of a store of runs, and what of them can be changed. */
static void lsm_options(aether_env* env) {
  aether_store* store = NULL;
  aether_store* tree = NULL;
  aether_store_options options = {0};
  aether_lsm_options lsm = {0};
  char* json = NULL;
  options.size = sizeof options;
  options.index = AETHER_LSM;
  options.lsm = &lsm;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open_store_with(env, "runs", &options, &store));
  SAYS("size");
  lsm.size = sizeof lsm;
  lsm.nursery = AETHER_BTREE;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open_store_with(env, "runs", &options, &store));
  SAYS("nursery");
  lsm.nursery = AETHER_RAX;
  lsm.nursery_bytes = 1 << 20;
  lsm.policy = AETHER_HANOI;
  lsm.runs_max = 6;
  lsm.compression = AETHER_ZSTD;
  lsm.zstd_level = 1;
  lsm.dictionary_bytes = 4096;
  lsm.filter = AETHER_SURF;
  lsm.block_bytes = 1;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open_store_with(env, "runs", &options, &store));
  SAYS("block_bytes");
  lsm.block_bytes = 0;
  OK(aether_open_store_with(env, "runs", &options, &store));
  OK(put(store, NULL, "k", "v"));
  SO(holds(store, NULL, "k", "v"));
  OK(aether_stats(env, &json));
  SO(strstr(json, "\"policy\":\"hanoi\"") != NULL);
  aether_free(json);
  lsm.policy = AETHER_LAZY_LEVELED;
  lsm.size_ratio = 65;
  GIVES(AETHER_INVALID_ARGUMENT, aether_set_merge_policy(store, &lsm));
  SAYS("size_ratio");
  lsm.size_ratio = 5;
  OK(aether_set_merge_policy(store, &lsm));
  OK(aether_stats(env, &json));
  SO(strstr(json, "\"policy\":\"lazy_leveled\"") != NULL);
  aether_free(json);
  OK(aether_set_merge_policy(store, NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_set_merge_policy(NULL, &lsm));
  OK(aether_open_store(env, "plain", 1, &tree));
  GIVES(AETHER_INVALID_ARGUMENT, aether_set_merge_policy(tree, &lsm));
  aether_store_close(tree);
  aether_store_close(store);
  OK(aether_drop_store(env, "plain"));
  OK(aether_drop_store(env, "runs"));
}

static void transactions(aether_env* env) {
  aether_store* store = NULL;
  aether_txn *txn = NULL, *other = NULL;
  aether_savepoint outer, inner;
  aether_txn_options options = {.size = sizeof options};
  void* value = NULL;
  size_t size = 0;
  OK(aether_open_store(env, "t", 1, &store));
  OK(put(store, NULL, "a", "1"));

  OK(aether_begin(env, NULL, &txn));
  OK(put(store, txn, "a", "2"));
  SO(holds(store, txn, "a", "2") && holds(store, NULL, "a", "1"));
  OK(aether_savepoint_set(txn, &outer));
  OK(put(store, txn, "b", "2"));
  OK(aether_savepoint_set(txn, &inner));
  OK(put(store, txn, "c", "2"));
  OK(aether_savepoint_rollback(txn, inner));
  SO(holds(store, txn, "b", "2") && holds(store, txn, "c", NULL));
  OK(aether_savepoint_rollback(txn, outer));
  GIVES(AETHER_INVALID_ARGUMENT, aether_savepoint_rollback(txn, inner));
  OK(aether_savepoint_release(txn, outer));
  GIVES(AETHER_INVALID_ARGUMENT, aether_savepoint_release(txn, outer));
  /* First updater wins. */
  OK(aether_begin(env, NULL, &other));
  GIVES(AETHER_CONFLICT, put(store, other, "a", "3"));
  OK(aether_commit(txn));
  GIVES(AETHER_CLOSED, aether_commit(txn));
  GIVES(AETHER_CLOSED, put(store, txn, "a", "3"));
  aether_txn_free(txn);
  OK(aether_abort(other));
  aether_txn_free(other);
  SO(holds(store, NULL, "a", "2") && holds(store, NULL, "b", NULL));

  /* A lock, and one who does not wait for it. */
  OK(aether_begin(env, NULL, &txn));
  OK(aether_lock_for_update(store, txn, "a", 1, &value, &size));
  SO(size == 1 && memcmp(value, "2", 1) == 0);
  aether_free(value);
  GIVES(AETHER_INVALID_ARGUMENT, aether_lock_for_update(store, NULL, "a", 1, &value, &size));
  options.lock_timeout_ms = AETHER_NO_WAIT;
  options.isolation = AETHER_READ_COMMITTED;
  OK(aether_begin(env, &options, &other));
  GIVES(AETHER_BUSY, put(store, other, "a", "3"));
  options.lock_timeout_ms = 1;
  aether_txn_free(other);
  OK(aether_begin(env, &options, &other));
  GIVES(AETHER_TIMED_OUT, put(store, other, "a", "3"));
  aether_txn_free(other);
  aether_txn_free(txn);

  options.read_only = 1;
  options.isolation = AETHER_SERIALIZABLE;
  options.durability = AETHER_DURABILITY_SYNC;
  OK(aether_begin(env, &options, &txn));
  GIVES(AETHER_INVALID_ARGUMENT, put(store, txn, "a", "3"));
  OK(aether_commit(txn));
  aether_txn_free(txn);
  options.isolation = 7;
  GIVES(AETHER_INVALID_ARGUMENT, aether_begin(env, &options, &txn));
  SAYS("isolation");
  aether_store_close(store);
}

static void cursors(aether_env* env) {
  aether_store* store = NULL;
  aether_cursor* cursor = NULL;
  aether_txn* txn = NULL;
  const void* bytes = NULL;
  size_t size = 0;
  OK(aether_open_store(env, "cursors", 1, &store));
  OK(put(store, NULL, "b", "1"));
  OK(put(store, NULL, "d", "2"));
  OK(aether_begin(env, NULL, &txn));
  OK(put(store, txn, "f", "3"));
  OK(aether_cursor_open(store, txn, &cursor));
  GIVES(AETHER_INVALID_ARGUMENT, aether_cursor_key(cursor, &bytes, &size));
  OK(aether_cursor_next(cursor));
  OK(aether_cursor_key(cursor, &bytes, &size));
  SO(size == 1 && memcmp(bytes, "b", 1) == 0);
  OK(aether_cursor_seek(cursor, "c", 1));
  OK(aether_cursor_value(cursor, &bytes, &size));
  SO(size == 1 && memcmp(bytes, "2", 1) == 0);
  OK(aether_cursor_prev(cursor));
  GIVES(AETHER_NOT_FOUND, aether_cursor_prev(cursor));
  OK(aether_cursor_last(cursor));
  OK(aether_cursor_key(cursor, &bytes, &size));
  SO(memcmp(bytes, "f", 1) == 0);
  OK(aether_cursor_first(cursor));
  OK(aether_cursor_seek_for_prev(cursor, "e", 1));
  OK(aether_cursor_key(cursor, &bytes, &size));
  SO(memcmp(bytes, "d", 1) == 0);
  GIVES(AETHER_NOT_FOUND, aether_cursor_seek(cursor, "g", 1));
  aether_txn_free(txn);
  GIVES(AETHER_CLOSED, aether_cursor_first(cursor));
  aether_cursor_close(cursor);
  OK(aether_cursor_open(store, NULL, &cursor));
  OK(aether_cursor_last(cursor));
  aether_cursor_close(cursor);
  aether_store_close(store);
}

/* Prepares two; leaves both in doubt. */
static void first_phase(aether_env* env) {
  aether_store* store = NULL;
  aether_txn* txn = NULL;
  char too_long[129];
  int vote = -1;
  memset(too_long, 'x', sizeof too_long);
  OK(aether_open_store(env, "p", 1, &store));
  OK(aether_begin(env, NULL, &txn));
  OK(aether_prepare(txn, "reader", 6, &vote));
  SO(vote == AETHER_VOTE_READ_ONLY);
  aether_txn_free(txn);
  OK(aether_begin(env, NULL, &txn));
  OK(put(store, txn, "one", "1"));
  GIVES(AETHER_INVALID_ARGUMENT, aether_prepare(txn, too_long, sizeof too_long, &vote));
  OK(aether_prepare(txn, "one", 3, &vote));
  SO(vote == AETHER_VOTE_PREPARED);
  GIVES(AETHER_CLOSED, aether_commit(txn));
  aether_txn_free(txn);
  OK(aether_begin(env, NULL, &txn));
  OK(put(store, txn, "two", "2"));
  GIVES(AETHER_EXISTS, aether_prepare(txn, "one", 3, NULL));
  OK(aether_prepare(txn, "t\0o", 3, NULL));
  aether_txn_free(txn);
  SO(holds(store, NULL, "one", NULL));
  aether_store_close(store);
}

static void second_phase(aether_env* env) {
  aether_store* store = NULL;
  aether_prepared** list = NULL;
  size_t count = 0;
  OK(aether_open_store(env, "p", 0, &store));
  OK(aether_list_prepared(env, &list, &count));
  SO(count == 2);
  if (count == 2) {
    SO(list[0]->gid_size == 3 && memcmp(list[0]->gid, "one", 3) == 0);
    SO(list[1]->gid_size == 3 && memcmp(list[1]->gid, "t\0o", 3) == 0);
    SO(list[0]->recovered && list[0]->id != 0 && list[0]->prepared_at_ns != 0);
  }
  aether_free(list);
  OK(aether_commit_prepared(env, "one", 3));
  OK(aether_rollback_prepared(env, "t\0o", 3));
  GIVES(AETHER_NOT_FOUND, aether_commit_prepared(env, "one", 3));
  GIVES(AETHER_NOT_FOUND, aether_rollback_prepared(env, "none", 4));
  SO(holds(store, NULL, "one", "1") && holds(store, NULL, "two", NULL));
  OK(aether_list_prepared(env, &list, &count));
  SO(count == 0);
  aether_free(list);
  aether_store_close(store);
}

/* Stores by name, figures, checkpoint, verification. */
static void upkeep(aether_env* env) {
  aether_store* store = NULL;
  char** names = NULL;
  char* json = NULL;
  aether_problem** problems = NULL;
  aether_scrubbed scrubbed = {0};
  size_t count = 0, before = 0;
  OK(aether_list_stores(env, &names, &before));
  aether_free(names);
  OK(aether_open_store(env, "zz dropped", 1, &store));
  OK(put(store, NULL, "a", "1"));
  OK(aether_list_stores(env, &names, &count));
  SO(count == before + 1 && strcmp(names[count - 1], "zz dropped") == 0);
  SO(count < 2 || strcmp(names[0], names[1]) < 0);
  aether_free(names);
  OK(aether_stats(env, &json));
  SO(json != NULL && json[0] == '{' && json[strlen(json) - 1] == '}');
  SO(strstr(json, "\"zz dropped\"") != NULL && strstr(json, "\"format_version\"") != NULL);
  aether_free(json);
  OK(aether_drop_store(env, "zz dropped"));
  GIVES(AETHER_NOT_FOUND, aether_drop_store(env, "zz dropped"));
  GIVES(AETHER_NOT_FOUND, put(store, NULL, "a", "1"));
  aether_store_close(store);
  OK(aether_checkpoint(env));
  OK(aether_verify(env, &problems, &count));
  SO(count == 0);
  aether_free(problems);
  OK(aether_scrub(env, 0, &scrubbed, &problems, &count));
  SO(count == 0 && scrubbed.pages > 2 && scrubbed.bytes >= scrubbed.pages * 4096);
  SO(scrubbed.repaired == 0 && scrubbed.damaged == 0);
  aether_free(problems);
  GIVES(AETHER_INVALID_ARGUMENT, aether_scrub(env, 0, NULL, NULL, &count));
  GIVES(AETHER_INVALID_ARGUMENT, aether_drop_store(env, NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_list_stores(env, NULL, &count));
  GIVES(AETHER_INVALID_ARGUMENT, aether_stats(env, NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_verify(env, &problems, NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_checkpoint(NULL));
}

static int ends_at_once(void* context, const char* phase, uint64_t done, uint64_t total) {
  ++*(int*)context;
  return strlen(phase) > 0 && done <= total ? 1 : 2;
}

/* Whether the environment in `home` has rows "1" to `last` and no more. */
static void has_rows(const char* home, int last) {
  aether_env* env = open_small(home);
  aether_store* store = NULL;
  char key[2] = "1";
  OK(aether_open_store(env, "s", 0, &store));
  for (; key[0] <= '3'; ++key[0]) SO(holds(store, NULL, key, key[0] - '0' <= last ? "v" : NULL));
  aether_store_close(store);
  OK(aether_close(env));
}

/* A full backup, an incremental one, and an archive that reaches further. */
static void backups(const char* home) {
  char live[1024], archive[1024], full[1024], more[1024], restored[1024];
  const char* both[2];
  const char* archives[1];
  aether_env_options options = {.size = sizeof options};
  aether_backup_options upon = {.size = sizeof upon};
  aether_restore_options restoring = {.size = sizeof restoring};
  aether_env* env = NULL;
  aether_store* store = NULL;
  int calls = 0;
  snprintf(live, sizeof live, "%s-live", home);
  snprintf(archive, sizeof archive, "%s-archive", home);
  snprintf(full, sizeof full, "%s-full", home);
  snprintf(more, sizeof more, "%s-more", home);
  snprintf(restored, sizeof restored, "%s-restored", home);
  both[0] = full;
  both[1] = more;
  archives[0] = archive;
  options.log_segment_bytes = 1 << 20;
  options.log_bytes_max = 4 << 20;
  options.archive_directory = archive;
  options.reopen_seconds_max = -1;
  GIVES(AETHER_INVALID_ARGUMENT, aether_open(live, &options, &env));
  SAYS("reopen_seconds_max");
  options.reopen_seconds_max = 1;
  OK(aether_open(live, &options, &env));
  OK(aether_open_store(env, "s", 1, &store));
  OK(put(store, NULL, "1", "v"));
  upon.progress = ends_at_once;
  upon.progress_context = &calls;
  GIVES(AETHER_CLOSED, aether_backup(env, full, &upon));
  SO(calls == 1);
  OK(aether_backup(env, full, NULL));
  GIVES(AETHER_EXISTS, aether_backup(env, full, NULL));
  OK(put(store, NULL, "2", "v"));
  upon.progress = NULL;
  upon.parent = full;
  OK(aether_backup(env, more, &upon));
  OK(put(store, NULL, "3", "v"));
  aether_store_close(store);
  OK(aether_close(env));

  OK(aether_verify_backup(both, 2));
  GIVES(AETHER_NOT_FOUND, aether_verify_backup(both + 1, 1));
  GIVES(AETHER_INVALID_ARGUMENT, aether_verify_backup(NULL, 1));
  restoring.backups = both;
  restoring.backup_count = 1;
  snprintf(restored, sizeof restored, "%s-one", home);
  OK(aether_restore(restored, &restoring));
  has_rows(restored, 1);
  GIVES(AETHER_EXISTS, aether_restore(restored, &restoring));
  restoring.backup_count = 2;
  snprintf(restored, sizeof restored, "%s-two", home);
  OK(aether_restore(restored, &restoring));
  has_rows(restored, 2);
  restoring.archives = archives;
  restoring.archive_count = 1;
  snprintf(restored, sizeof restored, "%s-three", home);
  OK(aether_restore(restored, &restoring));
  has_rows(restored, 3);
  GIVES(AETHER_INVALID_ARGUMENT, aether_restore(restored, NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_backup(NULL, full, NULL));
}

/* The environment's newest data page with a checksum that is not its own: verification names it. */
static void verify_damage(const char* home) {
  char path[1024];
  char bytes[64];
  aether_env* env = NULL;
  aether_store* store = NULL;
  aether_problem** problems = NULL;
  aether_env_options options = {.size = sizeof options};
  size_t count = 0, i;
  char large[60000];
  FILE* data;
  snprintf(path, sizeof path, "%s-damaged", home);
  OK(aether_open(path, NULL, &env));
  OK(aether_open_store(env, "s", 1, &store));
  memset(large, 'l', sizeof large);
  OK(aether_put(store, NULL, "a", 1, large, sizeof large));
  aether_store_close(store);
  OK(aether_close(env));
  snprintf(path, sizeof path, "%s-damaged/data", home);
  data = fopen(path, "r+b");
  SO(data != NULL);
  if (data == NULL) return;
  /* One of the value's pages: a row of 'l'. */
  for (i = 1; fseek(data, (long)(i * 4096 + 2048), SEEK_SET) == 0; ++i) {
    if (fread(bytes, 1, sizeof bytes, data) != sizeof bytes) break;
    if (memcmp(bytes, large, sizeof bytes) != 0) continue;
    SO(fseek(data, (long)(i * 4096 + 2048), SEEK_SET) == 0 && fputc('x', data) == 'x');
    break;
  }
  SO(fclose(data) == 0);
  snprintf(path, sizeof path, "%s-damaged", home);
  options.read_only = 1;
  OK(aether_open(path, &options, &env));
  OK(aether_verify(env, &problems, &count));
  SO(count > 0);
  for (i = 0; i < count; ++i) SO(problems[i]->page != 0 && strlen(problems[i]->message) > 0);
  if (count > 0) SO(strstr(problems[0]->message, "checksum") != NULL);
  aether_free(problems);
  OK(aether_close(env));
}

static void batches(aether_env* env, const char* home) {
  aether_store *one = NULL, *two = NULL, *foreign = NULL;
  aether_env* other = NULL;
  aether_batch* batch = NULL;
  char path[1024];
  OK(aether_open_store(env, "batch one", 1, &one));
  OK(aether_open_store(env, "batch two", 1, &two));
  OK(aether_batch_create(&batch));
  SO(aether_batch_count(batch) == 0);
  OK(aether_write(env, batch, AETHER_DURABILITY_DEFAULT));
  OK(aether_batch_put(batch, one, "a", 1, "1", 1));
  OK(aether_batch_put(batch, two, "b", 1, "2", 1));
  OK(aether_batch_insert(batch, two, "c", 1, NULL, 0));
  OK(aether_batch_update(batch, one, "a", 1, "one", 3));
  OK(aether_batch_remove(batch, two, "b", 1));
  SO(aether_batch_count(batch) == 5);
  GIVES(AETHER_INVALID_ARGUMENT, aether_write(env, batch, 9));
  SO(holds(one, NULL, "a", NULL));
  OK(aether_write(env, batch, AETHER_DURABILITY_SYNC));
  SO(holds(one, NULL, "a", "one") && holds(two, NULL, "b", NULL) && holds(two, NULL, "c", ""));
  /* Again: the insert meets its row, and nothing of it happens. */
  OK(put(one, NULL, "a", "still"));
  GIVES(AETHER_EXISTS, aether_write(env, batch, AETHER_DURABILITY_DEFAULT));
  SAYS("2");
  SO(holds(one, NULL, "a", "still"));

  snprintf(path, sizeof path, "%s-other", home);
  OK(aether_open(path, NULL, &other));
  OK(aether_open_store(other, "s", 1, &foreign));
  GIVES(AETHER_INVALID_ARGUMENT, aether_batch_put(batch, foreign, "a", 1, "1", 1));
  GIVES(AETHER_INVALID_ARGUMENT, aether_write(other, batch, AETHER_DURABILITY_DEFAULT));
  aether_batch_clear(batch);
  SO(aether_batch_count(batch) == 0);
  OK(aether_batch_put(batch, foreign, "a", 1, "1", 1));
  OK(aether_write(other, batch, AETHER_DURABILITY_NONE));
  SO(holds(foreign, NULL, "a", "1"));
  aether_store_close(foreign);
  OK(aether_close(other));
  /* The batch keeps what it needs to say so. */
  GIVES(AETHER_INVALID_ARGUMENT, aether_write(env, batch, AETHER_DURABILITY_DEFAULT));
  aether_batch_free(batch);
  GIVES(AETHER_INVALID_ARGUMENT, aether_batch_put(NULL, one, "a", 1, "1", 1));
  GIVES(AETHER_INVALID_ARGUMENT, aether_write(env, NULL, AETHER_DURABILITY_DEFAULT));
  aether_store_close(one);
  aether_store_close(two);
}

/* Handles may be given back after the environment was closed. */
static void close_first(aether_env* env) {
  aether_store* store = NULL;
  aether_txn* txn = NULL;
  aether_cursor *cursor = NULL, *alone = NULL;
  OK(aether_open_store(env, "t", 0, &store));
  OK(aether_begin(env, NULL, &txn));
  OK(put(store, txn, "late", "1"));
  OK(aether_cursor_open(store, txn, &cursor));
  OK(aether_cursor_open(store, NULL, &alone));
  OK(aether_cursor_first(alone));
  GIVES(AETHER_BUSY, aether_close(env)); /* Closed all the same. */
  GIVES(AETHER_CLOSED, put(store, NULL, "a", "1"));
  GIVES(AETHER_CLOSED, put(store, txn, "a", "1"));
  GIVES(AETHER_CLOSED, aether_commit(txn));
  GIVES(AETHER_CLOSED, aether_cursor_first(cursor));
  GIVES(AETHER_CLOSED, aether_cursor_next(alone));
  aether_store_close(store);
  aether_txn_free(txn);
  aether_cursor_close(alone);
  aether_cursor_close(cursor);
}

static void nothing_given(void) {
  OK(aether_close(NULL));
  aether_store_close(NULL);
  aether_txn_free(NULL);
  aether_cursor_close(NULL);
  aether_batch_free(NULL);
  aether_batch_clear(NULL);
  SO(aether_batch_count(NULL) == 0);
  aether_free(NULL);
  SO(strcmp(aether_error_message(), "") == 0 && aether_error_errno() == 0);
  GIVES(AETHER_INVALID_ARGUMENT, aether_commit(NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_cursor_next(NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_open_store(NULL, "s", 1, NULL));
  GIVES(AETHER_INVALID_ARGUMENT, aether_begin(NULL, NULL, NULL));
  SO(strcmp(aether_code_name(AETHER_NOT_FOUND), "not_found") == 0);
  SO(strcmp(aether_code_name(0), "ok") == 0 && strcmp(aether_code_name(99), "unknown") == 0);
  SO(strcmp(aether_xa_switch.name, "Aether") == 0 && aether_xa_switch.version == 0);
  SO(aether_xa_transaction(1) == NULL && aether_xa_env(1) == NULL);
}

int main(int argument_count, char** arguments) {
  aether_env* env = NULL;
  if (argument_count != 2) {
    fprintf(stderr, "Usage: capi_test DIR\n");
    return 2;
  }
  nothing_given();
  open_with_options(arguments[1]);
  env = open_small(arguments[1]);
  rows(env);
  kinds(env);
  lsm_options(env);
  transactions(env);
  cursors(env);
  first_phase(env);
  OK(aether_close(env));
  env = open_small(arguments[1]);
  second_phase(env);
  upkeep(env);
  batches(env, arguments[1]);
  verify_damage(arguments[1]);
  backups(arguments[1]);
  close_first(env);
  env = open_small(arguments[1]);
  OK(aether_close(env));
  return failures == 0 ? 0 : 1;
}
