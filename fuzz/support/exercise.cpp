#include "fuzz/support/exercise.h"

#include <utility>

#include "fuzz/support/target.h"

namespace aether::fuzz {
namespace {

// More rows than any small environment can hold: a walk that goes on beyond it goes in a circle.
constexpr uint64_t kRowsMax = 20'000;
constexpr uint64_t kStoresMax = 200;

template <typename T>
bool went_well(const Result<T>& result) {
  if (result) return true;
  FUZZ_REQUIRE(!result.error().message().empty());
  return false;
}

using Rows = std::map<std::string, std::string>;

/// Forwards, then back: rows in order; and if they must be right, right.
void walk(KvStore& store, const Rows* truth) {
  for (const bool reverse : {false, true}) {
    uint64_t count = 0;
    std::string before;
    const Result<uint64_t> done = store.scan(
        {.begin = {}, .end = {}, .reverse = reverse}, [&](Bytes key, Bytes value) {
          FUZZ_REQUIRE(count < kRowsMax);
          const bool in_order = count == 0 || (reverse ? key < before : key > before);
          FUZZ_REQUIRE(in_order);
          if (truth != nullptr) {
            const auto row = truth->find(std::string(key));
            FUZZ_REQUIRE(row != truth->end() && row->second == value);
          }
          before = key;
          ++count;
          return true;
        });
    if (went_well(done) && truth != nullptr) FUZZ_REQUIRE(count == truth->size());
  }
}

void read_keys(KvStore& store, const Rows& rows, bool must_be_right) {
  for (const auto& [key, value] : rows) {
    const Result<std::string> got = store.get(key);
    if (!went_well(got)) {
      FUZZ_REQUIRE(!must_be_right || got.error().code() != Code::not_found);
      continue;
    }
    FUZZ_REQUIRE(!must_be_right || *got == value);
  }
}

void use_store(DbEnv& env, const std::string& name, const Exercise& how,
               const small::SmallEnv& names) {
  Result<KvStore> store = env.open_store(name, {.create = false});
  if (!went_well(store)) return;
  const auto known = names.rows.find(name);
  const bool must_be_right = how.truth != nullptr;
  FUZZ_REQUIRE(!must_be_right || known != names.rows.end());
  walk(*store, must_be_right ? &known->second : nullptr);
  if (known != names.rows.end()) read_keys(*store, known->second, must_be_right);
  // Writes that split, shrink and grow: into whatever pages there are.
  static_cast<void>(went_well(store->put("key1020", std::string(700, 'n'))));
  static_cast<void>(went_well(store->put("key1021", std::string(5000, 'n'))));
  static_cast<void>(went_well(store->remove("key1022")));
  Result<Transaction> txn = env.begin();
  if (went_well(txn)) {
    static_cast<void>(went_well(store->put(*txn, "key1030", "in a transaction")));
    static_cast<void>(went_well(store->remove(*txn, "value")));
    static_cast<void>(went_well(txn->abort()));
  }
  walk(*store, nullptr);
}

const small::SmallEnv& names_of(const Exercise& how) {
  static const small::SmallEnv none = [] {
    small::SmallEnv made;
    made.rows["rows"] = {{"", ""}, {"key1000", ""}, {"key1001", ""}, {"zzz", ""}};
    made.rows["large"] = {{"value", ""}, {"other", ""}};
    return made;
  }();
  return how.truth != nullptr ? *how.truth : none;
}

void use(DbEnv& env, const Exercise& how) {
  const Result<std::vector<std::string>> stores = env.list_stores();
  static_cast<void>(env.stats());
  const Result<VerifyReport> verified = env.verify();
  static_cast<void>(went_well(verified));
  if (!went_well(stores)) return;
  FUZZ_REQUIRE(stores->size() < kStoresMax);
  for (const std::string& name : *stores) use_store(env, name, how, names_of(how));
  const Result<std::vector<PreparedTransaction>> prepared = env.prepared();
  if (went_well(prepared)) {
    for (const PreparedTransaction& one : *prepared)
      static_cast<void>(went_well(env.rollback_prepared(one.gid)));
  }
  if (how.drop_stores) {
    for (const std::string& name : *stores) static_cast<void>(went_well(env.drop_store(name)));
  }
  static_cast<void>(went_well(env.checkpoint()));
  static_cast<void>(went_well(env.verify()));
}

}  // namespace

void read_store(KvStore& store) {
  walk(store, nullptr);
  read_keys(store, {{"", ""}, {"key1000", ""}, {"other", ""}}, false);
}

void exercise(sim::SimOs& os, const Exercise& how) {
  os.set_capacity(32 * MiB);
  for (const bool again : {false, true}) {
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(small::kHome, small::options(), os);
    if (!went_well(env)) {
      FUZZ_REQUIRE(env.error().code() != Code::not_found);
      if (!how.again_after_refusal) return;
      continue;
    }
    // The second time, what the first has written is there too.
    use(**env, again ? Exercise{.truth = nullptr, .drop_stores = how.drop_stores} : how);
    static_cast<void>(went_well((*env)->close()));
  }
}

}  // namespace aether::fuzz
