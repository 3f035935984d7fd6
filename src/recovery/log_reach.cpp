#include "recovery/log_reach.h"

#include <algorithm>

#include "base/planted.h"
#include "buffer/space_manager.h"
#include "page/space_map_page.h"

namespace aether::recovery {

void LogReach::begin(const wal::Block& block) noexcept {
  complete_from_ = block.previous == 0 ? 0 : buffer::first_gsn(block.epoch + 1);
}

void LogReach::add(const wal::PartView& part, Gsn gsn) {
  const bool raises = part.header.manager == wal::ResourceManager::space &&
                      part.header.op == static_cast<uint8_t>(buffer::SpaceOp::allocate) &&
                      part.data.empty();
  if (raises) raised_.emplace_back(PageId{part.header.page_id}, gsn);
}

void LogReach::sort() { std::sort(raised_.begin(), raised_.end()); }

Result<bool> LogReach::is_beyond(const page::PageHeader& page, Gsn known,
                                 buffer::DataFile& data) const {
  if (page.gsn <= known || !is_node(page.kind)) return false;
  if (AETHER_PLANTED("recovery.trust_pages_beyond_log")) return false;
  const uint64_t per_group = page::pages_per_group(data.page_bytes());
  const PageId map{raw(page.page_id) / per_group * per_group + 1};
  if (std::binary_search(raised_.begin(), raised_.end(), std::pair(map, page.gsn))) return false;
  if (known >= complete_from_.value_or(~Gsn{0})) return true;
  AETHER_TRY_ASSIGN(const bool was_there, data.was_there_at_checkpoint(page.page_id, &page));
  return !was_there;
}

}  // namespace aether::recovery
