/// Ids and clocks that several rooms share. PageId is a type of its own, so that it cannot be swapped with
/// a count or an offset; the others are plain numbers with a name.
#pragma once

#include <cstdint>

namespace aether {

/// Offset of a page in the data file / page_bytes. Page 0 holds the file's own header: no swip names it.
enum class PageId : uint64_t {};
inline constexpr PageId kNoPage{0};
inline constexpr uint64_t raw(PageId id) noexcept { return static_cast<uint64_t>(id); }

/// Position in one log stream, in bytes. 0 means "none": streams begin at kFirstLsn.
using Lsn = uint64_t;
inline constexpr Lsn kNoLsn = 0;
inline constexpr Lsn kFirstLsn = 64;

/// Position in the log device: segment number * segment bytes + offset. Grows for ever, is never reused.
using LogPosition = uint64_t;

/// Order of changes along a page and along a transaction. 0: never changed.
using Gsn = uint64_t;

/// Grows with every transaction; 0 means "no transaction" (a structure modification, say).
using TxnId = uint64_t;

/// Number of a store in its environment. 0: none; 1: the catalogue.
using StoreId = uint32_t;

}  // namespace aether
