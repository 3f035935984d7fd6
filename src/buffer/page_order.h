/// The order in which pages go to the disk.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "buffer/page_writer.h"

namespace aether::buffer {

/// By place in the file, as far as pages stay where they are. The ids are read once, before: frames go on being evicted and
/// loaded meanwhile, and by keys that change under it std::sort runs out of its range.
inline void sort_by_page(std::vector<PageWriter::Target>& targets) {
  std::vector<std::pair<PageId, PageWriter::Target>> keyed;
  keyed.reserve(targets.size());
  for (const PageWriter::Target& target : targets)
    keyed.emplace_back(target.frame->page_id.load(std::memory_order_relaxed), target);
  std::sort(keyed.begin(), keyed.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (size_t i = 0; i < targets.size(); ++i) targets[i] = keyed[i].second;
}

}  // namespace aether::buffer
