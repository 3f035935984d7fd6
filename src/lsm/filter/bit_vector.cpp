#include "lsm/filter/bit_vector.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace aether::lsm {
namespace {

constexpr uint64_t kNearBits = 512;
constexpr uint64_t kFarBits = 65536;
constexpr uint64_t kSampleOnes = 16384;
constexpr uint64_t kPlaceOnes = 32;
/// What a select walks at most. A node of a trie has at most 256 labels, and each node a one.
constexpr uint64_t kPlaceBitsMax = kPlaceOnes * 256;

uint64_t words_for(uint64_t bits) noexcept { return (bits + 63) / 64; }
uint64_t far_bytes(uint64_t bits) noexcept { return (bits / kFarBits + 1) * 8; }
uint64_t near_bytes(uint64_t bits) noexcept {
  return base::align_up((bits / kNearBits + 1) * 2, 8);
}

template <typename T>
void append_value(std::string& out, T value) {
  char bytes[sizeof value];
  base::store(bytes, value);
  out.append(bytes, sizeof value);
}

/// Where in `word` the one is that has `rank` ones before it, of which it has more.
uint32_t select_in_word(uint64_t word, uint64_t rank) noexcept {
  uint32_t at = 0;
  for (uint32_t width = 32; width >= 8; width /= 2) {
    const uint64_t low = count_ones(word & ((uint64_t{1} << width) - 1));
    if (rank >= low) {
      rank -= low;
      word >>= width;
      at += width;
    }
  }
  for (; rank != 0; --rank) word &= word - 1;
  return at + static_cast<uint32_t>(std::countr_zero(word));
}

}  // namespace

uint64_t BitList::ones() const noexcept {
  uint64_t ones = 0;
  for (const uint64_t word : words_) ones += count_ones(word);
  return ones;
}

void BitList::push_bits(uint64_t bits, uint32_t count) {
  const uint64_t used = size_ % 64;
  if (used == 0) {
    if (words_.size() == size_ / 64) words_.push_back(0);
    words_[size_ / 64] = bits;
  } else {
    words_[size_ / 64] |= bits << used;
    if (used + count > 64) words_.push_back(bits >> (64 - used));
  }
  size_ += count;
}

void BitList::append(const BitList& other) {
  for (uint64_t at = 0; at < other.size_; at += 64) {
    push_bits(other.words_[at / 64],
              static_cast<uint32_t>(std::min<uint64_t>(other.size_ - at, 64)));
  }
}

void BitList::write_plain(std::string& out) const {
  const uint64_t words = words_for(size_);
  if (words != 0) out.append(reinterpret_cast<const char*>(words_.data()), words * 8);
  out.append(8, '\0');
}

void BitList::write(bool selects, std::string& out) const {
  const size_t begin = out.size();
  const uint64_t words = words_for(size_);
  if (words != 0) out.append(reinterpret_cast<const char*>(words_.data()), words * 8);
  std::string near;
  std::string samples;
  uint64_t ones = 0;
  uint64_t far_ones = 0;
  // One entry behind the last bits too, so that a rank of the whole needs no case of its own.
  for (uint64_t block = 0; block <= size_ / kNearBits; ++block) {
    if (block % (kFarBits / kNearBits) == 0) append_value(out, far_ones = ones);
    append_value(near, static_cast<uint16_t>(ones - far_ones));
    const uint64_t last = std::min(words, (block + 1) * (kNearBits / 64));
    uint64_t here = 0;
    for (uint64_t i = block * (kNearBits / 64); i < last; ++i) here += count_ones(words_[i]);
    // At most one sample a block: there are more ones between two samples than bits in it.
    const uint64_t sample = (ones + kSampleOnes - 1) / kSampleOnes * kSampleOnes;
    if (selects && here != 0 && sample < ones + here) append_value(samples, block);
    ones += here;
  }
  out.append(near);
  out.resize(begin + words * 8 + far_bytes(size_) + near_bytes(size_));
  out.append(samples);
  AETHER_ASSERT(out.size() - begin == BitVector::bytes_for(size_, selects, ones));
}

uint64_t BitVector::bytes_for(uint64_t bits, bool selects, uint64_t ones) noexcept {
  const uint64_t samples = selects ? (ones + kSampleOnes - 1) / kSampleOnes : 0;
  return words_for(bits) * 8 + far_bytes(bits) + near_bytes(bits) + samples * 8;
}

BitVector::BitVector(const char* from, uint64_t bits, bool selects, uint64_t ones) noexcept
    : words_(from),
      far_(words_ + words_for(bits) * 8),
      near_(far_ + far_bytes(bits)),
      samples_(near_ + near_bytes(bits)),
      size_(bits),
      ones_(selects ? ones : 0) {}

uint64_t BitVector::rank(uint64_t at) const noexcept {
  if (size_ == 0) return 0;
  at = std::min(at, size_);
  uint64_t ones = before_block(at / kNearBits);
  for (uint64_t i = at / kNearBits * (kNearBits / 64); i < at / 64; ++i)
    ones += count_ones(word(i));
  if (at % 64 != 0) ones += count_ones(word(at / 64) & ((uint64_t{1} << at % 64) - 1));
  return ones;
}

void BitVector::keep_places() {
  if (ones_ == 0 || size_ > uint64_t{1} << 32) return;
  std::vector<uint32_t> places;
  places.reserve(ones_ / kPlaceOnes + 1);
  uint64_t ones = 0;
  uint64_t last = 0;
  for (uint64_t at = next_one(0, size_); at < size_ && ones < ones_; at = next_one(at + 1, size_)) {
    if (at - last > kPlaceBitsMax) return;  // Of no trie.
    if (ones++ % kPlaceOnes == 0) places.push_back(static_cast<uint32_t>(last = at));
  }
  if (ones == ones_) places_ = std::move(places);
}

/// From the place of the nearest one before it that is known.
uint64_t BitVector::select_by_place(uint64_t rank) const noexcept {
  const uint64_t from = places_[rank / kPlaceOnes];
  rank %= kPlaceOnes;
  uint64_t at = from / 64;
  uint64_t bits = word(at) >> from % 64 << from % 64;
  for (const uint64_t end = words_for(size_);;) {
    const uint64_t here = count_ones(bits);
    if (rank < here) return std::min(at * 64 + select_in_word(bits, rank), size_);
    rank -= here;
    if (++at == end) return size_;
    bits = word(at);
  }
}

uint64_t BitVector::select(uint64_t rank) const noexcept {
  if (rank >= ones_) return size_;
  if (!places_.empty()) return select_by_place(rank);
  const uint64_t last_block = size_ / kNearBits;
  const uint64_t sample = rank / kSampleOnes;
  uint64_t low = std::min(base::load<uint64_t>(samples_ + sample * 8), last_block);
  uint64_t high = last_block;  // The block that is looked for is in [low, high].
  if ((sample + 1) * kSampleOnes < ones_) {
    high = std::min(base::load<uint64_t>(samples_ + (sample + 1) * 8), last_block);
  }
  while (low < high) {
    const uint64_t middle = low + (high - low + 1) / 2;
    if (before_block(middle) <= rank) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const uint64_t before = before_block(low);
  if (before > rank) return size_;
  rank -= before;
  const uint64_t end = std::min(words_for(size_), (low + 1) * (kNearBits / 64));
  for (uint64_t i = low * (kNearBits / 64); i < end; ++i) {
    const uint64_t bits = word(i);
    const uint64_t here = count_ones(bits);
    if (rank < here) return std::min(i * 64 + select_in_word(bits, rank), size_);
    rank -= here;
  }
  return size_;
}

uint64_t BitVector::next_one(uint64_t at, uint64_t end) const noexcept {
  end = std::min(end, size_);
  if (at >= end) return size_;
  uint64_t bits = word(at / 64) >> at % 64 << at % 64;
  for (uint64_t i = at / 64;;) {
    if (bits != 0) {
      const uint64_t found = i * 64 + static_cast<uint64_t>(std::countr_zero(bits));
      return found < end ? found : size_;
    }
    if (++i * 64 >= end) return size_;
    bits = word(i);
  }
}

}  // namespace aether::lsm
