#include "sim/sim_os.h"

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "os/errors.h"
#include "sim/alloc_faults.h"
#include "sim/sim_file.h"

namespace aether::sim {

namespace {

using os::os_error;

constexpr uint64_t kTickNs = 1000;
constexpr uint64_t kWallStartNs = uint64_t{1'767'225'600} * 1'000'000'000;  // 2026-01-01.

std::string parent_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos || slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

const char* to_string(StepKind kind) noexcept {
  switch (kind) {
    case StepKind::any: return "any";
    case StepKind::open: return "open";
    case StepKind::close: return "close";
    case StepKind::read: return "read";
    case StepKind::write: return "write";
    case StepKind::sync: return "sync";
    case StepKind::truncate: return "truncate";
    case StepKind::allocate: return "allocate";
    case StepKind::lock: return "lock";
    case StepKind::stat: return "stat";
    case StepKind::list: return "list";
    case StepKind::create_directory: return "create_directory";
    case StepKind::remove: return "remove";
    case StepKind::rename: return "rename";
    case StepKind::sync_directory: return "sync_directory";
  }
  return "unknown";
}

SimOs::SimOs(const SimOptions& options) : SimOs(options, SimDisk(), nullptr) {
  disk_.set_capacity(options.capacity_bytes);
}

SimOs::SimOs(const SimOptions& options, SimDisk disk, const SimOs* parent)
    : options_(options), disk_(std::move(disk)), random_(options.seed) {
  if (parent == nullptr) return;
  now_ns_ = parent->now_ns_.load();
  wall_offset_ns_ = parent->wall_offset_ns_.load();
  wall_held_ns_ = parent->wall_held_ns_.load();
}

SimOs::~SimOs() { AETHER_ASSERT(open_files_ == 0); }

// --- Steps and faults

SimOs::Struck SimOs::begin(Step step) {
  os::sim_point();
  step.number = steps_.fetch_add(1, std::memory_order_relaxed) + 1;
  std::shared_ptr<const std::function<void(const Step&)>> hook;
  {
    os::LockGuard lock(mutex_);
    hook = hook_;
  }
  if (options_.observer != nullptr) options_.observer->see(step);
  if (hook != nullptr) (*hook)(step);
  Fault fault;
  std::shared_ptr<const std::function<void(const Fault&, const Step&)>> strike_hook;
  {
    os::LockGuard lock(mutex_);
    if (faults_.empty()) return {};
    const Fault* due = due_fault(step);
    if (due == nullptr) return {};
    fault = *due;
    strike_hook = strike_hook_;
  }
  fired_.fetch_add(1, std::memory_order_relaxed);
  if (strike_hook != nullptr) (*strike_hook)(fault, step);
  if (fault.effect == Effect::delay) {
    now_ns_.fetch_add(fault.delay_ns, std::memory_order_relaxed);
    return {};
  }
  return {fault.effect == Effect::fail ? fault.errnum : 0, fault.effect, fault.shift};
}

/// The first fault that is due at this step. Every fault that matches counts it.
const Fault* SimOs::due_fault(const Step& step) {
  bool found = false;
  for (PlannedFault& planned : faults_) {
    const Fault& fault = planned.fault;
    if (fault.kind != StepKind::any && fault.kind != step.kind) continue;
    if (step.path.find(fault.path_contains) == std::string_view::npos &&
        step.to.find(fault.path_contains) == std::string_view::npos) {
      continue;
    }
    if (planned.left > 0) --planned.left;
    if (planned.left == 0 && !found) {
      found = true;
      due_ = fault;
    }
  }
  std::erase_if(faults_,
                [](const PlannedFault& each) { return each.left == 0 && !each.fault.sticky; });
  return found ? &due_ : nullptr;
}

void SimOs::on_step(std::function<void(const Step&)> hook) {
  os::LockGuard lock(mutex_);
  hook_ = hook ? std::make_shared<const std::function<void(const Step&)>>(std::move(hook))
               : nullptr;
}

void SimOs::add_fault(const Fault& fault) {
  AETHER_ASSERT(fault.nth > 0 && fault.errnum > 0);
  os::LockGuard lock(mutex_);
  faults_.push_back({fault, fault.nth});
}

void SimOs::on_strike(std::function<void(const Fault&, const Step&)> hook) {
  using Hook = std::function<void(const Fault&, const Step&)>;
  os::LockGuard lock(mutex_);
  strike_hook_ = hook ? std::make_shared<const Hook>(std::move(hook)) : nullptr;
}

void SimOs::clear_faults() {
  os::LockGuard lock(mutex_);
  faults_.clear();
}

// --- The Os interface

template <typename Body>
Result<void> SimOs::run(const char* operation, const Step& step, Body body) {
  const alloc_faults::Paused paused;
  int errnum = begin(step).errnum;
  if (errnum == 0) {
    os::LockGuard lock(mutex_);
    errnum = body(disk_);
  }
  if (errnum == 0) return {};
  std::string place(step.path);
  if (!step.to.empty()) place += " to " + std::string(step.to);
  return os_error(errnum, operation, place);
}

Result<std::unique_ptr<os::File>> SimOs::open(const std::string& path, os::OpenFlags flags) {
  const alloc_faults::Paused paused;
  const char* operation = flags.create ? "create" : "open";
  Inode inode{};
  AETHER_TRY(run(operation, {.kind = StepKind::open, .path = path, .changes_disk = flags.create},
                 [&](SimDisk& disk) {
                   int errnum = disk.find(path, inode);
                   if (errnum == ENOENT && flags.create) {
                     errnum = disk.create_file(path, inode);
                   } else if (errnum == 0 && flags.create && flags.exclusive) {
                     errnum = EEXIST;
                   } else if (errnum == 0 && disk.is_directory(inode)) {
                     errnum = EISDIR;
                   }
                   if (errnum == 0) disk.opened(inode);
                   return errnum;
                 }));
  os::LockGuard lock(mutex_);
  ++open_files_;
  return std::unique_ptr<os::File>(std::make_unique<SimFile>(*this, inode, path, flags));
}

Result<void> SimOs::create_directory(const std::string& path) {
  const alloc_faults::Paused paused;
  return run("create directory",
             {.kind = StepKind::create_directory, .path = path, .changes_disk = true},
             [&](SimDisk& disk) { return disk.create_directory(path); });
}

Result<void> SimOs::remove(const std::string& path) {
  const alloc_faults::Paused paused;
  return run("remove", {.kind = StepKind::remove, .path = path, .changes_disk = true},
             [&](SimDisk& disk) { return disk.remove(path); });
}

Result<void> SimOs::rename(const std::string& from, const std::string& to) {
  const alloc_faults::Paused paused;
  return run("rename", {.kind = StepKind::rename, .path = from, .to = to, .changes_disk = true},
             [&](SimDisk& disk) { return disk.rename(from, to); });
}

Result<std::vector<std::string>> SimOs::list(const std::string& path) {
  const alloc_faults::Paused paused;
  std::vector<std::string> names;
  AETHER_TRY(run("list", {.kind = StepKind::list, .path = path},
                 [&](SimDisk& disk) { return disk.list(path, names); }));
  return names;
}

Result<bool> SimOs::exists(const std::string& path) {
  const alloc_faults::Paused paused;
  bool there = false;
  AETHER_TRY(run("stat", {.kind = StepKind::stat, .path = path}, [&](SimDisk& disk) {
    Inode inode{};
    const int errnum = disk.find(path, inode);
    there = errnum == 0;
    return errnum == ENOENT || errnum == ENOTDIR ? 0 : errnum;
  }));
  return there;
}

Result<uint64_t> SimOs::free_bytes(const std::string& /*path*/) {
  const alloc_faults::Paused paused;
  os::LockGuard lock(mutex_);
  if (disk_.capacity_bytes() == UINT64_MAX) return UINT64_MAX;
  const uint64_t used = disk_.used_bytes();
  return disk_.capacity_bytes() > used ? disk_.capacity_bytes() - used : 0;
}

Result<void> SimOs::sync_directory(const std::string& path) {
  const alloc_faults::Paused paused;
  const Step step{.kind = StepKind::sync_directory, .path = path, .changes_disk = true};
  const Struck struck = begin(step);
  if (struck.lost()) return {};
  if (struck.errnum != 0) {
    os::LockGuard lock(mutex_);
    if (options_.fsyncgate) static_cast<void>(disk_.abandon_directory(path));
    return os_error(struck.errnum, "sync directory", path);
  }
  os::LockGuard lock(mutex_);
  if (const int errnum = disk_.sync_directory(path)) {
    return os_error(errnum, "sync directory", path);
  }
  return {};
}

Result<std::unique_ptr<os::IoQueue>> SimOs::make_io_queue(uint32_t, IoMode) {
  const alloc_faults::Paused paused;
  return std::unique_ptr<os::IoQueue>(std::make_unique<SimQueue>(random()));
}

uint64_t SimOs::tick() {
  if (os::Scheduler* const scheduler = os::scheduler()) {  // Its waits take time as well.
    now_ns_.store(std::max(now_ns_.load(), scheduler->now_ns()) + kTickNs);
    scheduler->advance_to(now_ns_.load());
    return now_ns_.load();
  }
  return now_ns_.fetch_add(kTickNs, std::memory_order_relaxed) + kTickNs;
}

uint64_t SimOs::monotonic_ns() {
  return options_.real_clock ? os::production().monotonic_ns() : tick();
}

uint64_t SimOs::wall_ns() {
  if (options_.real_clock) return os::production().wall_ns();
  const uint64_t now = tick();
  if (const uint64_t held = wall_held_ns_.load()) return held;
  return kWallStartNs + now + static_cast<uint64_t>(wall_offset_ns_.load());
}

void SimOs::jump_wall_clock(int64_t nanoseconds) { wall_offset_ns_ += nanoseconds; }

void SimOs::hold_wall_clock(bool held) {
  wall_held_ns_ = 0;
  if (held) wall_held_ns_ = wall_ns();
}

void SimOs::sleep_ns(uint64_t nanoseconds) {
  if (options_.real_clock) return os::production().sleep_ns(nanoseconds);
  if (os::Scheduler* const scheduler = os::scheduler()) {
    static_cast<void>(scheduler->wait(nullptr, nanoseconds, "some time"));
    return;
  }
  now_ns_.fetch_add(nanoseconds, std::memory_order_relaxed);
}

uint64_t SimOs::random() {
  os::LockGuard lock(mutex_);
  return random_.next();
}

Result<std::unique_ptr<os::Thread>> SimOs::spawn(const std::string& name,
                                                 std::function<void()> body) {
  const alloc_faults::Paused paused;
  if (!options_.spawn_allowed) {
    return Error(Code::unsupported, "start thread " + name + ": this simulation has one thread");
  }
  if (os::Scheduler* const scheduler = os::scheduler())
    return scheduler->spawn(name, std::move(body));
  return os::production().spawn(name, std::move(body));
}

// --- Crashes

std::unique_ptr<SimOs> SimOs::crash(const Crash& how) {
  SimOptions options = options_;
  options.seed = Random(options_.seed ^ how.seed).next();
  ++options.process_id;
  os::LockGuard lock(mutex_);
  return std::unique_ptr<SimOs>(new SimOs(options, disk_.crash(how), this));
}

std::unique_ptr<SimOs> SimOs::copy() {
  os::LockGuard lock(mutex_);
  return std::unique_ptr<SimOs>(new SimOs(options_, disk_.copy(), this));
}

// --- For tests

Result<std::string> SimOs::read_file(const std::string& path) {
  const alloc_faults::Paused paused;
  os::LockGuard lock(mutex_);
  Inode inode{};
  if (const int errnum = disk_.find(path, inode)) return os_error(errnum, "read", path);
  std::string bytes(disk_.size(inode), '\0');
  disk_.read(inode, 0, bytes.data(), bytes.size());
  return bytes;
}

Result<void> SimOs::write_file(const std::string& path, std::string_view bytes) {
  const alloc_faults::Paused paused;
  os::LockGuard lock(mutex_);
  Inode inode{};
  int errnum = disk_.find(path, inode);
  if (errnum == ENOENT) errnum = disk_.create_file(path, inode);
  if (errnum == 0 && disk_.is_directory(inode)) errnum = EISDIR;
  if (errnum == 0) errnum = disk_.truncate(inode, 0);
  if (errnum == 0) errnum = disk_.write(inode, 0, bytes.data(), bytes.size());
  if (errnum != 0) return os_error(errnum, "write", path);
  disk_.sync(inode);
  if ((errnum = disk_.sync_directory(parent_of(path))) != 0) {
    return os_error(errnum, "sync directory", parent_of(path));
  }
  return {};
}

Result<void> SimOs::flip_bit(const std::string& path, uint64_t bit) {
  const alloc_faults::Paused paused;
  os::LockGuard lock(mutex_);
  Inode inode{};
  int errnum = disk_.find(path, inode);
  if (errnum == 0 && bit / 8 >= disk_.size(inode)) errnum = EINVAL;
  if (errnum != 0) return os::os_error_at(errnum, "flip a bit of", path, bit / 8, 1);
  disk_.flip_bit(inode, bit);
  return {};
}

std::vector<std::string> SimOs::files() {
  os::LockGuard lock(mutex_);
  return disk_.files();
}

uint64_t SimOs::total_bytes() {
  os::LockGuard lock(mutex_);
  return disk_.used_bytes();
}

uint64_t SimOs::unsynced_operations() {
  os::LockGuard lock(mutex_);
  return disk_.unsynced_operations();
}

uint64_t SimOs::unsynced_units() {
  os::LockGuard lock(mutex_);
  return disk_.unsynced_units();
}

void SimOs::sync_everything() {
  os::LockGuard lock(mutex_);
  disk_.sync_everything();
}

void SimOs::set_capacity(uint64_t bytes) {
  os::LockGuard lock(mutex_);
  disk_.set_capacity(bytes);
}

}  // namespace aether::sim
