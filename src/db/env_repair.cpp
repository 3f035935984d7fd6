// Single pages made again: on demand when one is read, or when a scrubber or `verify --repair` asks.
#include "base/trace.h"
#include "db/env_impl.h"
#include "page/page_header.h"
#include "recovery/page_rebuild.h"

namespace aether::db {

bool EnvImpl::may_repair() const noexcept {
  return !options_.read_only && (!options_.repair_from.empty() || archiver_ != nullptr);
}

/// Called with no latch held, and never from within a checkpoint: what it reads of the log must not go meanwhile.
Result<void> EnvImpl::repair_page(PageId id, Gsn at_least) {
  AETHER_TRY(check_writable());
  os::LockGuard repairing(repair_mutex_);
  const uint32_t page_bytes = data_->page_bytes();
  buffer::AlignedBuffer page(page_bytes);
  AETHER_TRY(data_->read_raw(id, page.data()));
  Result<void> damage = data_->check(id, page.data());
  const auto* header = reinterpret_cast<const page::PageHeader*>(page.data());
  if (damage && header->gsn >= at_least) return {};  // Somebody else was faster.

  os::LockGuard lock(checkpoint_mutex_);
  AETHER_TRY_ASSIGN(const wal::LogTail end, log_->flush_to_end());
  recovery::RebuildSources sources;
  sources.log = reader_options();
  sources.page_bytes = page_bytes;
  sources.extents = recovery::log_extents(control_->state());
  sources.extents.back().end = std::max(end.position, sources.extents.back().begin);
  sources.extents.back().cut = end.cut;
  if (!options_.repair_from.empty())
    sources.backups = recovery::find_backups(options_.repair_from, os_);
  if (archiver_ != nullptr) sources.archives = {archiver_->directory()};
  Result<Gsn> rebuilt = recovery::rebuild_page(id, sources, resource_managers(), page.data(), os_);
  if (!rebuilt) {
    repair_failures_.fetch_add(1, std::memory_order_relaxed);
    return std::move(rebuilt).error();
  }
  if (*rebuilt < at_least) {
    repair_failures_.fetch_add(1, std::memory_order_relaxed);
    return Error(Code::corruption, "page " + std::to_string(raw(id)) +
                                       " can be made again to GSN " + std::to_string(*rebuilt) +
                                       " only, but was at GSN " + std::to_string(at_least));
  }
  AETHER_TRY(writer_->replace_damaged(id, page.data(), at_least));
  pages_repaired_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

}  // namespace aether::db
