#include "db/page_look.h"

#include <algorithm>
#include <utility>

#include "db/env_impl.h"

namespace aether::db {
namespace {

/// Each try undoes one reason why a look was wrong: the page was written, freed, or let go by the pool meanwhile.
constexpr int kTries = 3;

}  // namespace

PageLook::PageLook(EnvImpl& env, bool mends)
    : env_(env),
      data_(env.services().pool.data()),
      mends_(mends),
      pages_(kRunPagesMax * data_.page_bytes()),
      page_(data_.page_bytes()) {}

Result<void> PageLook::look_at_group(uint64_t group, uint64_t run_pages, Visitor& visitor) {
  const std::vector<bool> allocated = env_.services().space.used_pages(group).allocated;
  run_pages = std::clamp<uint64_t>(run_pages, 1, kRunPagesMax);
  for (uint64_t bit = 0; bit < allocated.size();) {
    if (!allocated[bit]) {
      ++bit;
      continue;
    }
    uint64_t end = bit + 1;
    while (end < allocated.size() && allocated[end] && end - bit < run_pages) ++end;
    AETHER_TRY(look_at_run(group * allocated.size() + bit, end - bit, visitor));
    bit = end;
  }
  return {};
}

Result<void> PageLook::look_at_run(uint64_t first, uint64_t count, Visitor& visitor) {
  const uint32_t page_bytes = data_.page_bytes();
  const Result<uint64_t> got = data_.file().read_at(first * page_bytes, pages_.data(),
                                                    count * page_bytes);
  for (uint64_t i = 0; i < count; ++i) {
    const PageId id{first + i};
    const bool is_there = got && *got >= (i + 1) * page_bytes;
    if (is_there && data_.check(id, pages_.data() + i * page_bytes)) {
      visitor.whole(id);
      continue;
    }
    std::string why;
    AETHER_TRY_ASSIGN(const Found found, settle(id, why));
    if (found == Found::whole) visitor.whole(id);
    if (found == Found::repaired) visitor.repaired(id);
    if (found == Found::damaged) visitor.damaged(id, std::move(why));
  }
  return visitor.passed(count);
}

/// Allocated, and written in this life: what is at its place is to be that page.
bool PageLook::is_meant(PageId id) {
  if (!env_.services().space.is_allocated(id)) return false;
  if (data_.tags() == nullptr) return true;
  const Result<buffer::PageTag> tag = data_.tags()->get(id);
  return !tag || *tag != buffer::PageTags::kUnwritten;
}

std::optional<buffer::PageWriter::Target> PageLook::frame_of(PageId id) {
  for (const buffer::PageWriter::Target& map : env_.services().space.map_pages()) {
    if (map.frame->page_id.load(std::memory_order_relaxed) == id) return map;
  }
  return env_.services().pool.find_page(id);
}

Result<PageLook::Found> PageLook::settle(PageId id, std::string& why) {
  bool mended = false;
  for (int i = 0; i < kTries; ++i) {
    if (!is_meant(id)) return Found::nothing;
    const Result<void> read = env_.services().writer.read_settled(id, page_.data());
    if (read) return mended ? Found::repaired : Found::whole;
    if (read.error().code() == Code::no_memory) return read.error().clone();
    why = std::string(read.error().message());
    const auto frame = frame_of(id);
    if (frame && frame->frame->dirty_position.load(std::memory_order_seq_cst) != 0) {
      // Its bytes on disk are needed by nobody any more, unless a crash comes first; then the log makes them again.
      const Result<bool> is_known = data_.was_written(id);
      if (!mends_ || !is_known || !*is_known) return Found::nothing;
    }
    if (!mends_) continue;
    AETHER_TRY_ASSIGN(const bool done, mend(id, why));
    mended = mended || done;
  }
  return is_meant(id) ? Found::damaged : Found::nothing;
}

/// False: nothing was done, or it could not be; then `why` says so, too. Errors: of writing.
Result<bool> PageLook::mend(PageId id, std::string& why) {
  if (const auto frame = frame_of(id)) return env_.services().writer.write_again(*frame, id);
  if (!env_.may_repair() || id == kNoPage) return false;
  Result<void> repaired = env_.repair_page(id);
  if (repaired) return true;
  if (repaired.error().code() == Code::failed || repaired.error().code() == Code::no_memory)
    return std::move(repaired).error();
  why.append("; it cannot be made again: ").append(repaired.error().message());
  return false;
}

}  // namespace aether::db
