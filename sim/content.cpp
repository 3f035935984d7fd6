#include "sim/content.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace aether::sim {

uint64_t Content::next_epoch() noexcept {
  static std::atomic<uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

void Content::read(uint64_t offset, void* data, uint64_t size) const noexcept {
  char* to = static_cast<char*>(data);
  while (size > 0) {
    const uint64_t index = offset / kChunkBytes;
    const uint64_t within = offset % kChunkBytes;
    const uint64_t piece = std::min(size, kChunkBytes - within);
    if (index < chunks_.size() && chunks_[index] != nullptr) {
      std::memcpy(to, chunks_[index]->bytes.data() + within, piece);
    } else {
      std::memset(to, 0, piece);
    }
    to += piece;
    offset += piece;
    size -= piece;
  }
}

Content::Chunk& Content::writable(uint64_t index, uint64_t epoch) {
  if (index >= chunks_.size()) chunks_.resize(index + 1);
  std::shared_ptr<Chunk>& chunk = chunks_[index];
  if (chunk == nullptr) {
    chunk = std::make_shared<Chunk>();
    chunk->owner = epoch;
  } else if (chunk->owner != epoch) {
    chunk = std::make_shared<Chunk>(*chunk);
    chunk->owner = epoch;
  }
  return *chunk;
}

void Content::write(uint64_t offset, const void* data, uint64_t size, uint64_t epoch) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const uint64_t within = offset % kChunkBytes;
    const uint64_t piece = std::min(size, kChunkBytes - within);
    std::memcpy(writable(offset / kChunkBytes, epoch).bytes.data() + within, from, piece);
    from += piece;
    offset += piece;
    size -= piece;
  }
}

void Content::set_size(uint64_t size, uint64_t epoch) {
  const uint64_t whole = size / kChunkBytes;
  const uint64_t within = size % kChunkBytes;
  if (chunks_.size() > whole + 1) chunks_.resize(whole + 1);
  if (whole < chunks_.size() && chunks_[whole] != nullptr) {
    if (within == 0) {
      chunks_[whole] = nullptr;
    } else {
      std::memset(writable(whole, epoch).bytes.data() + within, 0, kChunkBytes - within);
    }
  }
  size_ = size;
}

void Content::adopt(const Content& other, uint64_t offset, uint64_t size) {
  size_ = other.size_;
  if (size == 0) return;
  const uint64_t end = std::min<uint64_t>((offset + size - 1) / kChunkBytes + 1,
                                          other.chunks_.size());
  if (chunks_.size() < end) chunks_.resize(end);
  for (uint64_t i = offset / kChunkBytes; i < end; ++i) chunks_[i] = other.chunks_[i];
}

}  // namespace aether::sim
