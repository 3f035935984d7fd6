#include "recovery/page_redo.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/planted.h"
#include "base/reached.h"
#include "base/trace.h"

namespace aether::recovery {

/// The page is dirty from its first change on: several streams may put a later one into an earlier block.
void PageRedo::note_position(PageWork& page, const PendingPart& part) noexcept {
  page.position = page.position == 0 ? part.block : std::min(page.position, part.block);
}

/// The changes of one page, in GSN order.
Result<void> PageRedo::apply(PageWork& page, std::span<const PendingPart> parts, Outcome& outcome) {
  for (const PendingPart& part : parts) {
    auto& header = *reinterpret_cast<page::PageHeader*>(page.bytes);
    const Gsn has = AETHER_PLANTED("recovery.redo_off_by_one") ? header.gsn - 1 : header.gsn;
    if (page.readable && part.gsn <= has) {
      // It has this change already, as it is read: the disk may not. After a failed sync the system takes what it has in
      // memory for written, and no later sync saves it. So what the log explains is written once more.
      if (!AETHER_PLANTED("recovery.trust_the_cache")) note_position(page, part);
      continue;
    }
    const bool formats = part.view.header.gsn_before == wal::kFormatGsn;
    if (!formats && page.readable && !page.checked) AETHER_TRY(check_structure(page, part));
    if (!formats && (!page.readable || part.view.header.gsn_before != header.gsn)) {
      AETHER_REACHED("recovery.gap_in_a_page");
      outcome.waiting.push_back(part);
      continue;
    }
    if (formats) {
      // A new life: changes of the old one that were left waiting do not matter any more.
      if (!outcome.waiting.empty() && outcome.waiting.back().page == page.id)
        AETHER_REACHED("recovery.page_began_another_life");
      std::erase_if(outcome.waiting, [&](const PendingPart& old) { return old.page == page.id; });
      std::memset(page.bytes, 0, data_.page_bytes());
      header.page_id = page.id;
      page.checked = true;
    }
    AETHER_TRY(apply_part(page, part));
    ++outcome.records;
  }
  return {};
}

Result<const ResourceManager*> PageRedo::manager_of(const PendingPart& part) const {
  const auto index = static_cast<size_t>(part.view.header.manager);
  if (index >= managers_.size() || managers_[index] == nullptr) {
    return Error(Code::corruption, "the log names resource manager " + std::to_string(index) +
                                       ", which this program does not have");
  }
  return managers_[index];
}

/// A page with the right checksum may still not be what it says: changing it could then go anywhere. It counts as one that
/// cannot be read, and its changes wait: harmless if the page turns out to be free.
Result<void> PageRedo::check_structure(PageWork& page, const PendingPart& part) const {
  AETHER_TRY_ASSIGN(const ResourceManager* manager, manager_of(part));
  page.checked = true;
  page.readable = manager->check(page.bytes, data_.page_bytes()).has_value();
  return {};
}

Result<void> PageRedo::apply_part(PageWork& page, const PendingPart& part) {
  AETHER_TRY_ASSIGN(const ResourceManager* manager, manager_of(part));
  Result<void> applied = manager->redo(page.bytes, data_.page_bytes(), part.view);
  if (!applied) {
    return std::move(applied).error().with_context("redo of page " + std::to_string(raw(page.id)) +
                                                   " to GSN " + std::to_string(part.gsn));
  }
  auto& header = *reinterpret_cast<page::PageHeader*>(page.bytes);
  AETHER_TRACE_EVENT("redo", {{"page", raw(page.id)},
                              {"before", part.view.header.gsn_before},
                              {"found", page.readable ? header.gsn : 0},
                              {"gsn", part.gsn}});
  header.page_id = page.id;
  header.gsn = part.gsn;
  page.readable = true;
  note_position(page, part);
  return {};
}

}  // namespace aether::recovery
