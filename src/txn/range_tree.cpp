#include "txn/range_tree.h"

#include <functional>

#include "base/assert.h"

namespace aether::txn {
namespace {

// A counter's bits, spread (the finalizer of Steele, Lea, Flood: "Fast Splittable Pseudorandom Number
// Generators", 2014).
uint64_t spread(uint64_t n) noexcept {
  n *= 0x9e3779b97f4a7c15;
  n = (n ^ n >> 30) * 0xbf58476d1ce4e5b9;
  n = (n ^ n >> 27) * 0x94d049bb133111eb;
  return n ^ n >> 31;
}

bool ends_later(const RangeLock& a, const RangeLock& b) noexcept {
  return !b.end.empty() && (a.end.empty() || b.end < a.end);
}

}  // namespace

// Two ranges may begin alike; their addresses keep them apart.
bool RangeTree::before(const RangeLock& a, const RangeLock& b) noexcept {
  const int order = a.begin.compare(b.begin);
  return order < 0 || (order == 0 && std::less<const RangeLock*>()(&a, &b));
}

void RangeTree::update(RangeLock& node) noexcept {
  node.farthest_ = &node;
  for (const RangeLock* child : {node.left_, node.right_}) {
    if (child != nullptr && ends_later(*child->farthest_, *node.farthest_)) {
      node.farthest_ = child->farthest_;
    }
  }
}

void RangeTree::split(RangeLock* node, const RangeLock& at, RangeLock*& left, RangeLock*& right) {
  if (node == nullptr) {
    left = right = nullptr;
  } else if (before(*node, at)) {
    left = node;
    split(node->right_, at, node->right_, right);
    update(*node);
  } else {
    right = node;
    split(node->left_, at, left, node->left_);
    update(*node);
  }
}

RangeLock* RangeTree::join(RangeLock* left, RangeLock* right) {
  if (left == nullptr || right == nullptr) return left == nullptr ? right : left;
  if (left->priority_ > right->priority_) {
    left->right_ = join(left->right_, right);
    update(*left);
    return left;
  }
  right->left_ = join(left, right->left_);
  update(*right);
  return right;
}

void RangeTree::insert_in(RangeLock*& node, RangeLock& range) {
  if (node == nullptr || node->priority_ < range.priority_) {
    split(node, range, range.left_, range.right_);
    node = &range;
  } else {
    insert_in(before(range, *node) ? node->left_ : node->right_, range);
  }
  update(*node);
}

void RangeTree::erase_in(RangeLock*& node, RangeLock& range) {
  AETHER_ASSERT(node != nullptr);  // It is in the tree.
  if (node == &range) {
    node = join(range.left_, range.right_);
    return;
  }
  erase_in(before(range, *node) ? node->left_ : node->right_, range);
  update(*node);
}

void RangeTree::insert(RangeLock& range) {
  range.priority_ = spread(++inserted_);
  insert_in(root_, range);
}

void RangeTree::erase(RangeLock& range) { erase_in(root_, range); }

}  // namespace aether::txn
