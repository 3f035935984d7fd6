/// Compression of the blocks of runs, and what it is done with.
///
/// Threads   A Compressor is one thread's; a Dictionary, once made, any thread's.
/// Source    Yann Collet: LZ4, Zstandard with its dictionary builder (Debian packages liblz4-dev, libzstd-dev).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace aether::lsm {

/// How a block's bytes stand on the disk: numbers of the format.
enum class BlockCodec : uint8_t { none = 0, lz4 = 1, zstd = 2, zstd_dictionary = 3 };

/// What blocks of one run have in common, for zstd.
class Dictionary {
 public:
  /// Of at most `bytes_max`, from what the run begins with. Empty: the samples are too few, or have nothing in common.
  static std::string train(const std::vector<std::string_view>& samples, uint32_t bytes_max);
  /// To read with. Null: there is no memory, or it is none.
  static std::unique_ptr<Dictionary> open(std::string_view bytes);
  ~Dictionary();

 private:
  friend bool decompress(BlockCodec codec, std::string_view from, std::span<char> to,
                         const Dictionary* dictionary) noexcept;
  Dictionary() = default;
  void* state_ = nullptr;
};

class Compressor {
 public:
  Compressor();
  ~Compressor();
  /// For zstd from here on. False: no memory, or it is none.
  bool use_dictionary(std::string_view bytes, int level);
  /// `from` in the codec, if that is worth it; else none, and `to` is left alone.
  BlockCodec compress(BlockCodec wanted, int level, std::string_view from, std::string& to);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Before there is memory for it: could `from` be as many bytes?
bool may_become(BlockCodec codec, std::string_view from, uint64_t bytes) noexcept;
/// Exactly `to.size()` bytes. False: it is damaged.
bool decompress(BlockCodec codec, std::string_view from, std::span<char> to,
                const Dictionary* dictionary) noexcept;

}  // namespace aether::lsm
