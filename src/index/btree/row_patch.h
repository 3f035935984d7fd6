/// The bytes in which two payloads of one size differ: what the log holds of an update that keeps a row's size.
///
/// A patch is the row's meta word after it, then runs, each u16 offset in the body, u16 length, and the bytes. Runs
/// ascend, do not touch, and are not empty. It turns one payload into the other; a second one, of the same runs, turns
/// it back. Runs are chosen by comparing words: a gap of less than a word costs less than another run's head.
///
/// Threads   Functions of their arguments.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace aether::index {

class RowPatch {
 public:
  static constexpr size_t kBytesMax = 2048;  ///< Of a patch. What takes more is logged as a whole.

  /// Works out both directions between `old` and the payload of `meta` and `value`, which is as long. False: a patch
  /// would be no smaller than the payload, or has no room; the content is then undefined.
  bool make(std::string_view old, uint64_t meta, std::string_view value) noexcept;

  std::string_view forward() const noexcept { return {forward_.data(), bytes_}; }
  std::string_view back() const noexcept { return {back_.data(), bytes_}; }

 private:
  void append_run(size_t offset, std::string_view old, std::string_view value) noexcept;

  size_t bytes_ = 0;
  std::array<char, kBytesMax> forward_;
  std::array<char, kBytesMax> back_;
};

/// How many runs a patch has, from untrusted bytes; nothing: it is none for a payload of that size.
std::optional<size_t> count_runs(std::string_view patch, size_t payload_bytes) noexcept;

/// `count_runs` has found it to fit the payload's size.
void apply_patch(std::string_view patch, std::byte* payload) noexcept;

}  // namespace aether::index
