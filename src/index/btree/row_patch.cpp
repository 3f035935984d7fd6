#include "index/btree/row_patch.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/assert.h"
#include "base/bytes.h"
#include "page/leaf_record.h"

namespace aether::index {
namespace {

constexpr size_t kWord = sizeof(uint64_t);
constexpr size_t kRunHeadBytes = 2 * sizeof(uint16_t);

uint64_t difference_at(std::string_view a, std::string_view b, size_t at) noexcept {
  return base::load<uint64_t>(a.data() + at) ^ base::load<uint64_t>(b.data() + at);
}

/// The first byte from `at` on in which they differ; their size: there is none.
size_t first_difference(std::string_view a, std::string_view b, size_t at) noexcept {
  for (; at + kWord <= a.size(); at += kWord) {
    const uint64_t difference = difference_at(a, b, at);
    if (difference != 0) return at + static_cast<size_t>(std::countr_zero(difference)) / 8;
  }
  while (at < a.size() && a[at] == b[at]) ++at;
  return at;
}

/// After the last difference before an equal word. `at`: the first one.
size_t end_of_run(std::string_view a, std::string_view b, size_t at) noexcept {
  uint64_t last = ~uint64_t{0};  // Of the word before; the first run begins with a difference.
  size_t end = at;
  const auto end_of_word = [&] {
    return end == at ? at : at - static_cast<size_t>(std::countl_zero(last)) / 8;
  };
  for (; at + kWord <= a.size(); at += kWord) {
    const uint64_t difference = difference_at(a, b, at);
    if (difference == 0) return end_of_word();
    last = difference;
  }
  end = end_of_word();
  for (; at < a.size(); ++at) {
    if (a[at] != b[at]) end = at + 1;
  }
  return end;
}

}  // namespace

bool RowPatch::make(std::string_view old, uint64_t meta, std::string_view value) noexcept {
  const std::string_view before = page::body_of(old);
  AETHER_ASSERT(old.size() == page::kMetaBytes + value.size());
  const size_t bytes_end = std::min(old.size(), kBytesMax);
  base::store(forward_.data(), meta);
  base::store(back_.data(), page::meta_of(old).word());
  bytes_ = page::kMetaBytes;
  for (size_t at = 0; (at = first_difference(before, value, at)) < value.size();) {
    const size_t end = end_of_run(before, value, at);
    if (bytes_ + kRunHeadBytes + (end - at) >= bytes_end) return false;
    append_run(at, before.substr(at, end - at), value.substr(at, end - at));
    at = end;
  }
  return bytes_ < bytes_end;
}

void RowPatch::append_run(size_t offset, std::string_view old, std::string_view value) noexcept {
  const std::array<uint16_t, 2> head{static_cast<uint16_t>(offset),
                                     static_cast<uint16_t>(value.size())};
  std::memcpy(forward_.data() + bytes_, head.data(), sizeof head);
  std::memcpy(back_.data() + bytes_, head.data(), sizeof head);
  bytes_ += sizeof head;
  std::copy(value.begin(), value.end(), forward_.data() + bytes_);
  std::copy(old.begin(), old.end(), back_.data() + bytes_);
  bytes_ += value.size();
}

std::optional<size_t> count_runs(std::string_view patch, size_t payload_bytes) noexcept {
  if (payload_bytes < page::kMetaBytes) return std::nullopt;
  const size_t value_bytes = payload_bytes - page::kMetaBytes;
  base::ByteReader reader(patch);
  reader.read<uint64_t>();
  size_t runs = 0;
  for (size_t free_from = 0; reader.ok() && reader.remaining() > 0; ++runs) {
    const size_t offset = reader.read<uint16_t>();
    const size_t length = reader.read<uint16_t>();
    reader.read_bytes(length);
    if (length == 0 || offset < free_from || offset + length > value_bytes) return std::nullopt;
    free_from = offset + length + 1;
  }
  return reader.ok() ? std::optional(runs) : std::nullopt;
}

void apply_patch(std::string_view patch, std::byte* payload) noexcept {
  base::ByteReader reader(patch);
  base::store(payload, reader.read<uint64_t>());
  while (reader.remaining() > 0) {
    const size_t offset = reader.read<uint16_t>();
    const std::string_view bytes = reader.read_bytes(reader.read<uint16_t>());
    std::memcpy(payload + page::kMetaBytes + offset, bytes.data(), bytes.size());
  }
}

}  // namespace aether::index
