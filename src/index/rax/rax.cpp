#include "index/rax/rax.h"

#include <algorithm>
#include <new>

#include "base/assert.h"
#include "base/reached.h"
#include "index/concept/size_limits.h"
#include "index/rax/bucket.h"
#include "index/rax/common_private.h"
#include "index/rax/write_private.h"
#include "os/sync.h"

namespace aether::index {

using base::Epochs;
using rax::Apart;
using rax::Bucket;
using rax::kNoChild;

namespace {

constexpr uint32_t kNodeKind = 0;
constexpr uint32_t kApartKind = 1;

}  // namespace

Rax::Rax(const RaxOptions& options) noexcept
    : budget_(options.memory_bytes_max, options.memory_bytes_max / 16),
      epochs_(this, free_retired) {
  static_assert(offsetof(Top, edges) == sizeof(Node) && offsetof(Top, child) == sizeof(Node) + 8);
  top_.node.shape = 1U << Node::kPrefixBits;
}

Rax::~Rax() {
  // Not by recursion: keys of one byte each longer than the last make a path as deep as the longest.
  const uint32_t hint = os::worker_id();
  Node* list = root();
  while (list != nullptr) {
    Node* const node = list;
    list = reinterpret_cast<Node*>(node->word.load(std::memory_order_relaxed));
    const auto release_value = [&](const Stored& stored) {
      if (stored.is_apart) release(stored.apart(), hint);
    };
    if (node->is_bucket()) {
      const Bucket bucket(*node);
      for (uint32_t i = 0; i < bucket.count(); ++i) release_value(bucket[i].stored);
    } else {
      release_value(node->stored());
      for (uint32_t i = 0; i < node->children(); ++i) {
        Node* const child = node->child(i);
        child->word.store(reinterpret_cast<uint64_t>(list), std::memory_order_relaxed);
        list = child;
      }
    }
    release(node, hint);
  }
}

// --- Reading -----------------------------------------------------------------------------------------

Result<void> Rax::get(Bytes key, std::string& value) const {
  try {
    return visit(key, [&](Bytes found) { value.assign(found); });
  } catch (const std::bad_alloc&) {
    return Code::no_memory;
  }
}

Result<void> Rax::visit(Bytes key, FunctionRef<void(Bytes)> visitor) const {
  const Epochs::Pin pin = epochs_.pin(os::worker_id());
  const rax::PaddedKey padded(key);
  const char* at = key.data();
  size_t left = key.size();
  uint64_t link = top_.child.load(std::memory_order_acquire);
  if (link == 0) return Code::not_found;
  while (!Node::links_bucket(link)) {
    const Node* const node = Node::linked(link);
    const uint32_t prefix = node->prefix_bytes();
    // What is left of the key, of which 16 bytes can be read.
    const char* const rest = padded.readable(at, left);
    if (left < prefix || !rax::begins_with_prefix(rest, at, *node)) return Code::not_found;
    left -= prefix;
    if (left == 0) {
      if (!node->has_value()) return Code::not_found;
      visitor(node->stored().value());
      return {};
    }
    at += prefix;
    const uint32_t index = find_child(*node, static_cast<uint8_t>(*at));
    if (index == kNoChild) return Code::not_found;
    link = node->link(index);
    fetch_ahead(Node::linked(link));
  }
  const Bucket bucket(*Node::linked(link));
  const uint32_t index = bucket.find(padded, at, left, rax::tag_of(key));
  if (index == kNoChild) return Code::not_found;
  visitor(bucket[index].stored.value());
  return {};
}

// --- Writing -----------------------------------------------------------------------------------------

Rax::Path Rax::descend(Bytes key) noexcept {
  Path path;
  path.key = key;
  path.parent = &top_.node;
  path.node = root();
  path.rest = key;
  while (path.node != nullptr) {
    path.same = rax::common_bytes(path.node->prefix(), path.rest);
    if (path.node->is_bucket()) {
      if (!path.splits()) {
        path.child = Bucket(*path.node).find(path.rest.substr(path.same), rax::tag_of(key));
      }
      break;
    }
    if (path.splits() || path.ends_here()) break;
    const uint8_t byte = static_cast<uint8_t>(path.rest[path.same]);
    const uint32_t index = find_child(*path.node, byte);
    Node* const next = index == kNoChild ? nullptr : path.node->child(index);
    if (next == nullptr || (!next->is_bucket() && path.node->edge(index) != byte)) {
      path.child = index;
      break;
    }
    fetch_ahead(next);
    path.grand = path.parent;
    path.grand_child = path.parent_child;
    path.parent = path.node;
    path.parent_child = index;
    path.node = next;
    path.rest.remove_prefix(path.same);
  }
  return path;
}

Result<void> Rax::write(Mode mode, Bytes key, Bytes value) {
  AETHER_TRY(check_sizes("RAX", key, value, kKeyBytesMax));
  const uint32_t hint = os::worker_id();
  {
    Fresh fresh(*this, hint, mode);
    Result<void> written = try_write(mode, key, value, fresh);
    if (!fresh.bound_reached) [[likely]]
      return written;
  }
  AETHER_REACHED("index.rax_bound_reached");
  // What has been removed counts until it is freed, and this call pins nothing now.
  epochs_.collect_all();
  Fresh fresh(*this, hint, mode);
  Result<void> written = try_write(mode, key, value, fresh);
  if (!fresh.bound_reached) return written;
  return bound_reached("RAX", budget_.used(), budget_.max(), epochs_.stats());
}

Result<void> Rax::try_write(Mode mode, Bytes key, Bytes value, Fresh& fresh) noexcept {
  const Epochs::Pin pin = epochs_.pin(fresh.hint);
  for (;;) {
    const Path path = descend(key);
    const bool is_there = path.is_there();
    if (is_there && mode == Mode::insert) return Code::exists;
    if (!is_there && (mode == Mode::update || mode == Mode::remove)) return Code::not_found;
    Step step = Step::restart;
    Stored stored;
    if (mode == Mode::remove) {
      step = path.node->is_bucket() ? take_entry(path, fresh) : take_value(path, fresh);
    } else if (!store_value(value, stored, fresh)) {
      step = Step::no_memory;
    } else if (path.node == nullptr) {
      step = put_first(path, stored, fresh);
    } else if (path.node->is_bucket()) {
      step = put_entry(path, stored, fresh);
    } else if (path.splits()) {
      step = split(path, stored, fresh);
    } else {
      step = path.ends_here() ? put_value(path, stored, fresh) : add_child(path, stored, fresh);
    }
    if (step == Step::restart) continue;
    if (step == Step::no_memory) return Code::no_memory;
    if (mode == Mode::remove) keys_.add(-1, fresh.hint);
    if (mode != Mode::remove && !is_there) keys_.add(1, fresh.hint);
    return {};
  }
}

// --- Memory ------------------------------------------------------------------------------------------

void* Rax::allocate(uint64_t bytes, Fresh& fresh) noexcept {
  if (!budget_.take(charge(bytes), fresh.hint, fresh.purpose)) {
    fresh.bound_reached = true;
    return nullptr;
  }
  void* const memory = ::operator new(bytes, std::nothrow);
  if (memory == nullptr) budget_.give(charge(bytes), fresh.hint);
  return memory;
}

void* Rax::allocate_inner(uint64_t bytes, bool& in_region, Fresh& fresh) noexcept {
#if defined(AETHER_RAX_HAS_REGION)
  void* const place = region_.allocate(bytes, fresh.hint);
  in_region = place != nullptr;
  if (in_region) return place;
#else
  in_region = false;
#endif
  return allocate(bytes, fresh);
}

// The region's chunks count against the bound, not what lies in them.
void Rax::free_node(Node* node, uint32_t hint) noexcept {
  if ((node->shape & Node::kInRegion) != 0) return region_.free(node, hint);
  budget_.give(charge(node->bytes()), hint);
  ::operator delete(node);
}

void Rax::retire(Node& node, uint32_t hint) noexcept {
  nodes_.add(-1, hint);
  epochs_.retire(node.word, kNodeKind, charge(node.bytes()), hint);
}

void Rax::retire_value(const Stored& stored, uint32_t hint) noexcept {
  Apart* const apart = stored.apart();
  if (apart != nullptr) epochs_.retire(apart->word, kApartKind, charge(apart->bytes()), hint);
}

// One that nobody has seen, or in the end; values apart are not its own.
void Rax::release(Node* node, uint32_t hint) noexcept {
  nodes_.add(-1, hint);
  free_node(node, hint);
}

void Rax::release(Apart* apart, uint32_t hint) noexcept {
  budget_.give(charge(apart->bytes()), hint);
  ::operator delete(apart);
}

uint64_t Rax::free_retired(void* self, Epochs::Link& link, uint32_t kind) {
  Rax& tree = *static_cast<Rax*>(self);
  if (kind == kNodeKind) {
    Node* const node = reinterpret_cast<Node*>(&link);
    const uint64_t bytes = charge(node->bytes());
    tree.free_node(node, os::worker_id());
    return bytes;
  }
  Apart* const apart = reinterpret_cast<Apart*>(&link);
  const uint64_t bytes = charge(apart->bytes());
  tree.release(apart, os::worker_id());
  return bytes;
}

RaxStats Rax::stats() const noexcept {
  RaxStats stats;
  stats.keys = static_cast<uint64_t>(std::max<int64_t>(keys_.sum(), 0));
  stats.nodes = static_cast<uint64_t>(std::max<int64_t>(nodes_.sum(), 0));
  stats.memory_bytes = budget_.used();
  stats.region = region_.stats();
  stats.epochs = epochs_.stats();
  return stats;
}

}  // namespace aether::index
