// Environments, stores, and the second phase of two-phase commit.
#include <algorithm>
#include <cstdlib>
#include <memory>

#include "capi/answer.h"
#include "capi/given_options.h"
#include "capi/handles_private.h"

namespace aether::capi {
namespace {

/// One block of memory: the pointers, then what they point to, then the bytes of the ids.
Result<void> hand_out_list(const std::vector<PreparedTransaction>& prepared,
                           aether_prepared*** list, size_t* count) {
  size_t bytes = 1;
  for (const PreparedTransaction& one : prepared)
    bytes += sizeof(aether_prepared*) + sizeof(aether_prepared) + one.gid.size();
  void* const block = std::malloc(bytes);
  if (block == nullptr) return Code::no_memory;
  auto** const pointers = static_cast<aether_prepared**>(block);
  auto* const items = reinterpret_cast<aether_prepared*>(pointers + prepared.size());
  auto* gid = reinterpret_cast<char*>(items + prepared.size());
  for (size_t i = 0; i < prepared.size(); ++i) {
    const PreparedTransaction& one = prepared[i];
    pointers[i] = new (items + i) aether_prepared{.gid = gid,
                                                  .gid_size = one.gid.size(),
                                                  .id = one.id,
                                                  .prepared_at_ns = one.prepared_at_ns,
                                                  .age_seconds = one.age_seconds,
                                                  .recovered = one.recovered ? 1 : 0};
    gid = std::copy(one.gid.begin(), one.gid.end(), gid);
  }
  *list = pointers;
  *count = prepared.size();
  return {};
}

}  // namespace
}  // namespace aether::capi

using namespace aether;
using namespace aether::capi;

extern "C" {

int aether_open(const char* home, const aether_env_options* options, aether_env** env) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(home, "home"));
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY_ASSIGN(const EnvOptions given, env_options(options));
    auto handle = std::make_unique<aether_env>();
    AETHER_TRY_ASSIGN(handle->env, DbEnv::open(home, given));
    *env = handle.release();
    return {};
  });
}

int aether_close(aether_env* env) {
  return answer([&]() -> Result<void> {
    if (env == nullptr) return {};
    if (env->outside != nullptr) {
      return Error(Code::invalid_argument,
                   "the environment was opened by xa_open: xa_close closes it");
    }
    const std::unique_ptr<aether_env> handle(env);
    return handle->env->close();
  });
}

int aether_open_store(aether_env* env, const char* name, int create, aether_store** store) {
  aether_store_options options{};
  options.size = sizeof options;
  options.must_exist = create == 0 ? 1 : 0;
  return aether_open_store_with(env, name, &options, store);
}

int aether_open_store_with(aether_env* env, const char* name, const aether_store_options* options,
                           aether_store** store) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(name, "name"));
    AETHER_TRY(check_given(store, "store"));
    AETHER_TRY_ASSIGN(const StoreOptions given, store_options(options));
    AETHER_TRY_ASSIGN(const KvStore opened, env->env->open_store(name, given));
    *store = std::make_unique<aether_store>(aether_store{env->env, opened}).release();
    return {};
  });
}

void aether_store_close(aether_store* store) { delete store; }

int aether_commit_prepared(aether_env* env, const void* gid, size_t gid_size) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY_ASSIGN(const Bytes id, bytes_of(gid, gid_size, "gid"));
    return env->env->commit_prepared(id);
  });
}

int aether_rollback_prepared(aether_env* env, const void* gid, size_t gid_size) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY_ASSIGN(const Bytes id, bytes_of(gid, gid_size, "gid"));
    return env->env->rollback_prepared(id);
  });
}

int aether_list_prepared(aether_env* env, aether_prepared*** list, size_t* count) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(list, "list"));
    AETHER_TRY(check_given(count, "count"));
    AETHER_TRY_ASSIGN(const std::vector<PreparedTransaction> prepared, env->env->prepared());
    return hand_out_list(prepared, list, count);
  });
}

}  // extern "C"
