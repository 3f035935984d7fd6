#include "sim/scheduler.h"

#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <new>

#include "base/assert.h"

namespace aether::sim {
namespace {

constexpr size_t kStackBytes = size_t{1} << 20;  // Only what is touched costs memory.
constexpr size_t kGuardBytes = 4096;
constexpr uint64_t kPausesMax = 200;
constexpr uint64_t kHoldEvery = 40;        // Of so many windows one holds its thread,
constexpr uint64_t kHoldStepsMax = 4000;   // for at most so many steps.
constexpr uint64_t kTimePassesEvery = 50;  // walk: of so many switches one lets a timed wait end.

/// Stacks are kept for the next run.
class Stacks {
 public:
  static Stacks& only() {
    static Stacks stacks;
    return stacks;
  }
  void* take() {
    if (!free_.empty()) {
      void* const stack = free_.back();
      free_.pop_back();
      return stack;
    }
    void* const stack = mmap(nullptr, kStackBytes + kGuardBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stack == MAP_FAILED || mprotect(stack, kGuardBytes, PROT_NONE) != 0) throw std::bad_alloc();
    return stack;
  }
  void give_back(void* stack) { free_.push_back(stack); }

 private:
  std::vector<void*> free_;
};

uint64_t mix(uint64_t hash, uint64_t value) noexcept {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
  return hash ^ (hash >> 29);
}

}  // namespace

struct Scheduler::Fiber {
  enum class State : uint8_t { ready, waiting, ended };
  std::string name;
  std::function<void()> body;
  State state = State::ready;
  const void* place = nullptr;  ///< waiting
  const char* what = "";
  uint64_t deadline_ns = kForever;
  bool woken = false;
  int64_t priority = 0;
  uint64_t held_until = 0;  ///< In steps; unless nobody else can run.
  void* stack = nullptr;
  ucontext_t context{};
};

class Scheduler::Handle final : public os::Thread {
 public:
  Handle(Scheduler& scheduler, uint32_t number) : scheduler_(scheduler), number_(number) {}
  void join() override { scheduler_.join(number_); }

 private:
  Scheduler& scheduler_;
  const uint32_t number_;
};

ScheduleOptions schedule_of(uint64_t seed) {
  Random random(seed ^ 0x5c4e'd01e);
  constexpr uint32_t kSwitchEvery[] = {2, 5, 20, 100};
  ScheduleOptions options;
  options.seed = random.next();
  options.policy = random.percent(60) ? SchedulePolicy::walk : SchedulePolicy::priorities;
  options.switch_every = kSwitchEvery[random.below(std::size(kSwitchEvery))];
  options.change_points = static_cast<uint32_t>(1 + random.below(3));
  options.steps_expected = uint64_t{1000} << random.below(7);
  return options;
}

Scheduler::Scheduler(const ScheduleOptions& options)
    : options_(options), random_(options.seed), outside_(std::make_unique<Fiber>()) {
  for (uint32_t i = 0; i < options_.change_points; ++i)
    change_at_.push_back(1 + random_.below(options_.steps_expected));
  std::sort(change_at_.begin(), change_at_.end(), std::greater<>());
  draw_switch();
}

Scheduler::~Scheduler() {
  for (const std::unique_ptr<Fiber>& fiber : fibers_) Stacks::only().give_back(fiber->stack);
}

void Scheduler::note(uint64_t event) noexcept { trace_hash_ = mix(trace_hash_, event); }

// --- Threads -------------------------------------------------------------------------------------------

void Scheduler::run(std::function<void()> main) {
  AETHER_ASSERT(fibers_.empty() && os::scheduler() == nullptr);
  start("main", std::move(main));
  os::set_scheduler(this);
  current_ = 0;
  swapcontext(&outside_->context, &fibers_[0]->context);
  os::set_scheduler(nullptr);
  current_ = kNobody;
}

uint32_t Scheduler::start(const std::string& name, std::function<void()> body) {
  const auto number = static_cast<uint32_t>(fibers_.size());
  auto fiber = std::make_unique<Fiber>();
  fiber->name = name;
  fiber->body = std::move(body);
  fiber->stack = Stacks::only().take();
  // Among those that are there, anywhere; ties go to who came first.
  fiber->priority = static_cast<int64_t>(1 + random_.below(1000));
  getcontext(&fiber->context);
  fiber->context.uc_stack.ss_sp = static_cast<char*>(fiber->stack) + kGuardBytes;
  fiber->context.uc_stack.ss_size = kStackBytes;
  fiber->context.uc_link = nullptr;
  makecontext(&fiber->context, &Scheduler::enter, 0);
  fibers_.push_back(std::move(fiber));
  return number;
}

/// The first function on each stack.
void Scheduler::enter() {
  auto& self = *static_cast<Scheduler*>(os::scheduler());
  Fiber& fiber = *self.fibers_[self.current_];
  fiber.body();
  fiber.body = nullptr;  // What it holds goes with the thread, not with the scheduler.
  fiber.state = Fiber::State::ended;
  self.wake(&fiber, true);
  const bool all_ended = std::all_of(
      self.fibers_.begin(), self.fibers_.end(),
      [](const std::unique_ptr<Fiber>& each) { return each->state == Fiber::State::ended; });
  if (all_ended) setcontext(&self.outside_->context);
  self.reschedule();
  std::abort();  // An ended thread does not run.
}

Result<std::unique_ptr<os::Thread>> Scheduler::spawn(const std::string& name,
                                                     std::function<void()> body) {
  const uint32_t number = start(name, std::move(body));
  step();
  return std::unique_ptr<os::Thread>(std::make_unique<Handle>(*this, number));
}

void Scheduler::join(uint32_t number) noexcept {
  const Fiber& fiber = *fibers_[number];
  while (fiber.state != Fiber::State::ended) wait(&fiber, kForever, "the end of a thread");
}

// --- Decisions -----------------------------------------------------------------------------------------

void Scheduler::step() noexcept {
  if (++steps_ > options_.steps_max) stuck("a livelock: the threads come to no end");
  if (options_.policy == SchedulePolicy::walk) {
    if (--until_switch_ > 0) return;
    draw_switch();
  } else if (!change_at_.empty() && steps_ >= change_at_.back()) {
    change_at_.pop_back();
    fibers_[current_]->priority = --lowest_priority_;
  }
  reschedule();
}

void Scheduler::window() noexcept {
  if (random_.below(kHoldEvery) != 0) return step();
  ++steps_;
  fibers_[current_]->held_until = steps_ + random_.below(kHoldStepsMax);
  reschedule();
}

void Scheduler::pause() noexcept {
  if (++steps_ > options_.steps_max) stuck("a livelock: the threads come to no end");
  if (++pauses_ > kPausesMax && let_time_pass(false)) pauses_ = 0;
  if (options_.policy == SchedulePolicy::priorities)
    fibers_[current_]->priority = --lowest_priority_;
  const uint32_t next = pick(current_);
  if (next != kNobody && next != current_) switch_to(next);
}

bool Scheduler::wait(const void* place, uint64_t timeout_ns, const char* what) noexcept {
  Fiber& self = *fibers_[current_];
  self.place = place;
  self.what = what;
  self.woken = false;
  self.deadline_ns = timeout_ns >= kForever - now_ns_ ? kForever : now_ns_ + timeout_ns;
  self.state = Fiber::State::waiting;
  ++steps_;
  reschedule();
  return self.woken;
}

void Scheduler::wake(const void* place, bool all) noexcept {
  std::vector<Fiber*> waiting;
  for (const std::unique_ptr<Fiber>& fiber : fibers_) {
    if (fiber->state == Fiber::State::waiting && fiber->place == place)
      waiting.push_back(fiber.get());
  }
  if (waiting.empty()) return;
  if (!all) waiting = {waiting[random_.below(waiting.size())]};
  for (Fiber* const fiber : waiting) {
    fiber->state = Fiber::State::ready;
    fiber->woken = true;
  }
}

void Scheduler::draw_switch() noexcept {
  until_switch_ = 1 + random_.below(2 * uint64_t{options_.switch_every} - 1);
}

/// The caller goes on, or another does and the caller later.
void Scheduler::reschedule() noexcept {
  if (options_.policy == SchedulePolicy::walk && random_.below(kTimePassesEvery) == 0)
    let_time_pass(true);
  uint32_t next = pick(kNobody);
  while (next == kNobody) {
    if (!let_time_pass(false)) stuck("a deadlock: no thread can run");
    next = pick(kNobody);
  }
  if (next != current_) switch_to(next);
}

/// Who comes next: one that can run; kNobody if none can. `except` only if it is the only one.
uint32_t Scheduler::pick(uint32_t except) noexcept {
  for (const bool held_too : {false, true}) {
    const uint32_t next = options_.policy == SchedulePolicy::walk ? pick_any(except, held_too)
                                                                  : pick_highest(held_too);
    if (next != kNobody && next != except) return next;
  }
  return except;
}

bool Scheduler::may_run(const Fiber& fiber, bool held_too) const noexcept {
  return fiber.state == Fiber::State::ready && (held_too || fiber.held_until <= steps_);
}

uint32_t Scheduler::pick_any(uint32_t except, bool held_too) noexcept {
  uint32_t ready = 0;
  for (uint32_t i = 0; i < fibers_.size(); ++i)
    ready += may_run(*fibers_[i], held_too) && i != except ? 1 : 0;
  if (ready == 0) return except;
  uint64_t left = random_.below(ready);
  for (uint32_t i = 0;; ++i) {
    if (!may_run(*fibers_[i], held_too) || i == except) continue;
    if (left-- == 0) return i;
  }
}

uint32_t Scheduler::pick_highest(bool held_too) const noexcept {
  uint32_t best = kNobody;
  for (uint32_t i = 0; i < fibers_.size(); ++i) {
    if (!may_run(*fibers_[i], held_too)) continue;
    if (best == kNobody || fibers_[i]->priority > fibers_[best]->priority) best = i;
  }
  return best;
}

/// Ends the timed wait that is over first, or any. False: there is none.
bool Scheduler::let_time_pass(bool any_sleeper) noexcept {
  std::vector<Fiber*> sleepers;
  for (const std::unique_ptr<Fiber>& fiber : fibers_) {
    if (fiber->state == Fiber::State::waiting && fiber->deadline_ns != kForever)
      sleepers.push_back(fiber.get());
  }
  if (sleepers.empty()) return false;
  Fiber* chosen = *std::min_element(
      sleepers.begin(), sleepers.end(),
      [](const Fiber* a, const Fiber* b) { return a->deadline_ns < b->deadline_ns; });
  if (any_sleeper) chosen = sleepers[random_.below(sleepers.size())];
  advance_to(chosen->deadline_ns);
  chosen->state = Fiber::State::ready;
  chosen->woken = false;
  return true;
}

void Scheduler::switch_to(uint32_t next) noexcept {
  Fiber& from = *fibers_[current_];
  Fiber& to = *fibers_[next];
  note(steps_ << 8 | next);
  ++switches_;
  current_ = next;
  swapcontext(&from.context, &to.context);
}

void Scheduler::stuck(const char* what) {
  std::string report = std::string(what) + " after " + std::to_string(steps_) + " steps";
  for (uint32_t i = 0; i < fibers_.size(); ++i) {
    const Fiber& fiber = *fibers_[i];
    if (fiber.state == Fiber::State::ended) continue;
    report += "\n  thread " + std::to_string(i) + " (" + fiber.name + ") ";
    report += fiber.state == Fiber::State::ready ? "can run"
                                                 : "waits for " + std::string(fiber.what);
  }
  os::set_scheduler(nullptr);
  if (options_.on_stuck) options_.on_stuck(report);
  std::fprintf(stderr, "%s\n", report.c_str());
  std::_Exit(3);
}

}  // namespace aether::sim
