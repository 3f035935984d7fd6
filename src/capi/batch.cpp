// Batches of writes.
#include <memory>

#include "aether/batch.h"
#include "capi/answer.h"
#include "capi/given_options.h"
#include "capi/handles_private.h"

namespace aether::capi {
namespace {

using AddEntry = void (WriteBatch::*)(const KvStore& store, Bytes key, Bytes value);

/// A batch is of one environment, which its first entry decides.
Result<void> check_home(aether_batch* batch, const aether_store* store) {
  AETHER_TRY(check_given(batch, "batch"));
  AETHER_TRY(check_given(store, "store"));
  if (batch->env != nullptr && batch->env != store->env) {
    return Error(Code::invalid_argument,
                 "the batch has entries for another environment: clear it first");
  }
  return {};
}

int add(aether_batch* batch, aether_store* store, const void* key, size_t key_size,
        const void* value, size_t value_size, AddEntry entry) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_home(batch, store));
    AETHER_TRY_ASSIGN(const Bytes key_bytes, bytes_of(key, key_size, "key"));
    AETHER_TRY_ASSIGN(const Bytes value_bytes, bytes_of(value, value_size, "value"));
    (batch->writes.*entry)(store->store, key_bytes, value_bytes);
    batch->env = store->env;
    return {};
  });
}

}  // namespace
}  // namespace aether::capi

using namespace aether;
using namespace aether::capi;

extern "C" {

int aether_batch_create(aether_batch** batch) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(batch, "batch"));
    *batch = std::make_unique<aether_batch>().release();
    return {};
  });
}

void aether_batch_free(aether_batch* batch) { delete batch; }

int aether_batch_put(aether_batch* batch, aether_store* store, const void* key, size_t key_size,
                     const void* value, size_t value_size) {
  return add(batch, store, key, key_size, value, value_size, &WriteBatch::put);
}

int aether_batch_insert(aether_batch* batch, aether_store* store, const void* key, size_t key_size,
                        const void* value, size_t value_size) {
  return add(batch, store, key, key_size, value, value_size, &WriteBatch::insert);
}

int aether_batch_update(aether_batch* batch, aether_store* store, const void* key, size_t key_size,
                        const void* value, size_t value_size) {
  return add(batch, store, key, key_size, value, value_size, &WriteBatch::update);
}

int aether_batch_put_expiring(aether_batch* batch, aether_store* store, const void* key,
                              size_t key_size, const void* value, size_t value_size,
                              uint64_t expires_at_ms) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_home(batch, store));
    AETHER_TRY_ASSIGN(const Bytes key_bytes, bytes_of(key, key_size, "key"));
    AETHER_TRY_ASSIGN(const Bytes value_bytes, bytes_of(value, value_size, "value"));
    batch->writes.put(store->store, key_bytes, value_bytes, {.expires_at_ms = expires_at_ms});
    batch->env = store->env;
    return {};
  });
}

int aether_batch_set_expiry(aether_batch* batch, aether_store* store, const void* key,
                            size_t key_size, uint64_t expires_at_ms) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_home(batch, store));
    AETHER_TRY_ASSIGN(const Bytes key_bytes, bytes_of(key, key_size, "key"));
    batch->writes.set_expiry(store->store, key_bytes, expires_at_ms);
    batch->env = store->env;
    return {};
  });
}

int aether_batch_remove(aether_batch* batch, aether_store* store, const void* key,
                        size_t key_size) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_home(batch, store));
    AETHER_TRY_ASSIGN(const Bytes key_bytes, bytes_of(key, key_size, "key"));
    batch->writes.remove(store->store, key_bytes);
    batch->env = store->env;
    return {};
  });
}

size_t aether_batch_count(const aether_batch* batch) {
  return batch == nullptr ? 0 : batch->writes.count();
}

void aether_batch_clear(aether_batch* batch) {
  if (batch == nullptr) return;
  batch->writes.clear();
  batch->env.reset();
}

int aether_write(aether_env* env, const aether_batch* batch, int durability) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(batch, "batch"));
    if (batch->env != nullptr && batch->env != env->env)
      return Error(Code::invalid_argument, "the batch has entries for another environment");
    if (durability == AETHER_DURABILITY_DEFAULT) return env->env->write(batch->writes);
    AETHER_TRY_ASSIGN(const Durability given, durability_of(durability, Durability::group));
    return env->env->write(batch->writes, given);
  });
}

}  // extern "C"
