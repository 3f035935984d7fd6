// The forms of an index that the suite runs over: a type for each, with a name and a fresh index.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "aether/generic_kv_store.h"
#include "aether/ordered_index.h"
#include "examples/locked_map.h"
#include "index/concept/any_index.h"
#include "index/rax/rax.h"
#include "index/skiplist/skiplist.h"
#include "property/world.h"

namespace aether::index {

// Stores of all kinds: the concept is the store's own interface.
static_assert(OrderedIndex<KvStore>);

struct SkiplistForm {
  static constexpr const char* kName = "skiplist";
  static constexpr uint64_t kKeyBytesMax = Skiplist::kKeyBytesMax;
  static constexpr uint64_t kValueBytes = 300'000;  // It takes at least.
  Skiplist& index() { return list_; }

 private:
  Skiplist list_;
};

struct RaxForm {
  static constexpr const char* kName = "rax";
  static constexpr uint64_t kKeyBytesMax = Rax::kKeyBytesMax;
  static constexpr uint64_t kValueBytes = 300'000;
  Rax& index() { return tree_; }

 private:
  Rax tree_;
};

/// The form for catalogues, around one of the others.
struct AnyForm {
  static constexpr const char* kName = "any";
  static constexpr uint64_t kKeyBytesMax = Rax::kKeyBytesMax;
  static constexpr uint64_t kValueBytes = 300'000;
  AnyIndex& index() { return any_; }

 private:
  AnyIndex any_{std::make_unique<Rax>()};
};

/// A program's own type.
struct OwnForm {
  static constexpr const char* kName = "own";
  static constexpr uint64_t kKeyBytesMax = LockedMap::kKeyBytesMax;
  static constexpr uint64_t kValueBytes = 300'000;
  LockedMap& index() { return map_; }

 private:
  LockedMap map_;
};

/// The same as a store.
struct GenericStoreForm {
  static constexpr const char* kName = "generic_store";
  static constexpr uint64_t kKeyBytesMax = LockedMap::kKeyBytesMax;
  static constexpr uint64_t kValueBytes = 300'000;
  GenericKvStore<LockedMap>& index() { return store_; }

 private:
  GenericKvStore<LockedMap> store_;
};

/// A store, on files or on simulated ones in memory, where one thread works.
template <IndexKind kKind, bool kSimulated>
struct StoreForm {
  static constexpr const char* kName = kKind == IndexKind::btree       ? "btree"
                                       : kKind == IndexKind::skiplist  ? "skiplist_store"
                                       : kKind == IndexKind::rax       ? "rax_store"
                                       : kKind == IndexKind::rax_paged ? "rax_paged"
                                                                       : "lsm";
  static constexpr uint64_t
      kKeyBytesMax = 900;  // In pages of 4 KiB, with room for what a row carries.
  // A record of the log has to hold a row in memory, and the one before it.
  static constexpr bool kInMemory = kKind == IndexKind::skiplist || kKind == IndexKind::rax;
  static constexpr uint64_t kValueBytes = kInMemory ? 10'000 : 300'000;
  StoreForm() {
    world_.open();
    store_ = std::make_unique<KvStore>(world_.store("rows", kKind));
  }
  ~StoreForm() {
    store_.reset();
    world_.close();
  }
  StoreForm(const StoreForm&) = delete;
  StoreForm& operator=(const StoreForm&) = delete;
  KvStore& index() { return *store_; }

 private:
  testing_support::World world_{4096, 256, kSimulated ? std::optional<uint64_t>(1) : std::nullopt};
  std::unique_ptr<KvStore> store_;
};

template <bool kSimulated>
using Forms = testing::Types<
    StoreForm<IndexKind::btree, kSimulated>, StoreForm<IndexKind::skiplist, kSimulated>,
    StoreForm<IndexKind::rax, kSimulated>, StoreForm<IndexKind::rax_paged, kSimulated>,
    StoreForm<IndexKind::lsm, kSimulated>, SkiplistForm, RaxForm, AnyForm, OwnForm,
    GenericStoreForm>;

struct FormName {
  template <typename Form>
  static std::string GetName(int) {
    return Form::kName;
  }
};

}  // namespace aether::index
