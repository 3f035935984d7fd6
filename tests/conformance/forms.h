// The forms of an index that the suite runs over: a type for each, with a name and a fresh index.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "index/concept/any_index.h"
#include "index/concept/ordered_index.h"
#include "index/rax/rax.h"
#include "index/skiplist/skiplist.h"
#include "property/world.h"

namespace aether::index {

// The B+ tree as a store has it: the concept is the store's own interface.
static_assert(OrderedIndex<KvStore>);

struct SkiplistForm {
  static constexpr const char* kName = "skiplist";
  static constexpr uint64_t kKeyBytesMax = Skiplist::kKeyBytesMax;
  Skiplist& index() { return list_; }

 private:
  Skiplist list_;
};

struct RaxForm {
  static constexpr const char* kName = "rax";
  static constexpr uint64_t kKeyBytesMax = Rax::kKeyBytesMax;
  Rax& index() { return tree_; }

 private:
  Rax tree_;
};

/// The form for catalogues, around one of the others.
struct AnyForm {
  static constexpr const char* kName = "any";
  static constexpr uint64_t kKeyBytesMax = Rax::kKeyBytesMax;
  AnyIndex& index() { return any_; }

 private:
  AnyIndex any_{std::make_unique<Rax>()};
};

/// On files, or on simulated ones in memory, where one thread works.
template <bool kSimulated>
struct BTreeForm {
  static constexpr const char* kName = "btree";
  static constexpr uint64_t
      kKeyBytesMax = 900;  // In pages of 4 KiB, with room for what a row carries.
  BTreeForm() {
    world_.open();
    store_ = std::make_unique<KvStore>(world_.store("rows"));
  }
  ~BTreeForm() {
    store_.reset();
    world_.close();
  }
  BTreeForm(const BTreeForm&) = delete;
  BTreeForm& operator=(const BTreeForm&) = delete;
  KvStore& index() { return *store_; }

 private:
  testing_support::World world_{4096, 256, kSimulated ? std::optional<uint64_t>(1) : std::nullopt};
  std::unique_ptr<KvStore> store_;
};

template <bool kSimulated>
using Forms = testing::Types<BTreeForm<kSimulated>, SkiplistForm, RaxForm, AnyForm>;

struct FormName {
  template <typename Form>
  static std::string GetName(int) {
    return Form::kName;
  }
};

}  // namespace aether::index
