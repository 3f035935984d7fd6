/// The bytes of a simulated file: chunks shared between copies until one of them is written.
///
/// Copying a Content copies one pointer per 16 KiB. Who writes says with which *epoch* it owns its own
/// chunks: a chunk of another epoch is copied first. So "nobody else may see my writes from now on" is one
/// assignment (`epoch = Content::next_epoch()`), and no reference count is ever asked.
///
/// Threads   One writer at a time. Copies may be read and written by other threads at the same time,
///           because shared chunks are never written.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace aether::sim {

inline constexpr uint64_t kSectorBytes = 512;
inline constexpr uint64_t kChunkBytes = 16384;

class Content {
 public:
  /// A number that no chunk was written with so far, in this process.
  static uint64_t next_epoch() noexcept;

  uint64_t size() const noexcept { return size_; }
  /// Bytes beyond the size, and bytes never written, are zero.
  void read(uint64_t offset, void* data, uint64_t size) const noexcept;
  /// Does not change the size: bytes beyond it are kept, unseen, until `set_size` shows or cuts them.
  void write(uint64_t offset, const void* data, uint64_t size, uint64_t epoch);
  /// Bytes from `size` on become zero.
  void set_size(uint64_t size, uint64_t epoch);
  /// Makes the size at least `size`.
  void grow(uint64_t size) noexcept {
    if (size > size_) size_ = size;
  }
  /// Takes the chunks under [offset, offset + size) from `other`, and its size.
  void adopt(const Content& other, uint64_t offset, uint64_t size);

 private:
  struct Chunk {
    uint64_t owner = 0;  ///< The epoch that may write it in place.
    std::array<char, kChunkBytes> bytes{};
  };
  Chunk& writable(uint64_t index, uint64_t epoch);

  std::vector<std::shared_ptr<Chunk>>
      chunks_;  ///< Null: zeros. Shorter than the size needs: zeros.
  uint64_t size_ = 0;
};

}  // namespace aether::sim
