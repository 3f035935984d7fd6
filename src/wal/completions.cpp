#include "wal/completions.h"
#include "base/planted.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace aether::wal {

void Completions::add(const LsnVector& vector, Call call) {
  os::LockGuard lock(mutex_);
  waiting_.push_back({vector, std::move(call)});
  count_.store(waiting_.size(), std::memory_order_seq_cst);
}

void Completions::run(const LsnVector& durable, const Error* failure) {
  std::vector<Waiting> due;
  {
    os::LockGuard lock(mutex_);
    const auto first = std::stable_partition(
        waiting_.begin(), waiting_.end(), [&](const Waiting& each) {
          return failure == nullptr && !each.vector.covered_by(durable) &&
                 !AETHER_PLANTED("wal.complete_early");
        });
    if (first == waiting_.end()) return;
    due.assign(std::make_move_iterator(first), std::make_move_iterator(waiting_.end()));
    waiting_.erase(first, waiting_.end());
    count_.store(waiting_.size(), std::memory_order_seq_cst);
    ++running_;
  }
  for (Waiting& each : due) {
    if (each.vector.covered_by(durable) || AETHER_PLANTED("wal.complete_early")) {
      each.call({});
    } else {
      each.call(failure->clone());
    }
  }
  due.clear();  // What the calls hold goes before anybody is told that they have returned.
  os::LockGuard lock(mutex_);
  if (--running_ == 0) returned_.notify_all();
}

void Completions::wait_until_returned() {
  os::LockGuard lock(mutex_);
  while (running_ != 0) returned_.wait(mutex_);
}

}  // namespace aether::wal
