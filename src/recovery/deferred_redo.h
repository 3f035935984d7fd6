/// Redo on demand: pages that the log changes are brought up to date when they are met, and in the background.
///
///   bring   who loads a page into the pool asks first: if changes of it wait, they are applied, and the pool holds the page
///           as redone (dirty from its first change on), for the asker to adopt
///   drain   all the others, by a worker a core; before anything that counts on the data file: a checkpoint, and with it
///           a backup, a verification, closing
///
/// Until it is drained redo begins where it began before: no checkpoint moves CONTROL, and a crash finds the same log, and
/// pages that have some of its changes or all of them. A page that is given out for another life is forgotten.
///
///   waiting ──► busy ──► done        a page is one thread's while it is busy; others wait for it
///      ▲         │ error
///      └─────────┘
///
/// Threads      Any; nobody who calls holds a latch.
/// Latch order  drain_mutex_ before all others; SpaceManager's before mutex_, and that before the pool's for redone pages.
/// Memory       The parts, until all is done.
/// Source       Graefe, Kuno: "Definition, detection, and recovery of single-page failures", PVLDB 5(7), 2012; Sauer, Graefe,
///              Härder: "FineLine", PVLDB 11(13), 2018. We differ: what waits is in memory, sorted by page, so there is no
///              log to be searched for one.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aether/error.h"
#include "base/ids.h"
#include "buffer/buffer_pool.h"
#include "buffer/data_file.h"
#include "os/os.h"
#include "os/sync.h"
#include "recovery/page_reads.h"
#include "recovery/page_redo.h"
#include "recovery/redo.h"

namespace aether::recovery {

struct DeferredRedoOptions {
  uint32_t workers = 1;
  IoMode io_mode = IoMode::automatic;
  /// Is the page in use? What waits for a free one does not matter.
  std::function<bool(PageId)> is_used;
  /// Makes the page again in the file, at `at_least` or above; empty: nobody can.
  std::function<Result<void>(PageId, Gsn at_least)> repair;
};

class DeferredRedo final : public buffer::PendingPages {
 public:
  DeferredRedo(std::unique_ptr<DeferredParts> parts, DeferredRedoOptions options,
               const ResourceManagers& managers, buffer::DataFile& data, buffer::BufferPool& pool,
               os::Os& os);

  /// Errors: corruption (names the page: the file does not have what the log was written for), io_error, busy (no frame).
  Result<void> bring(PageId id) override;
  void forget(PageId first, uint64_t count) noexcept override;
  /// Until nothing waits. Errors: as bring, of the first that fails; what is damaged waits on.
  Result<void> drain();
  /// Pages with changes that have not been applied.
  uint64_t waiting() const noexcept { return unfinished_.load(std::memory_order_acquire); }

 private:
  using Run = DeferredParts::Run;
  enum class State : uint8_t {
    waiting,
    busy,
    given_up,  ///< Busy, but its page has begun another life meanwhile.
    done,
  };
  /// A page that is this thread's.
  struct Claim {
    uint32_t run = 0;
    PageWork page;
    bool ended = false;
  };
  /// What the page is, with what waited for it.
  struct Verdict {
    bool is_done = false;        ///< Or nobody's.
    bool is_beyond_log = false;  ///< Else it has a gap, or cannot be read.
    Gsn at_least = 0;            ///< What it would have to be made again to.
  };
  class Claims;
  struct Batch;

  std::optional<uint32_t> find(PageId id) const noexcept AETHER_REQUIRES(mutex_);
  void set(uint32_t run, State to) noexcept AETHER_REQUIRES(mutex_);
  PageId page_of(uint32_t run) const noexcept { return parts_->runs[run].page; }
  Result<void> take_frame(Claim& claim);
  Result<void> read(Claim& claim);
  Result<void> finish(Claims& claims, Claim& claim);
  Result<Verdict> apply(Claims& claims, Claim& claim);
  Result<void> drain_once();
  Result<void> drain_share(std::span<const uint32_t> runs);
  Result<void> start_batch(Batch& batch, std::span<const uint32_t> runs);
  Result<void> finish_batch(Batch& batch, Result<void>& damage);

  /// Of a run that is claimed, or while drain_mutex_ is held: readable without mutex_.
  const std::unique_ptr<DeferredParts> parts_;
  const DeferredRedoOptions options_;
  PageRedo page_redo_;
  buffer::DataFile& data_;
  buffer::BufferPool& pool_;
  os::Os& os_;
  os::Mutex drain_mutex_;
  os::Mutex mutex_;
  os::CondVar changed_;
  std::vector<State> states_ AETHER_GUARDED_BY(mutex_);  ///< Of the runs.
  uint64_t busy_ AETHER_GUARDED_BY(mutex_) = 0;
  uint32_t sleepers_ AETHER_GUARDED_BY(mutex_) = 0;
  std::atomic<uint64_t> unfinished_{0};  ///< Waiting or busy.
};

}  // namespace aether::recovery
