// Reading many keys: their descents go side by side, so that the processor waits for many cache misses at once, and the disk
// reads many pages at once.
//
// A descent is a chain of misses: the frame, the node's hints and slots, the record. One alone waits for each of them.
// Here a group of descents takes one step each a round, and every step ends with asking for what the next one touches.
// Where a page is not in memory the descent ends; those of all groups are read together, and the descents begin again.
// Whatever else does not go straight through (a latch that is held, a change underneath) is left to BTree::get.
//
// Source   The idea is that of "asynchronous memory access chaining": Kocberber, Falsafi, Grot, PVLDB 9(4), 2015.
#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/prefetch.h"
#include "index/btree/btree.h"
#include "index/btree/prefetch.h"
#include "index/btree/read_view.h"
#include "txn/version.h"

namespace aether::index {

using buffer::Frame;
using buffer::Miss;
using buffer::OptimisticGuard;
using buffer::SwipWord;
using page::SlottedPage;

namespace {

/// Descents side by side: about the misses that a core has in flight.
constexpr size_t kGroup = 16;
/// Keys whose pages are read together: what a disk likes to have in flight.
constexpr size_t kChunk = 64;
/// A level of the tree each, if nothing is in memory.
constexpr int kRoundsMax = 16;

}  // namespace

/// The pages that the descents of a chunk did not find in memory.
class BTree::Misses {
 public:
  void add(const Miss& miss) noexcept {
    if (count_ < kChunk) misses_[count_++] = miss;
  }
  /// A page was cool and is hot now.
  void note_heated() noexcept { heated_ = true; }
  void clear() noexcept {
    count_ = 0;
    heated_ = false;
  }
  /// Brings them. False: descents would end where they have ended.
  bool load(buffer::BufferPool& pool) const {
    const size_t loaded = count_ == 0 ? 0 : pool.load_batch({misses_.data(), count_});
    return loaded > 0 || heated_;
  }

 private:
  std::array<Miss, kChunk> misses_;
  size_t count_ = 0;
  bool heated_ = false;
};

/// A group of descents. No step waits, since it may run with other nodes entered.
class BTree::Descents {
 public:
  Descents(buffer::BufferPool& pool, Frame& root, std::span<const Bytes> keys,
           Misses& misses) noexcept
      : pool_(pool), keys_(keys), misses_(misses) {
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
    uint64_t* const swip = node.child_word(node.child_index(key));
    const SwipWord word = SwipWord::load(swip);
    if (!place.node->validate()) return false;
    if (!word.is_hot()) [[unlikely]] {
      leave_at(*place.node, swip, word);
      return false;
    }
    place.child = word.frame();
    prefetch_node(pool_, *place.child, level == 1);
    // A transaction takes that from the frame too.
    if (level == 1) base::prefetch(&place.child->lsn_vector);
    return true;
  }

  /// The next round finds the page hot.
  void leave_at(OptimisticGuard& node, uint64_t* swip, SwipWord word) noexcept {
    if (word.is_cool()) {
      pool_.heat(node, swip, word);
      misses_.note_heated();
    } else {
      Frame& parent = node.frame();
      misses_.add({&parent, node.leave(), swip, word.page_id()});
    }
  }

  buffer::BufferPool& pool_;
  const std::span<const Bytes> keys_;
  Misses& misses_;
  std::array<Place, kGroup> places_;
};

/// The answers to a chunk of keys.
struct BTree::Answers {
  enum class Found : uint8_t { unknown, nothing, value };

  /// Nothing is known of those from `begin` on.
  void forget(size_t begin, size_t end) noexcept {
    std::fill(found.begin() + begin, found.begin() + end, Found::unknown);
  }
  bool are_complete(size_t keys) const noexcept {
    return std::find(found.begin(), found.begin() + keys, Found::unknown) == found.begin() + keys;
  }
  Result<void> take(size_t i, Result<void> read) {
    if (!read && read.error().code() != Code::not_found) return read;
    found[i] = read ? Found::value : Found::nothing;
    return {};
  }

  std::array<std::string, kChunk> values;
  std::array<Found, kChunk> found;
  std::string older;  ///< Room for a row's older version.
};

/// Answers what lies in leaves that are in memory.
Result<void> BTree::get_in_memory(std::span<const Bytes> keys, Answers& answers, Misses& misses,
                                  ReadView& view, txn::TransactionContext* txn) {
  std::array<Bytes, kGroup> group;
  std::array<size_t, kGroup> numbers;
  for (size_t next = 0; next < keys.size();) {
    size_t count = 0;
    for (; next < keys.size() && count < kGroup; ++next) {
      if (answers.found[next] != Answers::Found::unknown) continue;
      group[count] = keys[next];
      numbers[count++] = next;
    }
    Descents descents(services_.pool, root_, {group.data(), count}, misses);
    descents.run();
    for (size_t i = 0; i < count; ++i) {
      if (!descents.leaf(i)) continue;
      bool again = false;
      Result<void> read = read_at(*descents.leaf(i), group[i], answers.values[numbers[i]],
                                  answers.older, view, txn, Reading::inside, again);
      if (again) continue;
      if (txn != nullptr && txn->id() != 0)
        txn->recent.add(txn::RowKey(store_, group[i]).hash, descents.leaf(i)->frame());
      AETHER_TRY(answers.take(numbers[i], std::move(read)));
    }
  }
  return {};
}

/// Answers those that are unknown.
Result<void> BTree::get_chunk(std::span<const Bytes> keys, Answers& answers, ReadView& view,
                              txn::TransactionContext* txn) {
  Misses misses;
  for (int round = 0; round < kRoundsMax; ++round) {
    misses.clear();
    AETHER_TRY(get_in_memory(keys, answers, misses, view, txn));
    if (!misses.load(services_.pool)) break;
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (answers.found[i] == Answers::Found::unknown)
      AETHER_TRY(answers.take(i, get(keys[i], answers.values[i], view, txn)));
  }
  return {};
}

Result<void> BTree::multi_get(std::span<const Bytes> keys,
                              FunctionRef<void(size_t index, const Bytes* value)> visitor,
                              txn::TransactionContext* txn) {
  Answers answers;
  ReadView view(services_, txn);
  for (size_t begin = 0, count = 0; begin < keys.size(); begin += count) {
    const std::span<const Bytes> rest = keys.subspan(begin);
    // In memory a group at a time, into the same few strings.
    count = std::min(kGroup, rest.size());
    answers.forget(0, count);
    Misses misses;
    AETHER_TRY(get_in_memory(rest.first(count), answers, misses, view, txn));
    if (!answers.are_complete(count)) {
      const size_t known = std::exchange(count, std::min(kChunk, rest.size()));
      answers.forget(known, count);
      AETHER_TRY(get_chunk(rest.first(count), answers, view, txn));
    }
    for (size_t i = 0; i < count; ++i) {
      const Bytes value = answers.values[i];
      visitor(begin + i, answers.found[i] == Answers::Found::value ? &value : nullptr);
    }
  }
  return {};
}

void BTree::prefetch(std::span<const Bytes> keys) {
  for (size_t begin = 0; begin < keys.size(); begin += kGroup) {
    const std::span<const Bytes> group = keys.subspan(begin, std::min(kGroup, keys.size() - begin));
    Misses misses;
    for (int round = 0; round < kRoundsMax; ++round) {
      misses.clear();
      Descents(services_.pool, root_, group, misses).run();
      if (!misses.load(services_.pool)) break;
    }
  }
}

}  // namespace aether::index
