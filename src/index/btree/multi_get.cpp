// Reading many keys: their descents go side by side, so that the processor waits for many cache misses at once.
//
// A descent is a chain of misses: the frame, the node's hints and slots, the record. One alone waits for each of them.
// Here a group of descents takes one step each a round, and every step ends with asking for what the next one touches.
// Whatever does not go straight through (a page that is not in memory, a latch that is held, a change underneath) is
// left to BTree::get.
//
// Source   The idea is that of "asynchronous memory access chaining": Kocberber, Falsafi, Grot, PVLDB 9(4), 2015.
#include <algorithm>
#include <array>
#include <optional>

#include "index/btree/btree.h"
#include "index/btree/prefetch.h"
#include "index/btree/read_view.h"
#include "txn/version.h"

namespace aether::index {

using buffer::Frame;
using buffer::OptimisticGuard;
using buffer::SwipWord;
using page::SlottedPage;

namespace {

constexpr size_t
    kGroup = 16;  ///< Descents side by side: about the misses that a core has in flight.

/// A group of descents. No step waits, since it may run with other nodes entered.
class Descents {
 public:
  Descents(buffer::BufferPool& pool, Frame& root, std::span<const Bytes> keys) noexcept
      : pool_(pool), keys_(keys) {
    for (size_t i = 0; i < keys.size(); ++i) places_[i].node = OptimisticGuard::try_enter(root);
  }

  /// Until each is at its leaf or has given up.
  void run() noexcept {
    for (bool moving = true; moving;) {
      moving = false;
      for (size_t i = 0; i < keys_.size(); ++i) {
        Place& place = places_[i];
        if (!place.node || place.is_leaf) continue;
        if (step(place, keys_[i])) {
          moving = true;
        } else {
          place.node.reset();
        }
      }
    }
  }
  /// The leaf of key `i`, a guess until it validates; empty: the descent gave up.
  std::optional<OptimisticGuard>& leaf(size_t i) noexcept { return places_[i].node; }

 private:
  struct Place {
    std::optional<OptimisticGuard> node;
    Frame* child = nullptr;  ///< Asked for in the last round; the swip held then.
    bool is_leaf = false;
  };

  /// False: it gives up.
  bool step(Place& place, Bytes key) noexcept {
    if (place.child != nullptr) {
      std::optional<OptimisticGuard> next = OptimisticGuard::try_enter(*place.child);
      // Entered the right page only if the swip still held.
      if (!next || !place.node->validate()) return false;
      place.node = std::move(next);
      place.child = nullptr;
    }
    SlottedPage node = pool_.node(place.node->frame());
    const uint32_t level = node.header().level;
    if (level == 0) {
      node.prefetch_record(key);
      place.is_leaf = true;
      return place.node->validate();
    }
    const SwipWord word = SwipWord::load(node.child_word(node.child_index(key)));
    if (!word.is_hot() || !place.node->validate()) return false;
    place.child = word.frame();
    prefetch_node(pool_, *place.child, level == 1);
    // A transaction takes that from the frame too.
    if (level == 1) __builtin_prefetch(&place.child->lsn_vector);
    return true;
  }

  buffer::BufferPool& pool_;
  const std::span<const Bytes> keys_;
  std::array<Place, kGroup> places_;
};

}  // namespace

Result<void> BTree::multi_get(std::span<const Bytes> keys,
                              FunctionRef<void(size_t index, const Bytes* value)> visitor,
                              txn::TransactionContext* txn) {
  enum class Found : uint8_t { nothing, value, unknown };
  std::array<std::string, kGroup> values;
  std::string older;
  ReadView view(services_, txn);
  for (size_t begin = 0; begin < keys.size(); begin += kGroup) {
    const std::span<const Bytes> group = keys.subspan(begin, std::min(kGroup, keys.size() - begin));
    std::array<Found, kGroup> found;
    found.fill(Found::unknown);
    const auto take = [&](size_t i, Result<void> read) -> Result<void> {
      if (!read && read.error().code() != Code::not_found) return read;
      found[i] = read ? Found::value : Found::nothing;
      return {};
    };
    {
      Descents descents(services_.pool, root_, group);
      descents.run();
      for (size_t i = 0; i < group.size(); ++i) {
        if (!descents.leaf(i)) continue;
        bool again = false;
        Result<void> read = read_at(*descents.leaf(i), group[i], values[i], older, view, txn,
                                    Reading::inside, again);
        if (again) continue;
        if (txn != nullptr && txn->id() != 0)
          txn->recent.add(txn::RowKey(store_, group[i]).hash, descents.leaf(i)->frame());
        AETHER_TRY(take(i, std::move(read)));
      }
    }
    // With nothing entered any more: this may wait.
    for (size_t i = 0; i < group.size(); ++i) {
      if (found[i] == Found::unknown) AETHER_TRY(take(i, get(group[i], values[i], view, txn)));
    }
    for (size_t i = 0; i < group.size(); ++i) {
      const Bytes value = values[i];
      visitor(begin + i, found[i] == Found::value ? &value : nullptr);
    }
  }
  return {};
}

void BTree::prefetch(std::span<const Bytes> keys) noexcept {
  for (size_t begin = 0; begin < keys.size(); begin += kGroup) {
    Descents(services_.pool, root_, keys.subspan(begin, std::min(kGroup, keys.size() - begin)))
        .run();
  }
}

}  // namespace aether::index
