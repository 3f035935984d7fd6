// Stores by name, figures, checkpoints, verification.
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "capi/answer.h"
#include "capi/given_options.h"
#include "capi/handles_private.h"
#include "db/documents.h"

namespace aether::capi {
namespace {

/// Texts, each with a zero behind it, one after the other from `to` on.
class TextWriter {
 public:
  explicit TextWriter(char* to) noexcept : to_(to) {}
  char* put(const std::string& text) noexcept {
    char* const begin = to_;
    std::memcpy(begin, text.c_str(), text.size() + 1);
    to_ += text.size() + 1;
    return begin;
  }

 private:
  char* to_;
};

/// One block of memory: the pointers, then the names.
Result<void> hand_out_names(const std::vector<std::string>& names, char*** list, size_t* count) {
  size_t bytes = 1 + names.size() * sizeof(char*);
  for (const std::string& name : names) bytes += name.size() + 1;
  void* const block = std::malloc(bytes);
  if (block == nullptr) return Code::no_memory;
  auto** const pointers = static_cast<char**>(block);
  TextWriter texts(reinterpret_cast<char*>(pointers + names.size()));
  for (size_t i = 0; i < names.size(); ++i) pointers[i] = texts.put(names[i]);
  *list = pointers;
  *count = names.size();
  return {};
}

/// The same with what they point to between them.
Result<void> hand_out_problems(const std::vector<VerifyProblem>& problems, aether_problem*** list,
                               size_t* count) {
  size_t bytes = 1 + problems.size() * (sizeof(aether_problem*) + sizeof(aether_problem));
  for (const VerifyProblem& one : problems) bytes += one.store.size() + one.message.size() + 2;
  void* const block = std::malloc(bytes);
  if (block == nullptr) return Code::no_memory;
  auto** const pointers = static_cast<aether_problem**>(block);
  auto* const items = reinterpret_cast<aether_problem*>(pointers + problems.size());
  TextWriter texts(reinterpret_cast<char*>(items + problems.size()));
  for (size_t i = 0; i < problems.size(); ++i) {
    const VerifyProblem& one = problems[i];
    pointers[i] = new (items + i) aether_problem{
        .page = one.page_id, .store = texts.put(one.store), .message = texts.put(one.message)};
  }
  *list = pointers;
  *count = problems.size();
  return {};
}

}  // namespace
}  // namespace aether::capi

using namespace aether;
using namespace aether::capi;

extern "C" {

int aether_drop_store(aether_env* env, const char* name) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(name, "name"));
    return env->env->drop_store(name);
  });
}

int aether_set_merge_policy(aether_store* store, const aether_lsm_options* options) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(store, "store"));
    AETHER_TRY_ASSIGN(const LsmOptions given, lsm_options(options));
    return store->store.set_merge_policy(given);
  });
}

int aether_list_stores(aether_env* env, char*** names, size_t* count) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(names, "names"));
    AETHER_TRY(check_given(count, "count"));
    AETHER_TRY_ASSIGN(const std::vector<std::string> list, env->env->list_stores());
    return hand_out_names(list, names, count);
  });
}

int aether_checkpoint(aether_env* env) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    return env->env->checkpoint();
  });
}

int aether_stats(aether_env* env, char** json) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(json, "json"));
    const std::string text = db::stats_document(env->env->stats());
    void* copy = nullptr;
    size_t size = 0;
    AETHER_TRY(hand_out(Bytes(text.c_str(), text.size() + 1), &copy, &size));
    *json = static_cast<char*>(copy);
    return {};
  });
}

int aether_verify(aether_env* env, aether_problem*** problems, size_t* count) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(problems, "problems"));
    AETHER_TRY(check_given(count, "count"));
    AETHER_TRY_ASSIGN(const VerifyReport report, env->env->verify());
    return hand_out_problems(report.problems, problems, count);
  });
}

int aether_scrub(aether_env* env, uint64_t bytes_per_second, aether_scrubbed* done,
                 aether_problem*** problems, size_t* count) {
  return answer([&]() -> Result<void> {
    AETHER_TRY(check_given(env, "env"));
    AETHER_TRY(check_given(problems, "problems"));
    AETHER_TRY(check_given(count, "count"));
    AETHER_TRY_ASSIGN(const ScrubReport report, env->env->scrub(bytes_per_second));
    if (done != nullptr) *done = {report.pages, report.bytes, report.repaired, report.damaged};
    return hand_out_problems(report.problems, problems, count);
  });
}

}  // extern "C"
