#include "db/scrubber.h"

#include <algorithm>
#include <utility>

#include "base/no_memory.h"
#include "db/env_impl.h"
#include "db/page_look.h"

namespace aether::db {
namespace {

constexpr size_t kProblemsMax = 100;
/// A rest follows each round, a longer one what broke off.
constexpr uint64_t kRestNs = 1'000'000'000;
constexpr uint64_t kRestAfterErrorNs = 60'000'000'000;
/// A run of pages takes a tenth of a second at most, where a page does.
constexpr uint64_t kRunsPerSecond = 10;
constexpr uint64_t kTagBlocks = 16;

}  // namespace

uint64_t Scrubber::Pace::until(uint64_t bytes, uint64_t begun_ns) noexcept {
  if (rate_ == 0) return 0;
  const double ns = static_cast<double>(bytes) / static_cast<double>(rate_) * 1e9;
  constexpr double kNsMax = 1e18;  // At a byte a second, too, the sum must not overflow.
  due_ns_ = std::max(due_ns_, begun_ns) + static_cast<uint64_t>(std::min(ns, kNsMax));
  return due_ns_;
}

/// One pass over everything.
class Scrubber::Round final : public PageLook::Visitor {
 public:
  using Wait = FunctionRef<bool(uint64_t until_ns, uint64_t done, uint64_t total)>;

  /// `wait`: false ends the round.
  Round(Scrubber& scrubber, uint64_t bytes_per_second, Wait wait)
      : scrubber_(scrubber),
        env_(scrubber.env_),
        rate_(bytes_per_second),
        pace_(bytes_per_second),
        wait_(wait),
        mends_(env_.check_writable().has_value()),
        begun_ns_(env_.now_ns()),
        read_begun_ns_(begun_ns_) {}

  Result<ScrubReport> run(uint64_t first_group) {
    // What cannot be redone is damage, and shows below.
    Result<void> redone = env_.drain_redo();
    if (!redone && redone.error().code() != Code::corruption) return std::move(redone).error();
    const uint64_t page_bytes = env_.options().page_bytes;
    buffer::SpaceManager& space = env_.services().space;
    total_ = space.page_count() - space.free_count();
    AETHER_TRY(look_at_control());
    AETHER_TRY(look_at_tags());
    AETHER_TRY(look_at_log());
    PageLook pages(env_, mends_);
    const uint64_t run_pages = rate_ == 0 ? PageLook::kRunPagesMax
                                          : rate_ / kRunsPerSecond / page_bytes;
    const uint64_t groups = space.group_count();
    for (uint64_t i = 0; i < groups; ++i)
      AETHER_TRY(pages.look_at_group((first_group + i) % groups, run_pages, *this));
    report_.seconds = static_cast<double>(env_.now_ns() - begun_ns_) / 1e9;
    return std::move(report_);
  }

  Result<void> passed(uint64_t pages) override {
    report_.pages += pages;
    return pass(pages, pages * env_.options().page_bytes);
  }
  void whole(PageId id) override { scrubber_.remove_damage(raw(id)); }
  void repaired(PageId id) override {
    scrubber_.remove_damage(raw(id));
    mended();
  }
  void damaged(PageId id, std::string why) override { add_damage(raw(id), std::move(why)); }

 private:
  void mended() {
    ++report_.repaired;
    scrubber_.add_repaired();
  }
  void add_damage(uint64_t page, std::string message) {
    ++report_.damaged;
    if (report_.problems.size() < kProblemsMax) report_.problems.push_back({page, "", message});
    scrubber_.add_damage(page, std::move(message));
  }
  Result<void> pass(uint64_t pages, uint64_t bytes) {
    report_.bytes += bytes;
    scrubber_.add(pages, bytes);
    const uint64_t until = pace_.until(bytes, read_begun_ns_);
    if (!wait_(until, report_.pages, std::max(total_, report_.pages)))
      return Error(Code::closed, "the scrubbing was ended before it was through");
    read_begun_ns_ = env_.now_ns();
    return {};
  }

  Result<void> look_at_control() {
    AETHER_TRY_ASSIGN(const EnvImpl::Scrubbed control, env_.scrub_control(mends_));
    take(control);
    return pass(0, control.bytes);
  }
  Result<void> look_at_tags() {
    const uint64_t blocks = env_.tag_blocks();
    for (uint64_t first = 0; first < blocks; first += kTagBlocks) {
      const uint64_t count = std::min(kTagBlocks, blocks - first);
      AETHER_TRY_ASSIGN(const EnvImpl::Scrubbed tags, env_.scrub_tags(first, count, mends_));
      take(tags);
      AETHER_TRY(pass(0, tags.bytes));
    }
    return {};
  }
  Result<void> look_at_log() {
    AETHER_TRY_ASSIGN(const EnvImpl::Scrubbed log,
                      env_.scrub_log([this](uint64_t bytes) { return pass(0, bytes); }));
    take(log);
    return {};
  }
  void take(const EnvImpl::Scrubbed& found) {
    for (uint64_t i = 0; i < found.mended; ++i) mended();
    for (const std::string& problem : found.problems) add_damage(0, problem);
  }

  Scrubber& scrubber_;
  EnvImpl& env_;
  const uint64_t rate_;
  Pace pace_;
  Wait wait_;
  const bool mends_;
  const uint64_t begun_ns_;
  uint64_t read_begun_ns_;
  uint64_t total_ = 0;
  ScrubReport report_;
};

Result<ScrubReport> Scrubber::round(uint64_t bytes_per_second,
                                    FunctionRef<bool(uint64_t, uint64_t)> progress) {
  const auto wait = [&](uint64_t until_ns, uint64_t done, uint64_t total) {
    const uint64_t now = os_.monotonic_ns();
    if (until_ns > now) os_.sleep_ns(until_ns - now);
    return progress(done, total);
  };
  Round round(*this, bytes_per_second, wait);
  AETHER_TRY_ASSIGN(ScrubReport report, round.run(0));
  end_round(report);
  return report;
}

Result<void> Scrubber::start() {
  AETHER_TRY_ASSIGN(thread_, os_.spawn("aether-scrub", [this] { run(); }));
  return {};
}

void Scrubber::stop() noexcept {
  if (!thread_) return;
  {
    os::LockGuard lock(mutex_);
    stop_ = true;
    wake_.notify_all();
  }
  thread_->join();
  thread_.reset();
}

void Scrubber::run() {
  uint64_t first_group = os_.random() % std::max<uint64_t>(1, env_.services().space.group_count());
  for (;;) {
    const auto wait = [this](uint64_t until_ns, uint64_t, uint64_t) {
      return wait_until(until_ns);
    };
    const Result<void> done = base::or_no_memory([&]() -> Result<void> {
      Round round(*this, bytes_per_second_, wait);
      AETHER_TRY_ASSIGN(const ScrubReport report, round.run(first_group));
      end_round(report);
      return {};
    });
    if (!done && done.error().code() == Code::closed) return;
    if (done) {
      first_group = 0;
    } else {
      std::string why;
      static_cast<void>(base::if_memory_allows([&] { why = done.error().message(); }));
      os::LockGuard lock(mutex_);
      last_error_ = std::move(why);
    }
    if (!wait_until(os_.monotonic_ns() + (done ? kRestNs : kRestAfterErrorNs))) return;
  }
}

/// False: it is to stop.
bool Scrubber::wait_until(uint64_t due_ns) {
  os::LockGuard lock(mutex_);
  while (!stop_) {
    const uint64_t now = os_.monotonic_ns();
    if (now >= due_ns) return true;
    wake_.wait_for(mutex_, due_ns - now);
  }
  return false;
}

void Scrubber::add(uint64_t pages, uint64_t bytes) {
  os::LockGuard lock(mutex_);
  sum_.pages += pages;
  sum_.bytes += bytes;
}

void Scrubber::add_repaired() {
  os::LockGuard lock(mutex_);
  ++sum_.repaired;
}

void Scrubber::add_damage(uint64_t page, std::string message) {
  os::LockGuard lock(mutex_);
  any_damage_ = true;
  for (VerifyProblem& known : sum_.problems) {
    if (known.page_id != page || (page == 0 && known.message != message)) continue;
    known.message = std::move(message);
    return;
  }
  ++sum_.damaged;
  if (sum_.problems.size() < kProblemsMax) sum_.problems.push_back({page, "", std::move(message)});
}

void Scrubber::remove_damage(uint64_t page) {
  if (!any_damage_.load(std::memory_order_relaxed) || page == 0) return;
  os::LockGuard lock(mutex_);
  sum_.damaged -= std::erase_if(sum_.problems,
                                [&](const VerifyProblem& known) { return known.page_id == page; });
}

/// What it has seen is what there is now.
void Scrubber::end_round(const ScrubReport& report) {
  const uint64_t now = os_.wall_ns();
  os::LockGuard lock(mutex_);
  sum_.damaged = report.damaged;
  sum_.problems = report.problems;
  any_damage_ = report.damaged != 0;
  ++rounds_;
  last_end_ns_ = now;
  last_seconds_ = report.seconds;
  last_error_.clear();
}

void Scrubber::fill(EnvStats& stats) {
  os::LockGuard lock(mutex_);
  stats.scrub_bytes_per_second = bytes_per_second_;
  stats.scrub_pages = sum_.pages;
  stats.scrub_bytes = sum_.bytes;
  stats.scrub_rounds = rounds_;
  stats.scrub_last_end_ns = last_end_ns_;
  stats.scrub_last_seconds = last_seconds_;
  stats.scrub_repaired = sum_.repaired;
  stats.scrub_damaged = sum_.damaged;
  stats.scrub_error = last_error_;
  stats.scrub_problems = sum_.problems;
}

}  // namespace aether::db
