#include "db/lsm_worker.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/no_memory.h"
#include "db/env_impl.h"
#include "db/lsm_store.h"

namespace aether::db {
namespace {

/// Until what could not be done is tried again unasked.
constexpr uint64_t kAgainNs = 100'000'000;

}  // namespace

Result<void> LsmWorker::start() {
  if (is_running()) return {};
  AETHER_TRY_ASSIGN(thread_, env_.os().spawn("aether-lsm", [this] { run(); }));
  running_.store(true, std::memory_order_release);
  return {};
}

void LsmWorker::stop() noexcept {
  if (thread_ == nullptr) return;
  {
    os::LockGuard lock(mutex_);
    stop_ = true;
    wake_.notify_all();
    stepped_.notify_all();
  }
  running_.store(false, std::memory_order_release);
  thread_->join();
  thread_.reset();
}

void LsmWorker::wake() noexcept {
  os::LockGuard lock(mutex_);
  is_wanted_ = true;
  wake_.notify_one();
}

Result<void> LsmWorker::wait_until(FunctionRef<bool()> is_so) {
  os::LockGuard lock(mutex_);
  while (!is_so()) {
    if (trouble_) return trouble_->clone();
    if (stop_ || !is_running()) return {};
    is_wanted_ = true;
    wake_.notify_one();
    stepped_.wait_for(mutex_, kAgainNs);
  }
  return {};
}

void LsmWorker::run() {
  std::vector<StoreImpl*> stores;
  mutex_.lock();
  while (!stop_) {
    is_wanted_ = false;
    mutex_.unlock();
    bool has_worked = false;
    uint64_t rest_ns = lsm::Upkeep::kNever;
    std::optional<Error> trouble;
    if (!base::if_memory_allows([&] { env_.collect_lsm_stores(stores); })) stores.clear();
    for (StoreImpl* const store : stores) {
      Result<bool> worked = base::or_no_memory([&] { return store->lsm()->work(); });
      if (worked) {
        has_worked = has_worked || *worked;
        if (!has_worked) rest_ns = std::min(rest_ns, store->lsm()->upkeep().rest_ns());
        continue;
      }
      // The others go on.
      if (!may_wait(worked.error())) env_.fail(worked.error());
      trouble = std::move(worked).error();
    }
    mutex_.lock();
    const bool is_in_trouble = trouble.has_value();
    trouble_ = std::move(trouble);
    stepped_.notify_all();
    if (stop_ || (has_worked && !is_in_trouble)) continue;
    if (is_in_trouble) {
      wake_.wait_for(mutex_, kAgainNs);
    } else if (!is_wanted_ && rest_ns == lsm::Upkeep::kNever) {
      wake_.wait(mutex_);
    } else if (!is_wanted_) {
      wake_.wait_for(mutex_, rest_ns);
    }
  }
  mutex_.unlock();
}

}  // namespace aether::db
