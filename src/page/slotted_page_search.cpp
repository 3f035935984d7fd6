// The search within a node: what every read and write spends its time on.
//
// Three steps, each on more bytes than the one before, and most searches touch the heap once:
//   1. count the hints below the key's head: no branch, four vector compares; leaves count/15 slots
//   2. count the heads below it among those: no branch either
//   3. compare suffixes where heads tie
#include "page/slotted_page.h"

#include <bit>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/prefetch.h"
#include "page/slotted_page_private.h"

namespace aether::page {
namespace {

/// Both have `size` > 0 bytes. Below zero: `a` first. Words, not memcmp: keys are short, and the
/// call costs more than the comparison. The last word may overlap the one before: bytes known equal
/// do no harm.
int compare_bytes(const char* a, const char* b, size_t size) noexcept {
  const auto order = [](uint64_t x, uint64_t y) { return x < y ? -1 : static_cast<int>(x > y); };
  const auto word = [](const char* at) { return __builtin_bswap64(base::load<uint64_t>(at)); };
  if (size >= 8) {
    for (size_t i = 0; i + 8 < size; i += 8) {
      const uint64_t x = word(a + i);
      const uint64_t y = word(b + i);
      if (x != y) return order(x, y);
    }
    return order(word(a + size - 8), word(b + size - 8));
  }
  if (size >= 4) {
    const auto both_ends = [size](const char* at) {
      return uint64_t{__builtin_bswap32(base::load<uint32_t>(at))} << 32 |
             __builtin_bswap32(base::load<uint32_t>(at + size - 4));
    };
    return order(both_ends(a), both_ends(b));
  }
  for (size_t i = 0; i < size; ++i) {
    if (a[i] != b[i]) return order(static_cast<uint8_t>(a[i]), static_cast<uint8_t>(b[i]));
  }
  return 0;
}

/// Orders two suffixes whose heads are equal. If one has no more than 4 bytes, equal heads mean
/// that the other goes on with it (or with zeros, which the head cannot tell from an end): the
/// shorter is first.
int compare_tied(Bytes a, Bytes b) noexcept {
  const size_t shorter = std::min(a.size(), b.size());
  if (shorter > 4) {
    const int order = compare_bytes(a.data() + 4, b.data() + 4, shorter - 4);
    if (order != 0) return order;
  }
  return a.size() < b.size() ? -1 : static_cast<int>(a.size() > b.size());
}

/// How many of the hints are below `head`.
uint32_t count_below(const uint32_t* hints, uint32_t head) noexcept {
#if defined(__SSE2__)
  // 16 words at once: the hints, and before them 2 of the header, which the mask drops. SSE2
  // compares signed numbers only, so the top bit of both sides is flipped.
  static_assert(kHints == 14 && offsetof(NodeHeader, hints) >= 8);
  const auto* from = reinterpret_cast<const __m128i*>(hints - 2);
  const __m128i flip = _mm_set1_epi32(INT32_MIN);
  const __m128i wanted = _mm_xor_si128(_mm_set1_epi32(static_cast<int32_t>(head)), flip);
  const auto below = [&](const __m128i* four) {
    return _mm_cmpgt_epi32(wanted, _mm_xor_si128(_mm_loadu_si128(four), flip));
  };
  const __m128i low = _mm_packs_epi32(below(from), below(from + 1));
  const __m128i high = _mm_packs_epi32(below(from + 2), below(from + 3));
  const auto bits = static_cast<uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)));
  return static_cast<uint32_t>(std::popcount(bits >> 2));
#else
  uint32_t below = 0;
  for (uint32_t i = 0; i < kHints; ++i) below += static_cast<uint32_t>(hints[i] < head);
  return below;
#endif
}

uint32_t head_at(const std::byte* slots, uint32_t slot) noexcept {
  return base::load<uint32_t>(slots + size_t{slot} * kSlotBytes);
}

/// How many of the `size` slots from `first` on have a head below `head`. `size` is a multiple of
/// 4.
uint32_t count_heads_below(const std::byte* slots, uint32_t first, uint32_t size,
                           uint32_t head) noexcept {
  uint32_t even = 0;
  uint32_t odd = 0;
  for (uint32_t i = first; i < first + size; i += 4) {
    even += static_cast<uint32_t>(head_at(slots, i) < head);
    odd += static_cast<uint32_t>(head_at(slots, i + 1) < head);
    even += static_cast<uint32_t>(head_at(slots, i + 2) < head);
    odd += static_cast<uint32_t>(head_at(slots, i + 3) < head);
  }
  return even + odd;
}

/// First of the `count` slots whose head is >= `head`; `count` if there is none. Inline: a descent comes here at every node.
[[gnu::always_inline]] inline uint32_t first_head(const std::byte* slots, const uint32_t* hints,
                                                  uint32_t count, uint32_t head) noexcept {
  // Hint `below` is not below the head, so the slot is in (hint_slot(below-1), hint_slot(below)]:
  // among count/15 slots and their end.
  constexpr uint32_t kIntervals = kHints + 1;
  const uint32_t below = racy_value(count_below(hints, head));
  const uint32_t first = below * count / kIntervals + static_cast<uint32_t>(below != 0);
  if (count < kIntervals) return std::min(first, count);  // Every slot has a hint.

  // From here on the number of steps depends on the count alone, so the branches are predicted.
  // What the window has too much does no harm: slots before `first` are below the head, those
  // behind the interval are not.
  uint32_t size = (count / kIntervals + 3) & ~3u;
  uint32_t begin = std::min(first, count - size);
  while (size > 16) {
    const uint32_t half = (size / 2 + 3) & ~3u;
    begin += head_at(slots, begin + size - half - 1) < head ? size - half : 0;
    size = half;
  }
  return begin + count_heads_below(slots, begin, size, head);
}

/// The first of the slots from `first` on that is not before `rest`, where slot `first` - 1 ties with `head` and is.
[[gnu::noinline]] SlottedPage::Position search_more_ties(const SlottedPage& node, uint32_t first,
                                                         uint32_t count, uint32_t head,
                                                         Bytes rest) noexcept {
  const std::byte* slots = node.bytes() + kNodeHeaderBytes;
  uint32_t end = count;  // Every slot from here on is after the key.
  while (first < end) {
    // The common case of two or three ties ends at the first step; a page full of ties is halved.
    const uint32_t middle = head_at(slots, first) == head ? first + (end - first) / 2 : first;
    if (head_at(slots, middle) != head) {
      end = middle;
      continue;
    }
    const int order = compare_tied(rest, node.suffix(middle));
    if (order == 0) return {middle, true};
    if (order < 0) {
      end = middle;
    } else {
      first = middle + 1;
    }
  }
  return {first, false};
}

}  // namespace

SlottedPage::Position SlottedPage::lower_bound(Bytes key) const noexcept {
  const uint32_t count = this->count();
  const Bytes rest = without_prefix(key);
  const uint32_t head = head_of(rest);
  const std::byte* slots = bytes_ + kNodeHeaderBytes;
  const uint32_t first = first_head(slots, header().hints, count, head);

  if (first >= count || head_at(slots, first) != head) return {first, false};
  return search_ties(first, count, head, rest);
}

void SlottedPage::prefetch_record(Bytes key) const noexcept {
  constexpr uint32_t kCacheLine = 64;
  const std::byte* slots = bytes_ + kNodeHeaderBytes;
  const uint32_t first = first_head(slots, header().hints, count(), head_of(without_prefix(key)));
  const std::byte* record = bytes_ + std::min<uint32_t>(racy_load<uint16_t>(slot_at(first) +
                                                                            offsetof(Slot, offset)),
                                                        page_bytes_ - 2 * kCacheLine);
  base::prefetch(record);
  base::prefetch(record + kCacheLine);
}

SlottedPage::Position SlottedPage::search_ties(uint32_t first, uint32_t count, uint32_t head,
                                               Bytes rest) const noexcept {
  constexpr uint32_t kCacheLine = 64;
  const Bytes found = suffix(first);
  // The payload stands behind it: a row of some 100 bytes is there when its key has been compared.
  base::prefetch(found.data() + kCacheLine);
  base::prefetch(found.data() + 2 * kCacheLine);
  // Mostly there is one, and in inner nodes none: the search among more is kept out of their way.
  const int order = compare_tied(rest, found);
  if (order <= 0) return {first, order == 0};
  return search_more_ties(*this, first + 1, count, head, rest);
}

}  // namespace aether::page
