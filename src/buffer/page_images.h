/// Images of pages in the log: for the pages that are written past it (large values, bulk loads), when a backup or an
/// archive has to be able to make them again from the log alone.
///
/// Threads   Any.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "aether/error.h"
#include "base/ids.h"
#include "wal/log.h"

namespace aether::buffer {

/// Logs `count` contiguous sealed pages of one GSN as records of no transaction on `stream`. Whatever refers to them is
/// logged later on the same stream. Errors: failed, too_large.
Result<void> log_page_images(wal::Log& log, uint32_t stream, const std::byte* pages, uint64_t count,
                             uint32_t page_bytes);

/// Redo of SpaceOp::image on a zeroed page. Errors: corruption (no page of a kind that is ever written past the log).
Result<void> redo_image(std::byte* page, uint32_t page_bytes, PageId id, std::string_view data);

}  // namespace aether::buffer
