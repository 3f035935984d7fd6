/// Page images that leave memory hold page ids, never addresses.
#pragma once

#include "buffer/frame.h"
#include "buffer/swip.h"
#include "page/slotted_page.h"

namespace aether::buffer {

/// Turns the hot and cool swips of a *copy* of an inner node back into page ids; other pages stay as they are. The
/// original is latched meanwhile, so its children stay in their frames.
inline void unswizzle(page::SlottedPage copy) noexcept {
  if (copy.header().page.kind != page::PageKind::btree_inner) return;
  const uint32_t count = copy.count();
  for (uint32_t i = 0; i <= count; ++i) {
    const SwipWord word = SwipWord::load(copy.child_word(i));
    if (word.in_memory()) SwipWord::evicted(word.frame()->page_id.load()).store(copy.child_word(i));
  }
}

}  // namespace aether::buffer
