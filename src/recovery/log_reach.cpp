#include "recovery/log_reach.h"

#include <algorithm>

#include "base/planted.h"
#include "buffer/space_manager.h"
#include "page/space_map_page.h"

namespace aether::recovery {

void LogReach::add(const wal::PartView& part, Gsn gsn) {
  const bool raises = part.header.manager == wal::ResourceManager::space &&
                      part.header.op == static_cast<uint8_t>(buffer::SpaceOp::allocate) &&
                      part.data.empty();
  if (raises) raised_.emplace_back(PageId{part.header.page_id}, gsn);
}

void LogReach::sort() { std::sort(raised_.begin(), raised_.end()); }

bool LogReach::is_beyond(const page::PageHeader& page, Gsn known, uint32_t page_bytes) const {
  if (page.gsn <= known || !is_node(page.kind)) return false;
  if (AETHER_PLANTED("recovery.trust_pages_beyond_log")) return false;
  const uint64_t per_group = page::pages_per_group(page_bytes);
  const PageId map{raw(page.page_id) / per_group * per_group + 1};
  return !std::binary_search(raised_.begin(), raised_.end(), std::pair(map, page.gsn));
}

}  // namespace aether::recovery
