// Whether a tree is what node.h and bucket.h say.
#include <algorithm>
#include <string>
#include <vector>

#include "base/no_memory.h"
#include "index/rax/write_private.h"

namespace aether::index {

using rax::Bucket;

namespace {

/// A place of the tree that is still to be looked at.
struct Place {
  const rax::Node* node;
  std::string path;  ///< What lies above it.
  int from;          ///< Its keys go on with a byte from here
  int to;            ///< to below here; the root's with any, or none.
};

Error wrong(const Place& place, const char* what) {
  std::string message = "RAX: a node below a path of ";
  message.append(std::to_string(place.path.size())).append(" bytes ").append(what);
  return Error(Code::corruption, std::move(message));
}

Result<void> validate_bucket(const Place& place) {
  const Bucket bucket(*place.node);
  if (bucket.count() == 0) return wrong(place, "is an empty bucket");
  if (bucket.count() > 1 &&
      (bucket.count() > Bucket::kKeysMax || bucket.bytes() > Bucket::kBytesMax ||
       bucket.prefix().size() > Bucket::kPrefixMax)) {
    return wrong(place, "is a bucket that is too large");
  }
  std::string key;
  std::string before;
  for (uint32_t i = 0; i < bucket.count(); ++i) {
    const rax::Entry entry = bucket[i];
    key.assign(place.path).append(bucket.prefix()).append(entry.rest);
    if (i > 0 && key <= before) return wrong(place, "has keys that are not in order");
    if (rax::tag_of(key) != bucket.tag(i)) return wrong(place, "has a tag that is not its key's");
    if (place.from >= 0) {
      const int byte = key.size() == place.path.size()
                           ? -1
                           : static_cast<uint8_t>(key[place.path.size()]);
      if (byte < place.from || byte >= place.to) {
        return wrong(place, "has a key that its edge does not lead to");
      }
    }
    before = key;
  }
  return {};
}

Result<void> validate_inner(const Place& place) {
  const rax::Node& node = *place.node;
  const uint32_t least = node.has_value() ? 1 : 2;
  if (node.children() < least) return wrong(place, "has too few children");
  if (place.from >= 0 &&
      (node.prefix().empty() || static_cast<uint8_t>(node.prefix()[0]) != place.from)) {
    return wrong(place, "does not begin with its edge");
  }
  for (uint32_t i = 1; i < node.children(); ++i) {
    if (node.edge(i) <= node.edge(i - 1)) return wrong(place, "has edges that are not in order");
  }
  return {};
}

}  // namespace

Result<void> Rax::validate() const {
  return base::or_no_memory([&]() -> Result<void> {
    std::vector<Place> places;
    if (root() != nullptr) places.push_back({root(), {}, -1, 256});
    uint64_t nodes = 0;
    uint64_t keys = 0;
    while (!places.empty()) {
      const Place place = std::move(places.back());
      places.pop_back();
      const Node& node = *place.node;
      ++nodes;
      if (node.word.load(std::memory_order_acquire) != 0) return wrong(place, "is latched or gone");
      if (node.is_bucket()) {
        AETHER_TRY(validate_bucket(place));
        keys += node.children();
        continue;
      }
      AETHER_TRY(validate_inner(place));
      keys += node.has_value() ? 1 : 0;
      for (uint32_t i = 0; i < node.children(); ++i) {
        std::string path = place.path;
        path.append(node.prefix());
        const int to = i + 1 < node.children() ? node.edge(i + 1) : 256;
        places.push_back({node.child(i), std::move(path), node.edge(i), to});
      }
    }
    const RaxStats counted = stats();
    if (nodes != counted.nodes || keys != counted.keys) {
      return Error(Code::corruption, "RAX: nodes or keys are not as many as were counted");
    }
    return {};
  });
}

}  // namespace aether::index
