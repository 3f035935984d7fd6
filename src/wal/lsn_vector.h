/// LSN vectors: one LSN per stream, the dependencies of a transaction, a page or a record.
///
/// Source   Xia, Yu, Pavlo, Devadas: "Taurus: Lightweight Parallel Logging for In-Memory Database
///          Management Systems", PVLDB 14(2), 2020. We keep vectors per page and per commit (see
///          docs/decisions), and drop elements that are already durable when a record is written.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "base/ids.h"

namespace aether::wal {

inline constexpr uint32_t kMaxStreams = 8;

struct LsnVector {
  std::array<Lsn, kMaxStreams> at{};

  void raise(const LsnVector& other) noexcept {
#pragma GCC unroll 8
    for (uint32_t i = 0; i < kMaxStreams; ++i) at[i] = std::max(at[i], other.at[i]);
  }
  /// The same where streams from `count` on are none of this log's: both have nothing there that counts.
  void raise(const LsnVector& other, uint32_t count) noexcept {
    for (uint32_t i = 0; i < count; ++i) at[i] = std::max(at[i], other.at[i]);
  }
  void raise(uint32_t stream, Lsn lsn) noexcept { at[stream] = std::max(at[stream], lsn); }
  bool covered_by(const LsnVector& durable) const noexcept {
    bool covered = true;
    for (uint32_t i = 0; i < kMaxStreams; ++i) covered &= at[i] <= durable.at[i];
    return covered;
  }
  bool operator==(const LsnVector&) const = default;
};

}  // namespace aether::wal
