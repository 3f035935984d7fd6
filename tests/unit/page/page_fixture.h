// What the tests of the page room share: aligned pages, random keys, and how to fill a node.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "page/slotted_page.h"

namespace aether::page {

constexpr uint32_t kPageSizes[] = {4096, 8192, 16384, 32768, 65536};

/// A page of its own, at the very end of an allocation: an access behind it is seen by the address
/// sanitizer.
class PageBuffer {
 public:
  explicit PageBuffer(uint32_t page_bytes)
      : page_bytes_(page_bytes), words_(std::make_unique<uint64_t[]>(page_bytes / 8)) {}

  SlottedPage node() { return SlottedPage(words_.get(), page_bytes_); }
  std::byte* bytes() { return reinterpret_cast<std::byte*>(words_.get()); }
  uint32_t size() const { return page_bytes_; }
  std::string copy() { return std::string(reinterpret_cast<const char*>(bytes()), page_bytes_); }

 private:
  uint32_t page_bytes_;
  std::unique_ptr<uint64_t[]> words_;
};

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint32_t below(uint32_t limit) { return static_cast<uint32_t>(engine_() % limit); }
  uint64_t word() { return engine_(); }
  bool one_in(uint32_t n) { return below(n) == 0; }

  std::string bytes(uint32_t length) {
    std::string out(length, '\0');
    for (char& c : out) c = static_cast<char>(engine_());
    return out;
  }
  /// Few letters, zeros and 0xFF among them: prefixes of each other, tied heads and equal keys are
  /// common.
  std::string narrow_key(uint32_t longest) {
    static constexpr char kLetters[] = {'\0', '\xff', 'a', 'b'};
    std::string out(below(longest + 1), '\0');
    for (char& c : out) c = kLetters[below(4)];
    return out;
  }

 private:
  std::mt19937_64 engine_;
};

inline std::string child_payload(uint64_t word) {
  return std::string(reinterpret_cast<const char*>(&word), sizeof word);
}

inline bool put(SlottedPage node, Bytes key, Bytes payload) {
  const SlottedPage::Position at = node.lower_bound(key);
  if (at.exact ||
      !node.fits(static_cast<uint32_t>(key.size()), static_cast<uint32_t>(payload.size()))) {
    return false;
  }
  node.insert(at.slot, key, payload);
  return true;
}

inline std::string key_at(const SlottedPage& node, uint32_t slot) {
  std::string key;
  node.key(slot, key);
  return key;
}

inline testing::AssertionResult sound(const SlottedPage& node) {
  const Result<void> checked = node.check_node();
  if (checked) return testing::AssertionSuccess();
  return testing::AssertionFailure() << checked.error().message();
}

}  // namespace aether::page
