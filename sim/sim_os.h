/// The simulated body of `os::Os`: all files in memory, every decision from one seed, any call can fail,
/// and a crash at any step.
///
///   SimOs os({.seed = 7});
///   os.on_step([&](const Step& step) { if (step.changes_disk) check(*os.crash({.seed = step.number})); });
///   ... run an engine on `os`; each step tests what a power cut before it would leave ...
///
/// Threads   Any method from any thread, under one mutex. Deterministic as long as one thread uses it.
/// Lifetime  Outlives its files and queues. What `crash` and `copy` return stands on its own.
/// Errors    As os.h, with the message's operation, path and offset; made by os/errors.h from an errno.
/// Rules     of the disk: sim/sim_disk.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "os/os.h"
#include "os/sync.h"
#include "sim/random.h"
#include "sim/sim_disk.h"

namespace aether::sim {

struct Step;

/// Sees every step of a machine, and of all that `crash` and `copy` make of it, before it is done.
class StepObserver {
 public:
  virtual ~StepObserver() = default;
  virtual void see(const Step& step) = 0;
};

struct SimOptions {
  uint64_t seed = 1;
  uint64_t capacity_bytes = UINT64_MAX;  ///< Sum of the files' sizes; beyond it: no_space.
  bool spawn_allowed = true;             ///< Off: `spawn` gives `unsupported`. On: real threads.
  bool real_clock = false;               ///< Off: every look at a clock finds it 1 us later.
  /// A failed sync loses what it should have saved: later syncs of it "succeed" and save nothing of it,
  /// as on Linux. Off: a later sync that succeeds saves it.
  bool fsyncgate = true;
  uint32_t core_count = 2;
  uint64_t process_id = 4242;
  StepObserver* observer = nullptr;  ///< Outlives the machines. On the thread that makes the step.
};

enum class StepKind : uint8_t {
  any,  ///< In a fault: whatever it is.
  open,
  close,
  read,
  write,
  sync,
  truncate,
  allocate,
  lock,
  stat,  ///< size, exists
  list,
  create_directory,
  remove,
  rename,
  sync_directory,
};

/// The word for messages, for example "sync_directory".
const char* to_string(StepKind kind) noexcept;

/// One call that reaches the disk, as seen just before it does.
struct Step {
  StepKind kind = StepKind::any;
  uint64_t number = 0;  ///< From 1.
  std::string_view path = {};
  std::string_view to = {};    ///< rename: the new path.
  uint64_t offset = 0;         ///< read, write, allocate; truncate: the new size.
  uint64_t size = 0;           ///< read, write, allocate.
  const void* data = nullptr;  ///< write: the bytes.
  /// False: a crash after this step leaves nothing that a crash before it could not.
  bool changes_disk = false;
};

/// What becomes of a call that a fault strikes.
enum class Effect : uint8_t {
  fail,  ///< It answers `errnum`. A failed write may have written any of its sectors; a failed sync, see
         ///< SimOptions::fsyncgate; other failed calls have done nothing.
  lose,       ///< write, sync, sync_directory: it answers ok and has done nothing.
  misdirect,  ///< write: it answers ok, and the bytes are `shift` bytes behind where they belong.
  delay,      ///< It takes `delay_ns` of simulated time, and is done.
};

/// Makes calls fail, or lie.
struct Fault {
  StepKind kind = StepKind::any;
  std::string path_contains = {};  ///< Empty: every path.
  uint64_t nth = 1;                ///< The n-th matching call from now on, from 1.
  int errnum = 5;                  ///< EIO.
  bool sticky = false;             ///< All matching calls after it fail too.
  Effect effect = Effect::fail;
  int64_t shift =
      4096;  ///< Of a misdirected write; a multiple of the sector. Before the file's start: lost.
  uint64_t delay_ns = 10'000'000'000;
};

class SimOs final : public os::Os {
 public:
  explicit SimOs(const SimOptions& options = {});
  ~SimOs() override;
  SimOs(const SimOs&) = delete;
  SimOs& operator=(const SimOs&) = delete;

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenFlags flags) override;
  Result<void> create_directory(const std::string& path) override;
  Result<void> remove(const std::string& path) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<std::vector<std::string>> list(const std::string& path) override;
  Result<bool> exists(const std::string& path) override;
  Result<uint64_t> free_bytes(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  /// Transfers run at once, in an order of the seed; they come back in another, sometimes not all at
  /// the first `complete`.
  Result<std::unique_ptr<os::IoQueue>> make_io_queue(uint32_t depth, IoMode mode) override;
  uint64_t monotonic_ns() override;
  uint64_t wall_ns() override;
  /// Moves the simulated clock on, at once; with real_clock it sleeps.
  void sleep_ns(uint64_t nanoseconds) override;
  uint64_t random() override;
  uint64_t process_id() override { return options_.process_id; }
  uint32_t core_count() override { return options_.core_count; }
  Result<std::unique_ptr<os::Thread>> spawn(const std::string& name,
                                            std::function<void()> body) override;

  /// The machine after a power cut at this moment: no handle, no lock, no fault plan, no hook; its disk
  /// holds what `how` lets survive. This one goes on undisturbed. Microseconds for some MiB.
  std::unique_ptr<SimOs> crash(const Crash& how = {});
  /// The same machine with the same disk, unsynced operations included, but nothing open.
  std::unique_ptr<SimOs> copy();

  /// Called before every step, on the thread that makes it and with no lock held: it may call `crash`,
  /// but must not use this SimOs's files. Empty: none.
  void on_step(std::function<void(const Step&)> hook);
  uint64_t steps() const noexcept { return steps_.load(std::memory_order_relaxed); }

  void add_fault(const Fault& fault);
  void clear_faults();
  uint64_t faults_fired() const noexcept { return fired_.load(std::memory_order_relaxed); }
  /// Called when a fault strikes, with no lock held. Empty: none.
  void on_strike(std::function<void(const Fault&, const Step&)> hook);
  /// The wall clock jumps; the monotonic one does not.
  void jump_wall_clock(int64_t nanoseconds);
  /// The wall clock stands still from now on, or goes on.
  void hold_wall_clock(bool held);

  // What tests look at and do to the disk, behind the engine's back. No steps, no faults.
  Result<std::string> read_file(const std::string& path);
  /// Makes the file or replaces its contents, durably, with its name and its directory's other names.
  Result<void> write_file(const std::string& path, std::string_view bytes);
  /// Damages the medium: the bit is flipped in what is durable and in what is cached.
  Result<void> flip_bit(const std::string& path, uint64_t bit);
  std::vector<std::string> files();
  uint64_t total_bytes();
  uint64_t unsynced_operations();
  uint64_t unsynced_units();
  void sync_everything();
  void set_capacity(uint64_t bytes);

 private:
  friend class SimFile;
  friend class SimQueue;
  struct PlannedFault {
    Fault fault;
    uint64_t left;  ///< Matching calls until it strikes; 0: it has struck (sticky).
  };

  /// What has struck a call; without an errnum and an effect of its own: nothing.
  struct Struck {
    int errnum = 0;
    Effect effect = Effect::fail;
    int64_t shift = 0;
    bool lost() const { return errnum == 0 && effect == Effect::lose; }
    bool misdirected() const { return errnum == 0 && effect == Effect::misdirect; }
  };

  SimOs(const SimOptions& options, SimDisk disk, const SimOs* parent);
  Struck begin(Step step) AETHER_EXCLUDES(mutex_);
  const Fault* due_fault(const Step& step) AETHER_REQUIRES(mutex_);
  /// A step whose body is one call of the disk; `operation` is the word for the message.
  template <typename Body>
  Result<void> run(const char* operation, const Step& step, Body body) AETHER_EXCLUDES(mutex_);
  uint64_t tick();

  const SimOptions options_;
  std::atomic<uint64_t> steps_{0};
  std::atomic<uint64_t> fired_{0};
  std::atomic<uint64_t> now_ns_{0};
  std::atomic<int64_t> wall_offset_ns_{0};
  std::atomic<uint64_t> wall_held_ns_{0};  ///< Not 0: what the wall clock shows.

  os::Mutex mutex_;
  SimDisk disk_ AETHER_GUARDED_BY(mutex_);
  Random random_ AETHER_GUARDED_BY(mutex_);
  std::vector<PlannedFault> faults_ AETHER_GUARDED_BY(mutex_);
  std::shared_ptr<const std::function<void(const Step&)>> hook_ AETHER_GUARDED_BY(mutex_);
  std::shared_ptr<const std::function<void(const Fault&, const Step&)>> strike_hook_
      AETHER_GUARDED_BY(mutex_);
  Fault due_ AETHER_GUARDED_BY(mutex_);                           ///< What due_fault has found.
  std::map<Inode, const void*> locks_ AETHER_GUARDED_BY(mutex_);  ///< Who holds each file's lock.
  uint64_t open_files_ AETHER_GUARDED_BY(mutex_) = 0;
};

}  // namespace aether::sim
