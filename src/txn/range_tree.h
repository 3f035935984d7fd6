/// The key ranges locked in one store: which of them overlap a range, or have a key in them?
///
/// A treap ordered by begin, whose nodes know the farthest end below them, so that a subtree that ends before
/// the question begins is passed over: O(log n + answers). Not an index of disjoint pieces, since one wide
/// lock over many narrow ones would then be cut into as many pieces.
///
/// Threads   None of its own: the lock manager excludes. The nodes belong to the caller.
/// Source    Seidel, Aragon: "Randomized Search Trees", Algorithmica 16, 1996; interval trees as in Cormen et
///           al., "Introduction to Algorithms". Priorities come from a counter, so runs repeat.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "txn/lock_name.h"

namespace aether::txn {

class LockSet;

/// A granted lock of a range.
struct RangeLock {
  LockSet* owner = nullptr;
  LockMode mode = LockMode::none;
  std::string begin;
  std::string end;  ///< Empty: no end.

 private:
  friend class RangeTree;
  uint64_t priority_ = 0;
  RangeLock* left_ = nullptr;
  RangeLock* right_ = nullptr;
  const RangeLock* farthest_ = nullptr;  ///< Of this subtree, the one that ends last.
};

class RangeTree {
 public:
  bool empty() const noexcept { return root_ == nullptr; }
  void insert(RangeLock& range);
  void erase(RangeLock& range);

  /// Calls `visit(RangeLock&)` for each range that overlaps `name`, a range or key of this store, in order of
  /// begin, until it returns true. True: it did.
  template <typename Visit>
  bool visit_overlapping(const LockName& name, Visit&& visit) const {
    return visit_in(root_, name, visit);
  }
  template <typename Visit>
  bool visit_all(Visit&& visit) const {
    return visit_overlapping(LockName::range(0, {}, {}), visit);
  }

 private:
  template <typename Visit>
  static bool visit_in(RangeLock* node, const LockName& name, Visit& visit) {
    while (node != nullptr) {
      if (ends_by(*node->farthest_, name.begin)) return false;
      if (visit_in(node->left_, name, visit)) return true;
      // All to the right begin no earlier than this one.
      const int order = node->begin.compare(name.level == LockLevel::key ? name.begin : name.end);
      const bool begins_in_time = name.level == LockLevel::key ? order <= 0
                                                               : name.end.empty() || order < 0;
      if (!begins_in_time) return false;
      if (!ends_by(*node, name.begin) && visit(*node)) return true;
      node = node->right_;
    }
    return false;
  }

  static bool ends_by(const RangeLock& range, std::string_view key) noexcept {
    return !range.end.empty() && range.end.compare(key) <= 0;
  }
  static bool before(const RangeLock& a, const RangeLock& b) noexcept;
  static void update(RangeLock& node) noexcept;
  static void split(RangeLock* node, const RangeLock& at, RangeLock*& left, RangeLock*& right);
  static RangeLock* join(RangeLock* left, RangeLock* right);
  static void insert_in(RangeLock*& node, RangeLock& range);
  static void erase_in(RangeLock*& node, RangeLock& range);

  RangeLock* root_ = nullptr;
  uint64_t inserted_ = 0;
};

}  // namespace aether::txn
