#include "lsm/run_codec.h"

#include <lz4.h>
#include <zdict.h>
#include <zstd.h>

#include <cstring>
#include <limits>
#include <new>

namespace aether::lsm {
namespace {

struct ContextRelease {
  void operator()(ZSTD_CCtx* context) const noexcept { ZSTD_freeCCtx(context); }
  void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  void operator()(ZSTD_CDict* dictionary) const noexcept { ZSTD_freeCDict(dictionary); }
};

/// One a thread: making one costs more than a block.
ZSTD_DCtx* decompression_context() noexcept {
  static thread_local std::unique_ptr<ZSTD_DCtx, ContextRelease> context;
  if (context == nullptr) context.reset(ZSTD_createDCtx());
  return context.get();
}

/// What does not become an eighth smaller stays as it is: reading it costs nothing then.
bool is_worth_it(size_t before, size_t after) noexcept { return after < before - before / 8; }

}  // namespace

std::string Dictionary::train(const std::vector<std::string_view>& samples, uint32_t bytes_max) {
  std::string all;
  std::vector<size_t> sizes;
  // The builder wants many small samples rather than few large ones.
  constexpr size_t kSampleBytes = 1024;
  for (const std::string_view sample : samples) {
    for (size_t at = 0; at < sample.size(); at += kSampleBytes) {
      const std::string_view piece = sample.substr(at, kSampleBytes);
      all.append(piece);
      sizes.push_back(piece.size());
    }
  }
  std::string dictionary(bytes_max, '\0');
  const size_t bytes = ZDICT_trainFromBuffer(dictionary.data(), dictionary.size(), all.data(),
                                             sizes.data(), static_cast<unsigned>(sizes.size()));
  if (ZDICT_isError(bytes) != 0) return {};
  dictionary.resize(bytes);
  return dictionary;
}

std::unique_ptr<Dictionary> Dictionary::open(std::string_view bytes) {
  auto dictionary = std::unique_ptr<Dictionary>(new Dictionary());
  dictionary->state_ = ZSTD_createDDict(bytes.data(), bytes.size());
  if (dictionary->state_ == nullptr) return nullptr;
  return dictionary;
}

Dictionary::~Dictionary() { ZSTD_freeDDict(static_cast<ZSTD_DDict*>(state_)); }

struct Compressor::State {
  std::unique_ptr<ZSTD_CCtx, ContextRelease> context;
  std::unique_ptr<ZSTD_CDict, ContextRelease> dictionary;
};

Compressor::Compressor() : state_(std::make_unique<State>()) {}
Compressor::~Compressor() = default;

bool Compressor::use_dictionary(std::string_view bytes, int level) {
  state_->dictionary.reset(ZSTD_createCDict(bytes.data(), bytes.size(), level));
  return state_->dictionary != nullptr;
}

BlockCodec Compressor::compress(BlockCodec wanted, int level, std::string_view from,
                                std::string& to) {
  if (wanted == BlockCodec::none || from.size() < 64) return BlockCodec::none;
  if (wanted == BlockCodec::lz4) {
    if (from.size() > LZ4_MAX_INPUT_SIZE) return BlockCodec::none;
    const int bound = LZ4_compressBound(static_cast<int>(from.size()));
    to.resize(static_cast<size_t>(bound));
    const int bytes = LZ4_compress_default(from.data(), to.data(), static_cast<int>(from.size()),
                                           bound);
    if (bytes <= 0 || !is_worth_it(from.size(), static_cast<size_t>(bytes)))
      return BlockCodec::none;
    to.resize(static_cast<size_t>(bytes));
    return BlockCodec::lz4;
  }
  if (state_->context == nullptr) state_->context.reset(ZSTD_createCCtx());
  if (state_->context == nullptr) throw std::bad_alloc();
  to.resize(ZSTD_compressBound(from.size()));
  const bool with_dictionary = state_->dictionary != nullptr;
  const size_t bytes = with_dictionary
                           ? ZSTD_compress_usingCDict(state_->context.get(), to.data(), to.size(),
                                                      from.data(), from.size(),
                                                      state_->dictionary.get())
                           : ZSTD_compressCCtx(state_->context.get(), to.data(), to.size(),
                                               from.data(), from.size(), level);
  if (ZSTD_isError(bytes) != 0 || !is_worth_it(from.size(), bytes)) return BlockCodec::none;
  to.resize(bytes);
  return with_dictionary ? BlockCodec::zstd_dictionary : BlockCodec::zstd;
}

bool may_become(BlockCodec codec, std::string_view from, uint64_t bytes) noexcept {
  switch (codec) {
    case BlockCodec::none: return bytes == from.size();
    case BlockCodec::lz4: return bytes <= 64 + from.size() * 255;
    case BlockCodec::zstd:
    case BlockCodec::zstd_dictionary:
      return ZSTD_getFrameContentSize(from.data(), from.size()) == bytes;
  }
  return false;
}

bool decompress(BlockCodec codec, std::string_view from, std::span<char> to,
                const Dictionary* dictionary) noexcept {
  constexpr size_t kMax = std::numeric_limits<int>::max();
  switch (codec) {
    case BlockCodec::none:
      if (from.size() != to.size()) return false;
      std::memcpy(to.data(), from.data(), from.size());
      return true;
    case BlockCodec::lz4: {
      if (from.size() > kMax || to.size() > kMax) return false;
      const int bytes = LZ4_decompress_safe(from.data(), to.data(), static_cast<int>(from.size()),
                                            static_cast<int>(to.size()));
      return bytes >= 0 && static_cast<size_t>(bytes) == to.size();
    }
    case BlockCodec::zstd: {
      ZSTD_DCtx* const context = decompression_context();
      return context != nullptr && ZSTD_decompressDCtx(context, to.data(), to.size(), from.data(),
                                                       from.size()) == to.size();
    }
    case BlockCodec::zstd_dictionary: {
      ZSTD_DCtx* const context = decompression_context();
      return context != nullptr && dictionary != nullptr &&
             ZSTD_decompress_usingDDict(context, to.data(), to.size(), from.data(), from.size(),
                                        static_cast<const ZSTD_DDict*>(dictionary->state_)) ==
                 to.size();
    }
  }
  return false;
}

}  // namespace aether::lsm
