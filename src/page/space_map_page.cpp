#include "page/space_map_page.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/bytes.h"

namespace aether::page {
namespace {

constexpr uint32_t kWordBits = 64;
constexpr uint32_t kMapBit = 1;  ///< Of the map page itself, in every group.

/// Bits [first, first + count) of a word; first + count <= 64.
constexpr uint64_t mask_of(uint32_t first, uint32_t count) noexcept {
  return (count == kWordBits ? ~uint64_t{0} : (uint64_t{1} << count) - 1) << first;
}

uint32_t bits_of(uint32_t page_bytes) noexcept {
  return static_cast<uint32_t>(pages_per_group(page_bytes));
}

uint64_t load_word(const std::byte* page, uint32_t word) noexcept {
  return base::load<uint64_t>(page + sizeof(SpaceMapHeader) + size_t{word} * 8);
}

/// First bit >= `from` whose value is `value`; `end` if there is none below it.
uint32_t find_bit(const std::byte* page, bool value, uint32_t from, uint32_t end) noexcept {
  while (from < end) {
    const uint32_t word = from / kWordBits;
    const uint64_t bits = value ? load_word(page, word) : ~load_word(page, word);
    const uint64_t here = bits >> (from % kWordBits);
    if (here != 0) return std::min(end, from + static_cast<uint32_t>(std::countr_zero(here)));
    from = (word + 1) * kWordBits;
  }
  return end;
}

/// Flips bits of `count` pages that all must have the value `expected`; else changes nothing.
Result<void> flip(std::byte* page, uint32_t page_bytes, bool expected, uint32_t bit,
                  uint32_t count) {
  const auto refuse = [&](uint32_t at, const char* what) {
    const auto header = base::load<SpaceMapHeader>(page);
    return Error(Code::corruption, "space map page " + std::to_string(raw(header.page.page_id)) +
                                       ": page " + std::to_string(header.first_page + at) + what +
                                       "; run `aether verify`");
  };
  const uint32_t bits = bits_of(page_bytes);
  if (bit > bits || count > bits - bit) return refuse(bit, " is followed by less than asked for");
  const uint32_t end = bit + count;
  const uint32_t other = find_bit(page, !expected, bit, end);
  if (other != end) return refuse(other, expected ? " is free already" : " is allocated already");

  for (uint32_t at = bit; at < end;) {
    const uint32_t here = std::min(end - at, kWordBits - at % kWordBits);
    std::byte* word = page + sizeof(SpaceMapHeader) + size_t{at / kWordBits} * 8;
    base::store(word, base::load<uint64_t>(word) ^ mask_of(at % kWordBits, here));
    at += here;
  }
  return {};
}

}  // namespace

void SpaceMapPage::format(PageId id) noexcept {
  std::memset(bytes_, 0, page_bytes_);
  const PageId map = map_page_of(id, page_bytes_);
  SpaceMapHeader& map_header = header();
  map_header.page.page_id = map;
  map_header.page.kind = PageKind::space_map;
  map_header.first_page = raw(map) - kMapBit;
  map_header.bits = bits_of(page_bytes_);
  const uint64_t file_header_bit = map_header.first_page == 0 ? 1 : 0;
  base::store(bytes_ + sizeof(SpaceMapHeader), uint64_t{1} << kMapBit | file_header_bit);
}

bool SpaceMapPage::test(uint32_t bit) const noexcept {
  if (bit >= bits_of(page_bytes_)) return true;  // What is not there cannot be taken.
  return (load_word(bytes_, bit / kWordBits) >> (bit % kWordBits) & 1) != 0;
}

Result<void> SpaceMapPage::set(uint32_t bit, uint32_t count) {
  return flip(bytes_, page_bytes_, false, bit, count);
}

Result<void> SpaceMapPage::clear(uint32_t bit, uint32_t count) {
  const auto map_header = base::load<SpaceMapHeader>(bytes_);
  const bool frees_map = bit <= kMapBit && count > kMapBit - bit;
  const bool frees_file_header = map_header.first_page == 0 && bit == 0 && count > 0;
  if (frees_map || frees_file_header) {
    return Error(Code::corruption, "space map page " +
                                       std::to_string(raw(map_header.page.page_id)) +
                                       ": the file header and map pages cannot be freed; run "
                                       "`aether verify`");
  }
  return flip(bytes_, page_bytes_, true, bit, count);
}

std::optional<uint32_t> SpaceMapPage::find_free(uint32_t from, uint32_t count) const noexcept {
  const uint32_t bits = bits_of(page_bytes_);
  if (count == 0 || count > bits) return std::nullopt;
  while (from < bits) {
    const uint32_t begin = find_bit(bytes_, false, from, bits);
    if (bits - begin < count) return std::nullopt;
    const uint32_t taken = find_bit(bytes_, true, begin, begin + count);
    if (taken == begin + count) return begin;
    from = taken + 1;
  }
  return std::nullopt;
}

uint32_t SpaceMapPage::find_allocated(uint32_t from) const noexcept {
  return find_bit(bytes_, true, from, bits_of(page_bytes_));
}

uint32_t SpaceMapPage::count_allocated() const noexcept {
  uint32_t sum = 0;
  for (uint32_t word = 0; word < bits_of(page_bytes_) / kWordBits; ++word) {
    sum += static_cast<uint32_t>(std::popcount(load_word(bytes_, word)));
  }
  return sum;
}

Result<void> SpaceMapPage::check_map() const {
  const auto map_header = base::load<SpaceMapHeader>(bytes_);
  const auto damaged = [&](const char* what) {
    return Error(Code::corruption,
                 "space map page " + std::to_string(raw(map_header.page.page_id)) + ": " + what);
  };
  if (map_header.page.kind != PageKind::space_map) return damaged("it is not a space map");
  if (map_header.bits != bits_of(page_bytes_) ||
      map_header.first_page % pages_per_group(page_bytes_) != 0 ||
      raw(map_header.page.page_id) != map_header.first_page + kMapBit) {
    return damaged("it is not the map of the pages it says");
  }
  if (map_header.reserved != 0 || map_header.reserved2 != 0) {
    return damaged("its reserved bytes are not zero");
  }
  if (!test(kMapBit) || (map_header.first_page == 0 && !test(0))) {
    return damaged("a page that is always allocated is marked as free");
  }
  return {};
}

}  // namespace aether::page
