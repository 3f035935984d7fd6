// What the scrubber looks at beside the pages of `data`.
#include <algorithm>
#include <utility>

#include "db/env_impl.h"
#include "db/scrubber.h"

namespace aether::db {
namespace {

/// Log is let go while it is read: then what was read says nothing.
constexpr int kTries = 3;

bool is_damage(const Error& error) noexcept {
  return error.code() == Code::corruption || error.code() == Code::io_error;
}

}  // namespace

Result<void> EnvImpl::open_scrubber() {
  const bool in_background = options_.scrub_bytes_per_second != 0 && options_.background_threads;
  scrubber_ = std::make_unique<Scrubber>(*this, in_background ? options_.scrub_bytes_per_second : 0,
                                         os_);
  return in_background ? scrubber_->start() : Result<void>();
}

Result<ScrubReport> EnvImpl::scrub(uint64_t bytes_per_second,
                                   FunctionRef<bool(uint64_t, uint64_t)> progress) {
  AETHER_TRY(check_open());
  return scrubber_->round(bytes_per_second, progress);
}

/// Damaged, it is made anew under its name: neither slot may be written over while the other one is bad.
Result<EnvImpl::Scrubbed> EnvImpl::scrub_control(bool mends) {
  Scrubbed result;
  if (options_.read_only) return result;  // Of a new environment one slot was never written.
  os::LockGuard lock(checkpoint_mutex_);
  result.bytes = recovery::Control::kFileBytes;
  Result<std::vector<std::string>> problems = control_->check_slots();
  if (!problems) {
    if (!is_damage(problems.error())) return std::move(problems).error();
    result.problems.emplace_back(problems.error().message());
    return result;
  }
  result.problems = *std::move(problems);
  if (result.problems.empty() || !mends) return result;
  const recovery::ControlState state = control_->state();
  Result<void> written = control_->replace(home_, state, os_);
  if (!written) {
    fail(written.error());
    return std::move(written).error();
  }
  result.mended = std::exchange(result.problems, {}).size();
  return result;
}

uint64_t EnvImpl::tag_blocks() {
  return data_->tags() == nullptr ? 0 : data_->tags()->file_blocks();
}

Result<EnvImpl::Scrubbed> EnvImpl::scrub_tags(uint64_t first_block, uint64_t blocks, bool mends) {
  constexpr uint64_t kBytesOfBothCopies = 2 * 4 * KiB;
  Scrubbed result;
  result.bytes = blocks * kBytesOfBothCopies;
  buffer::PageTags& tags = *data_->tags();
  std::vector<buffer::PageTags::BadCopy> bad;
  const auto look = [&]() -> Result<void> {
    bad.clear();
    return tags.check_blocks(first_block, blocks, bad);
  };
  if (const Result<void> looked = look(); looked && bad.empty()) return result;
  os::LockGuard lock(checkpoint_mutex_);  // Nobody writes them now.
  if (const Result<void> looked = look(); !looked) {
    if (!is_damage(looked.error())) return looked.error().clone();
    result.problems.emplace_back(looked.error().message());
    return result;
  }
  for (const buffer::PageTags::BadCopy& copy : bad) {
    Result<void> marked = mends ? tags.write_anew(copy) : Result<void>(Code::unsupported);
    result.mended += marked ? 1 : 0;
    if (!marked) result.problems.push_back(copy.message);
  }
  if (result.mended != 0) AETHER_TRY(write_tags());
  return result;
}

Result<EnvImpl::Scrubbed> EnvImpl::scrub_log(FunctionRef<Result<void>(uint64_t bytes)> passed) {
  Scrubbed result;
  if (options_.read_only) return result;
  for (int i = 0; i < kTries; ++i) {
    wal::LogReaderOptions options;
    std::vector<wal::EpochExtent> extents;
    LogPosition start = 0;
    {
      os::LockGuard lock(checkpoint_mutex_);
      options = reader_options();
      start = control_->state().start_position;
      extents = recovery::log_extents(control_->state());
      const wal::LogTail end = log_->closed_end();
      extents.back().end = end.position;
      extents.back().cut = end.cut;
    }
    std::erase_if(extents,
                  [](const wal::EpochExtent& extent) { return *extent.end <= extent.begin; });
    if (extents.empty()) return result;
    Result<void> ended;
    const auto read = [&]() -> Result<void> {
      AETHER_TRY_ASSIGN(const auto reader, wal::LogReader::open(options, extents, os_));
      for (;;) {
        AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
        if (block == nullptr) return {};
        const Result<void> went_on = passed(block->end - block->position);
        if (!went_on) {
          ended = went_on.error().clone();
          return {};
        }
      }
    };
    Result<void> whole = read();
    AETHER_TRY(std::move(ended));
    if (whole) return result;
    if (!is_damage(whole.error()) && whole.error().code() != Code::not_found)
      return std::move(whole).error();
    os::LockGuard lock(checkpoint_mutex_);
    if (control_->state().start_position != start) continue;
    result.problems.push_back(std::string(whole.error().message()) +
                              "; recovery would need it: make a checkpoint and a backup now");
    return result;
  }
  return result;
}

}  // namespace aether::db
