// Making nodes: inner ones, buckets, and the part of a tree that some keys need.
#include <algorithm>
#include <cstring>
#include <new>

#include "index/rax/write_private.h"

namespace aether::index {

using rax::Apart;
using rax::Bucket;
using rax::Stored;

namespace {

/// May a bucket be made of these? `bytes`: of tags, places and entries.
bool fits(uint32_t keys, uint64_t bytes, uint64_t prefix) noexcept {
  return keys == 1 ||
         (keys <= Bucket::kKeysMax && bytes <= Bucket::kBytesMax && prefix <= Bucket::kPrefixMax);
}

char* append(char* at, Bytes bytes) noexcept {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

template <size_t kParts>
uint64_t total(const std::array<Bytes, kParts>& parts) noexcept {
  uint64_t bytes = 0;
  for (const Bytes part : parts) bytes += part.size();
  return bytes;
}

char* append_value(char* at, const Stored& stored) noexcept { return append(at, stored.bytes); }

uint8_t code_of(const Stored& stored) noexcept {
  return stored.is_apart ? Bucket::kApart : static_cast<uint8_t>(stored.bytes.size());
}

}  // namespace

bool Rax::store_value(Bytes value, Stored& stored, Fresh& fresh) noexcept {
  if (value.size() <= Stored::kHereMax) {
    stored = {value, false};
    return true;
  }
  if (fresh.apart == nullptr) {
    void* const memory = allocate(Apart::bytes_for(value.size()), fresh);
    if (memory == nullptr) return false;
    Apart* const apart = new (memory) Apart{};
    apart->value_bytes = value.size();
    append(reinterpret_cast<char*>(apart + 1), value);
    fresh.apart = apart;
    fresh.apart_address = reinterpret_cast<uint64_t>(apart);
  }
  stored = {{reinterpret_cast<const char*>(&fresh.apart_address), sizeof(uint64_t)}, true};
  return true;
}

Rax::Node* Rax::make(const Content& content, Fresh& fresh) noexcept {
  const Node* const from = content.children_of;
  const uint32_t old = from == nullptr ? 0 : from->children();
  const uint32_t children = old - content.removed + content.added_count;
  const uint64_t prefix_bytes = total(content.prefix);
  const Stored stored = content.stored.value_or(Stored{});
  bool in_region = false;
  void* const memory = allocate_inner(Node::bytes_for(children, prefix_bytes, stored.bytes.size()),
                                      in_region, fresh);
  if (memory == nullptr) return nullptr;
  AETHER_ASSERT(children >= 1 && children <= 256 && prefix_bytes <= kKeyBytesMax);
  Node* const node = new (memory) Node{};
  node->shape = static_cast<uint32_t>(prefix_bytes) | children << Node::kPrefixBits |
                (content.stored ? Node::kHasValue : 0) | (stored.is_apart ? Node::kValueApart : 0) |
                (in_region ? Node::kInRegion : 0);
  node->value_bytes = static_cast<uint32_t>(stored.bytes.size());

  uint8_t* const edges = const_cast<uint8_t*>(node->edges());
  // The zeros; the rest is written over them.
  base::store<uint64_t>(edges + Node::head_bytes(children, prefix_bytes) - 8, 0);
  uint32_t next = 0;
  const auto add = [&](uint8_t edge, Node* child) {
    new (&node->slot(next)) std::atomic<uint64_t>(Node::link_to(child));
    edges[next++] = edge;
  };
  for (uint32_t i = 0; i < content.at; ++i) add(from->edge(i), from->child(i));
  for (uint32_t i = 0; i < content.added_count; ++i) {
    add(content.added[i].edge, content.added[i].child);
  }
  for (uint32_t i = content.at + content.removed; i < old; ++i) {
    add(from->edge(i), from->child(i));
  }
  char* at = reinterpret_cast<char*>(edges) + children;
  for (const Bytes part : content.prefix) at = append(at, part);
  append_value(const_cast<char*>(node->stored().bytes.data()), stored);
  nodes_.add(1, fresh.hint);
  fresh.add(node);
  return node;
}

namespace {

void* start_bucket(void* memory, uint32_t keys, uint64_t prefix, uint64_t entries) noexcept {
  rax::Node* const node = new (memory) rax::Node{};
  node->shape = static_cast<uint32_t>(prefix) | keys << rax::Node::kPrefixBits |
                rax::Node::kIsBucket;
  node->value_bytes = static_cast<uint32_t>(3ULL * keys + prefix + entries);
  return node + 1;
}

}  // namespace

// Of keys that agree in their first `skip` bytes: those from `from` on go to the prefix, the others are above.
Rax::Node* Rax::make_bucket(const Prefix& prefix, const Item* items, uint32_t count, size_t from,
                            size_t skip, Fresh& fresh) noexcept {
  const std::array<Bytes, 2> more = items[0].parts(from, skip);
  const uint64_t prefix_bytes = total(prefix) + total(more);
  uint64_t entries = 0;
  for (uint32_t i = 0; i < count; ++i) entries += items[i].bytes(skip) - 3;
  void* const memory = allocate(Bucket::bytes_for(count, prefix_bytes, entries), fresh);
  if (memory == nullptr) return nullptr;
  AETHER_ASSERT(prefix_bytes <= kKeyBytesMax);
  char* const tags = static_cast<char*>(start_bucket(memory, count, prefix_bytes, entries));
  char* at = tags + 3ULL * count;
  for (const Bytes part : prefix) at = append(at, part);
  for (const Bytes part : more) at = append(at, part);
  const char* const begin = at;
  for (uint32_t i = 0; i < count; ++i) {
    const Item& item = items[i];
    tags[i] = static_cast<char>(item.tag);
    base::store<uint16_t>(tags + count + 2ULL * i, static_cast<uint16_t>(at - begin));
    *at++ = static_cast<char>(code_of(item.stored));
    for (const Bytes part : item.parts(skip, item.size())) at = append(at, part);
    at = append_value(at, item.stored);
  }
  Node* const node = static_cast<Node*>(memory);
  nodes_.add(1, fresh.hint);
  fresh.add(node);
  return node;
}

// As the bucket `node`, but with `added`, or nothing, in the place of `removed` keys from `at` on.
Rax::Node* Rax::splice(const Node& node, uint32_t at, uint32_t removed, const Item* added,
                       Fresh& fresh) noexcept {
  const Bucket bucket(node);
  const uint32_t old = bucket.count();
  const uint32_t come = added != nullptr ? 1 : 0;
  const uint32_t count = old - removed + come;
  const uint64_t from = bucket.begin_of(at);
  const uint64_t to = bucket.begin_of(at + removed);
  const uint64_t more = added != nullptr ? added->bytes(0) - 3 : 0;
  const Bytes prefix = bucket.prefix();
  const uint64_t entries = bucket.entries_bytes() - (to - from) + more;
  void* const memory = allocate(Bucket::bytes_for(count, prefix.size(), entries), fresh);
  if (memory == nullptr) return nullptr;

  char* const tags = static_cast<char*>(start_bucket(memory, count, prefix.size(), entries));
  const char* const old_tags = reinterpret_cast<const char*>(&node + 1);
  const char* const old_places = old_tags + old;
  char* out = append(tags, {old_tags, at});
  if (added != nullptr) *out++ = static_cast<char>(added->tag);
  out = append(out, {old_tags + at + removed, old - at - removed});
  out = append(out, {old_places, 2ULL * at});
  if (added != nullptr) {
    base::store<uint16_t>(out, static_cast<uint16_t>(from));
    out += 2;
  }
  const auto shift = static_cast<uint16_t>(more - (to - from));
  for (uint32_t i = at + removed; i < old; ++i, out += 2) {
    base::store<uint16_t>(
        out, static_cast<uint16_t>(base::load<uint16_t>(old_places + 2ULL * i) + shift));
  }
  out = append(out, prefix);
  out = append(out, {bucket.entries(), from});
  if (added != nullptr) {
    *out++ = static_cast<char>(code_of(added->stored));
    out = append(append(out, added->lead), added->tail);
    out = append_value(out, added->stored);
  }
  append(out, {bucket.entries() + to, bucket.entries_bytes() - to});
  Node* const made = static_cast<Node*>(memory);
  nodes_.add(1, fresh.hint);
  fresh.add(made);
  return made;
}

// What holds `items`, of which the first `from` bytes are above already: a bucket, or an inner node above some. Goes
// down at most as often as there are keys: each level parts some. `is_appended`: the last is new, and more may follow it.
Rax::Node* Rax::build(const Prefix& prefix, const Item* items, uint32_t count, size_t from,
                      bool is_appended, Fresh& fresh) noexcept {
  const size_t skip = count == 1 ? items[0].size() : items[0].common(items[count - 1], from);
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < count; ++i) bytes += items[i].bytes(skip);
  if (fits(count, bytes, total(prefix) + skip - from)) {
    return make_bucket(prefix, items, count, from, skip, fresh);
  }
  Content content;
  const std::array<Bytes, 2> more = items[0].parts(from, skip);
  content.prefix = {prefix[0], prefix[1], more[0], more[1]};
  const uint32_t own = items[0].size() == skip ? 1 : 0;
  if (own != 0) content.stored = items[0].stored;
  std::array<Added, Bucket::kKeysMax + 1> added;
  content.added_count = build_pieces(items + own, count - own, skip, is_appended, added.data(),
                                     fresh);
  content.added = added.data();
  return content.added_count == 0 ? nullptr : make(content, fresh);
}

// As children of one node: keys with one next byte together, and neighbours of them as long as they are about half of all, but
// of keys that come in order the last one alone. How many it made; 0: no memory.
uint32_t Rax::build_pieces(const Item* items, uint32_t count, size_t skip, bool is_appended,
                           Added* added, Fresh& fresh) noexcept {
  uint64_t all = 0;
  for (uint32_t i = 0; i < count; ++i) all += items[i].bytes(skip);
  uint32_t last = count - 1;  // Where the last group begins.
  while (last > 0 && items[last - 1].at(skip) == items[count - 1].at(skip)) --last;
  uint32_t made = 0;
  for (uint32_t from = 0; from < count;) {
    uint64_t bytes = 0;
    uint32_t to = from;
    while (to < count) {
      uint64_t group = 0;
      uint32_t group_to = to;
      do {
        group += items[group_to++].bytes(skip);
      } while (group_to < count && items[group_to].at(skip) == items[to].at(skip));
      const bool is_enough = is_appended ? to == last : bytes + group / 2 > all / 2;
      if (to > from && (is_enough || !fits(group_to - from, bytes + group, 0))) break;
      bytes += group;
      to = group_to;
    }
    Node* const node = build({}, items + from, to - from, skip, is_appended && to == count, fresh);
    if (node == nullptr) return 0;
    added[made++] = {items[from].at(skip), node};
    from = to;
  }
  return made;
}

// `above` without its value and `only`, the one child that is left: as one.
Rax::Node* Rax::join(const Node& above, const Node& only, Fresh& fresh) noexcept {
  if (only.is_bucket()) {
    Items items;
    items.add(Bucket(only), {});
    return build({above.prefix(), only.prefix()}, items.list.data(), items.count, 0, false, fresh);
  }
  Content content = Content::of(only);
  content.prefix = {above.prefix(), only.prefix()};
  return make(content, fresh);
}

}  // namespace aether::index
