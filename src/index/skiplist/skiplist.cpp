#include "index/skiplist/skiplist.h"

#include <bit>
#include <new>

#include "base/assert.h"
#include "base/checksum.h"
#include "base/planted.h"
#include "base/prefetch.h"
#include "base/reached.h"
#include "index/concept/key_order.h"
#include "index/concept/size_limits.h"
#include "os/sync.h"

namespace aether::index {

using base::Epochs;
using skiplist::is_marked;
using skiplist::kMark;
using skiplist::node_of;
using skiplist::Value;
using skiplist::value_of;
using skiplist::word_of;

struct Skiplist::Fresh {
  Skiplist& list;
  const uint32_t hint;
  Node* node = nullptr;
  Value* value = nullptr;
  bool bound_reached = false;

  Fresh(Skiplist& of, uint32_t by) noexcept : list(of), hint(by) {}
  Fresh(const Fresh&) = delete;
  Fresh& operator=(const Fresh&) = delete;
  ~Fresh() {
    if (node != nullptr) list.release(node, node->bytes(), hint);
    if (value != nullptr) list.release(value, value->bytes(), hint);
  }
};

Skiplist::Skiplist(const SkiplistOptions& options) noexcept
    : seed_(options.seed), budget_(options.memory_bytes_max), epochs_(this, free_retired) {}

Skiplist::~Skiplist() {
  const uint32_t hint = os::worker_id();
  for (Node* node = first_node(); node != nullptr;) {
    Node* const next = node_of(node->tower()[0].load(std::memory_order_relaxed));
    const uint64_t word = node->value.load(std::memory_order_relaxed);
    AETHER_ASSERT(!Epochs::is_gone(word));
    if (word != Node::kInline) {
      Value* const value = reinterpret_cast<Value*>(word);
      release(value, value->bytes(), hint);
    }
    release(node, node->bytes(), hint);
    node = next;
  }
}

// --- Reading -----------------------------------------------------------------------------------------

Result<void> Skiplist::get(Bytes key, std::string& value) const {
  try {
    return visit(key, [&](Bytes found) { value.assign(found); });
  } catch (const std::bad_alloc&) {
    return Code::no_memory;
  }
}

Result<void> Skiplist::visit(Bytes key, FunctionRef<void(Bytes)> visitor) const {
  const Epochs::Pin pin = epochs_.pin(os::worker_id());
  bool is_equal = false;
  const Node* const node = lower_bound(key, is_equal);
  if (!is_equal) return Code::not_found;
  os::sim_point();
  const uint64_t word = node->value.load(std::memory_order_acquire);
  if (Epochs::is_gone(word)) return Code::not_found;
  os::sim_window();
  visitor(value_of(*node, word));
  return {};
}

// The first node >= key that the lowest level leads to. A node that is marked at a level is passed, never stood on: from
// where it was unlinked, the levels below may have gone on without it. One that is not marked there is linked below.
Skiplist::Node* Skiplist::lower_bound(Bytes key, bool& is_equal) const noexcept {
  Tower before = head_.data();
  Node* bound = nullptr;
  is_equal = false;
  for (uint32_t level = height_.load(std::memory_order_acquire); level-- > 0;) {
    Node* at = node_of(before[level].load(std::memory_order_acquire));
    while (at != bound && at != nullptr) {
      os::sim_point();
      const uint64_t next = at->tower()[level].load(std::memory_order_acquire);
      base::prefetch(node_of(next));
      if (is_marked(next) && !AETHER_PLANTED("skiplist.stand_on_removed")) {
        at = node_of(next);
        continue;
      }
      const int order = compare_keys(at->key(), key);
      if (order >= 0) {
        is_equal = order == 0;
        break;
      }
      before = at->tower();
      // Where the search goes if `next` is too far: two misses then overlap.
      if (level != 0) base::prefetch(node_of(before[level - 1].load(std::memory_order_relaxed)));
      at = node_of(next);
    }
    if (at == nullptr) is_equal = false;
    bound = at;
  }
  return bound;
}

Skiplist::Node* Skiplist::last_before(std::optional<Bytes> key) const noexcept {
  Tower before = head_.data();
  Node* last = nullptr;
  const Node* bound = nullptr;
  for (uint32_t level = height_.load(std::memory_order_acquire); level-- > 0;) {
    Node* at = node_of(before[level].load(std::memory_order_acquire));
    while (at != bound && at != nullptr) {
      os::sim_point();
      const uint64_t next = at->tower()[level].load(std::memory_order_acquire);
      base::prefetch(node_of(next));
      if (!is_marked(next)) {
        if (key && compare_keys(at->key(), *key) >= 0) break;
        last = at;
        before = at->tower();
      }
      at = node_of(next);
    }
    bound = at;
  }
  return last;
}

// --- Finding the place of a write --------------------------------------------------------------------

// Nothing: a node that it stood on was removed, or somebody else unlinked first. Else what follows at each level is greater
// than `key`, or the one node of it that is returned.
std::optional<Skiplist::Node*> Skiplist::try_find(Bytes key, Place& place) noexcept {
  const uint32_t height = height_.load(std::memory_order_acquire);
  for (uint32_t level = height; level < kHeightMax; ++level) {
    place.before[level] = head_.data();
    place.after[level] = nullptr;
  }
  Tower before = head_.data();
  Node* bound = nullptr;
  bool is_equal = false;
  for (uint32_t level = height; level-- > 0;) {
    os::sim_point();
    const uint64_t link = before[level].load(std::memory_order_acquire);
    if (is_marked(link)) return std::nullopt;
    Node* at = node_of(link);
    const bool is_equal_above = is_equal;
    while (at != nullptr) {
      os::sim_point();
      const uint64_t next = at->tower()[level].load(std::memory_order_acquire);
      base::prefetch(node_of(next));
      if (is_marked(next)) {
        uint64_t expected = word_of(at);
        os::sim_window();
        if (!before[level].compare_exchange_strong(expected, next & ~kMark)) return std::nullopt;
        at = node_of(next);
        continue;
      }
      if (at == bound) break;
      const int order = compare_keys(at->key(), key);
      if (order >= 0) {
        is_equal = order == 0;
        break;
      }
      before = at->tower();
      at = node_of(next);
    }
    // The node of this key above has been removed since. Another one of it must not be linked in front of it there: whoever
    // unlinks it would not get past that.
    if (is_equal_above && at != bound && !AETHER_PLANTED("skiplist.link_before_removed")) {
      return std::nullopt;
    }
    if (at == nullptr) is_equal = false;
    bound = at;
    place.before[level] = before;
    place.after[level] = at;
  }
  return is_equal ? bound : nullptr;
}

// Unlinks whatever is marked on its way, which goes past every level's last node before `key`: when it returns, no node
// of that key that was marked before it began is linked anywhere.
Skiplist::Node* Skiplist::find(Bytes key, Place& place) noexcept {
  for (;;) {
    if (const std::optional<Node*> found = try_find(key, place)) return *found;
  }
}

// --- Writing -----------------------------------------------------------------------------------------

Result<void> Skiplist::write(Mode mode, Bytes key, Bytes value) {
  AETHER_TRY(check_sizes("skiplist", key, value, kKeyBytesMax));
  const uint32_t hint = os::worker_id();
  {
    Fresh fresh(*this, hint);
    Result<void> written = try_write(mode, key, value, fresh);
    if (!fresh.bound_reached) [[likely]]
      return written;
  }
  AETHER_REACHED("index.skiplist_bound_reached");
  epochs_
      .collect_all();  // What has been removed counts until it is freed, and this call pins nothing now.
  Fresh fresh(*this, hint);
  Result<void> written = try_write(mode, key, value, fresh);
  if (!fresh.bound_reached) return written;
  return bound_reached("skiplist", budget_.used(), budget_.max(), epochs_.stats());
}

Result<void> Skiplist::try_write(Mode mode, Bytes key, Bytes value, Fresh& fresh) noexcept {
  const Epochs::Pin pin = epochs_.pin(fresh.hint);
  Place place;
  for (;;) {
    if (Node* const node = find(key, place)) {
      uint64_t word = node->value.load(std::memory_order_acquire);
      if (Epochs::is_gone(word)) {
        mark(*node);  // Its remover may be asleep. The next find unlinks it.
        continue;
      }
      if (mode == Mode::insert) return Code::exists;
      if (!make_value(value, fresh)) return Code::no_memory;
      os::sim_window();
      if (AETHER_PLANTED("skiplist.update_removed")) word = node->value.load();
      if (!node->value.compare_exchange_strong(word, reinterpret_cast<uint64_t>(fresh.value))) {
        continue;
      }
      fresh.value = nullptr;
      if (word != Node::kInline) retire(*reinterpret_cast<Value*>(word), fresh.hint);
      return {};
    }
    if (mode == Mode::update) return Code::not_found;
    if (!make_node(key, value, fresh)) return Code::no_memory;
    os::sim_window();
    if (!try_link(*fresh.node, place)) continue;
    keys_.add(1, fresh.hint);
    link_above(*std::exchange(fresh.node, nullptr), place, fresh.hint);
    return {};
  }
}

bool Skiplist::try_link(Node& node, const Place& place) noexcept {
  for (uint32_t level = 0; level < node.height(); ++level) {
    node.tower()[level].store(word_of(place.after[level]), std::memory_order_relaxed);
  }
  uint64_t expected = word_of(place.after[0]);
  return place.before[0][0].compare_exchange_strong(expected, word_of(&node));
}

// False: the node has been removed meanwhile, and need not be linked any further.
bool Skiplist::link_level(Node& node, uint32_t level, Place& place) noexcept {
  for (;;) {
    Node* const after = place.after[level];
    AETHER_ASSERT(after != &node);
    uint64_t mine = node.tower()[level].load(std::memory_order_acquire);
    if (is_marked(mine)) return false;
    os::sim_window();
    if (node_of(mine) != after &&
        !node.tower()[level].compare_exchange_strong(mine, word_of(after))) {
      continue;
    }
    uint64_t expected = word_of(after);
    os::sim_window();
    if (place.before[level][level].compare_exchange_strong(expected, word_of(&node))) return true;
    if (find(node.key(), place) != &node) return false;
  }
}

void Skiplist::link_above(Node& node, Place& place, uint32_t hint) noexcept {
  for (uint32_t level = 1; level < node.height(); ++level) {
    if (!link_level(node, level, place)) break;
  }
  os::sim_window();
  // From here on the node is its remover's; if that was here already, it has left the rest to us.
  if ((node.done.fetch_or(Node::kLinked, std::memory_order_acq_rel) & Node::kMarked) != 0) {
    AETHER_REACHED("index.skiplist_removed_while_linked");
    unlink(node, hint);
  }
}

Result<void> Skiplist::remove(Bytes key) {
  const uint32_t hint = os::worker_id();
  const Epochs::Pin pin = epochs_.pin(hint);
  bool is_equal = false;
  Node* const node = lower_bound(key, is_equal);
  if (!is_equal) return Code::not_found;
  uint64_t word = node->value.load(std::memory_order_acquire);
  do {
    if (Epochs::is_gone(word)) return Code::not_found;
    os::sim_window();
  } while (!node->value.compare_exchange_weak(word, Epochs::kGone));
  keys_.add(-1, hint);
  if (word != Node::kInline) retire(*reinterpret_cast<Value*>(word), hint);
  os::sim_window();
  mark(*node);
  os::sim_window();
  const bool is_linked = AETHER_PLANTED("skiplist.retire_while_linked") ||
                         (node->done.load(std::memory_order_acquire) & Node::kLinked) != 0 ||
                         (node->done.fetch_or(Node::kMarked, std::memory_order_acq_rel) &
                          Node::kLinked) != 0;
  if (is_linked) unlink(*node, hint);
  return {};
}

// From the top down: a node that is not marked at a level is not marked, and so still linked, on those below.
void Skiplist::mark(Node& node) noexcept {
  for (uint32_t level = node.height(); level-- > 0;) {
    const bool upwards = AETHER_PLANTED("skiplist.mark_upwards");
    node.tower()[upwards ? node.height() - 1 - level : level].fetch_or(kMark);
    os::sim_window();
  }
}

// The node is marked, and nobody links it any more.
void Skiplist::unlink(Node& node, uint32_t hint) noexcept {
  Place place;
  if (!AETHER_PLANTED("skiplist.retire_before_unlink")) find(node.key(), place);
  os::sim_point();
  epochs_.retire(node.value, kKindNode, charge(node.bytes()), hint);
}

// --- Memory ------------------------------------------------------------------------------------------

void Skiplist::retire(Value& value, uint32_t hint) noexcept {
  epochs_.retire(value.link, kKindValue, charge(value.bytes()), hint);
}

bool Skiplist::make_node(Bytes key, Bytes value, Fresh& fresh) noexcept {
  if (fresh.node != nullptr) return true;
  // A quarter of all keys gets another level. By the key, so that no thread needs a source of chance.
  const uint64_t hash = base::checksum(key.data(), key.size(), seed_);
  const uint32_t height = std::min(1 + static_cast<uint32_t>(std::countr_zero(hash)) / 2,
                                   kHeightMax);
  void* const memory = allocate(Node::bytes_for(height, key.size(), value.size()), fresh);
  if (memory == nullptr) return false;
  fresh.node = new (memory) Node{};
  fresh.node->value.store(Node::kInline, std::memory_order_relaxed);
  fresh.node->value_bytes = static_cast<uint32_t>(value.size());
  fresh.node->key_low = static_cast<uint16_t>(key.size());
  fresh.node->shape = static_cast<uint8_t>(height | (key.size() == kKeyBytesMax ? Node::kHuge : 0));
  for (uint32_t level = 0; level < height; ++level) {
    new (&fresh.node->tower()[level]) std::atomic<uint64_t>(0);
  }
  char* const bytes = reinterpret_cast<char*>(fresh.node + 1) + 8 * height;
  if (!key.empty()) std::memcpy(bytes, key.data(), key.size());
  if (!value.empty()) std::memcpy(bytes + key.size(), value.data(), value.size());
  // Before it is linked that high: whoever looks for it begins there.
  uint32_t used = height_.load(std::memory_order_relaxed);
  while (used < height && !height_.compare_exchange_weak(used, height)) {
  }
  return true;
}

bool Skiplist::make_value(Bytes value, Fresh& fresh) noexcept {
  if (fresh.value != nullptr) return true;
  void* const memory = allocate(sizeof(Value) + value.size(), fresh);
  if (memory == nullptr) return false;
  fresh.value = new (memory) Value{};
  fresh.value->size = value.size();
  if (!value.empty()) std::memcpy(static_cast<void*>(fresh.value + 1), value.data(), value.size());
  return true;
}

void* Skiplist::allocate(uint64_t bytes, Fresh& fresh) noexcept {
  if (!budget_.take(charge(bytes), fresh.hint)) {
    fresh.bound_reached = true;
    return nullptr;
  }
  void* const memory = ::operator new(bytes, std::nothrow);
  if (memory == nullptr) budget_.give(charge(bytes), fresh.hint);
  return memory;
}

void Skiplist::release(void* memory, uint64_t bytes, uint32_t hint) noexcept {
  ::operator delete(memory);
  budget_.give(charge(bytes), hint);
}

uint64_t Skiplist::free_retired(void* self, Epochs::Link& link, uint32_t kind) {
  Skiplist& list = *static_cast<Skiplist*>(self);
  uint64_t bytes = 0;
  if (kind == kKindNode) {
    bytes = reinterpret_cast<Node*>(&link)->bytes();
  } else {
    bytes = reinterpret_cast<Value*>(&link)->bytes();
  }
  list.release(&link, bytes, os::worker_id());
  return charge(bytes);
}

SkiplistStats Skiplist::stats() const noexcept {
  SkiplistStats stats;
  stats.keys = static_cast<uint64_t>(std::max<int64_t>(keys_.sum(), 0));
  stats.memory_bytes = budget_.used();
  stats.epochs = epochs_.stats();
  return stats;
}

}  // namespace aether::index
