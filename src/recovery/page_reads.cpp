#include "recovery/page_reads.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace aether::recovery {
namespace {

/// As many pages between two that are wanted are read with them.
constexpr uint64_t kGapPages = 3;

}  // namespace

// What reads may need is taken here: nothing may fail while they are under way.
PageReads::PageReads(buffer::DataFile& data, std::unique_ptr<os::IoQueue> queue, size_t pages_max)
    : data_(data),
      page_bytes_(data.page_bytes()),
      scratch_(2 * pages_max * page_bytes_),
      queue_(std::move(queue)) {
  groups_.reserve(pages_max);
  requests_.reserve(pages_max);
  pointers_.reserve(pages_max);
  done_.reserve(pages_max);
}

PageReads::~PageReads() { wait(); }

void PageReads::wait() noexcept {
  done_.clear();
  while (queue_->in_flight() > 0) {
    const Result<void> completed = queue_->complete(queue_->in_flight(), done_);
    AETHER_ASSERT(completed.has_value());
  }
}

void PageReads::form_groups() {
  groups_.clear();
  uint64_t scratch_pages = scratch_.size() / page_bytes_;
  for (size_t begin = 0; begin < pages_.size();) {
    const uint64_t first = raw(pages_[begin].id);
    size_t end = begin + 1;
    while (end < pages_.size() && raw(pages_[end].id) - raw(pages_[end - 1].id) <= 1 + kGapPages &&
           raw(pages_[end].id) - first < scratch_pages)
      ++end;
    const bool is_direct = end == begin + 1;
    if (!is_direct) scratch_pages -= raw(pages_[end - 1].id) - first + 1;
    groups_.push_back({begin, end, is_direct});
    begin = end;
  }
}

Result<void> PageReads::start(std::span<Page> pages) {
  pages_ = pages;
  form_groups();
  requests_.clear();
  pointers_.clear();
  std::byte* free = scratch_.data();
  for (const Group& group : groups_) {
    const uint64_t first = raw(pages_[group.begin].id);
    os::IoRequest& request = requests_.emplace_back();
    request.kind = os::IoRequest::Kind::read;
    request.file = &data_.file();
    request.offset = first * page_bytes_;
    request.size = (raw(pages_[group.end - 1].id) - first + 1) * page_bytes_;
    request.data = group.is_direct ? pages_[group.begin].to : free;
    if (!group.is_direct) free += request.size;
    pointers_.push_back(&request);
  }
  return queue_->submit(pointers_);
}

Result<void> PageReads::finish() {
  wait();
  for (size_t i = 0; i < groups_.size(); ++i) {
    os::IoRequest& request = requests_[i];
    AETHER_TRY(std::move(request.result));
    const uint64_t first = raw(pages_[groups_[i].begin].id);
    for (size_t j = groups_[i].begin; j < groups_[i].end; ++j) {
      Page& page = pages_[j];
      const uint64_t offset = (raw(page.id) - first) * page_bytes_;
      page.is_whole = offset + page_bytes_ <= request.transferred;
      if (page.is_whole && !groups_[i].is_direct)
        std::memcpy(page.to, static_cast<const std::byte*>(request.data) + offset, page_bytes_);
    }
  }
  return {};
}

}  // namespace aether::recovery
