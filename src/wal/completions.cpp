#include "wal/completions.h"
#include "base/planted.h"

#include <utility>

namespace aether::wal {

Completions::Entry Completions::make(Call call) {
  Entry entry;
  entry.push_back({{}, std::move(call)});
  return entry;
}

void Completions::add(const LsnVector& vector, Entry entry) noexcept {
  entry.front().vector = vector;
  os::LockGuard lock(mutex_);
  waiting_.splice(waiting_.end(), entry);
  count_.store(waiting_.size(), std::memory_order_seq_cst);
}

void Completions::run(const LsnVector& durable, const Error* failure) noexcept {
  Entry due;
  {
    os::LockGuard lock(mutex_);
    for (auto each = waiting_.begin(); each != waiting_.end();) {
      const auto next = std::next(each);
      if (failure != nullptr || each->vector.covered_by(durable) ||
          AETHER_PLANTED("wal.complete_early"))
        due.splice(due.end(), waiting_, each);
      each = next;
    }
    if (due.empty()) return;
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
