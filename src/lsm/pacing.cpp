#include "lsm/pacing.h"

#include <algorithm>

#include "base/assert.h"

namespace aether::lsm {

/// Of `size`, what has been reserved when so many bytes are accepted; rounded up, so that the last of it is there in time.
uint64_t MergePacer::Task::reserved_until(uint64_t accepted) const noexcept {
  if (accepted >= deadline) return size;
  if (accepted <= start) return 0;
  __extension__ using Wide = unsigned __int128;
  const uint64_t span = deadline - start;
  return static_cast<uint64_t>((Wide{size} * (accepted - start) + span - 1) / span);
}

void MergePacer::start(uint64_t merge, uint64_t size, uint64_t until_due) {
  AETHER_ASSERT(until_due > 0);
  // Work that was done ahead was done for others: this one gets all of its own.
  owed_ = std::max<int64_t>(owed_, 0);
  const Task task{.merge = merge,
                  .size = size,
                  .done = 0,
                  .start = accepted_,
                  .deadline = accepted_ + until_due,
                  .has_ended = false};
  const auto place = std::upper_bound(
      tasks_.begin(), tasks_.end(), task,
      [](const Task& a, const Task& b) { return a.deadline < b.deadline; });
  tasks_.insert(place, task);
}

void MergePacer::accept(uint64_t bytes) {
  const uint64_t now = accepted_ + bytes;
  for (const Task& task : tasks_) {
    owed_ += static_cast<int64_t>(task.reserved_until(now) - task.reserved_until(accepted_));
  }
  accepted_ = now;
  drop_what_is_over();
}

const MergePacer::Task* MergePacer::nearest() const noexcept {
  for (const Task& task : tasks_) {
    if (!task.has_ended) return &task;
  }
  return nullptr;
}

std::optional<MergePacer::Due> MergePacer::due() const {
  const Task* task = nearest();
  if (task == nullptr || owed_ <= 0) return std::nullopt;
  // One that has read all but has not ended yet: one more step ends it.
  const uint64_t left = task->size > task->done ? task->size - task->done : 1;
  return Due{task->merge, std::min(left, static_cast<uint64_t>(owed_))};
}

std::optional<MergePacer::Due> MergePacer::next() const {
  const Task* task = nearest();
  if (task == nullptr) return std::nullopt;
  return Due{task->merge, task->size > task->done ? task->size - task->done : 1};
}

MergePacer::Task& MergePacer::find(uint64_t merge) {
  const auto task = std::find_if(tasks_.begin(), tasks_.end(), [merge](const Task& each) {
    return each.merge == merge && !each.has_ended;
  });
  AETHER_ASSERT(task != tasks_.end());
  return *task;
}

bool MergePacer::has(uint64_t merge) const noexcept {
  return std::any_of(tasks_.begin(), tasks_.end(),
                     [merge](const Task& task) { return task.merge == merge && !task.has_ended; });
}

void MergePacer::worked(uint64_t merge, uint64_t bytes) {
  find(merge).done += bytes;
  owed_ -= static_cast<int64_t>(bytes);
}

void MergePacer::finish(uint64_t merge) {
  Task& task = find(merge);
  // What it did not read (an input that ended early) is no work any more, but it has been paid for.
  if (task.done < task.size) owed_ -= static_cast<int64_t>(task.size - task.done);
  task.has_ended = true;
  ++ended_;
  drop_what_is_over();
}

void MergePacer::drop_what_is_over() {
  if (under_way() == 0) {
    tasks_.clear();
    ended_ = 0;
    owed_ = 0;
    return;
  }
  const auto is_over = [this](const Task& task) {
    return task.has_ended && task.deadline <= accepted_;
  };
  ended_ -= static_cast<uint64_t>(std::count_if(tasks_.begin(), tasks_.end(), is_over));
  tasks_.erase(std::remove_if(tasks_.begin(), tasks_.end(), is_over), tasks_.end());
}

uint64_t MergePacer::debt() const noexcept {
  uint64_t sum = 0;
  for (const Task& task : tasks_) {
    if (!task.has_ended && task.size > task.done) sum += task.size - task.done;
  }
  return sum;
}

double MergePacer::rate() const noexcept {
  double sum = 0;
  for (const Task& task : tasks_) {
    if (task.deadline > accepted_) {
      sum += static_cast<double>(task.size) / static_cast<double>(task.deadline - task.start);
    }
  }
  return sum;
}

bool MergePacer::is_late() const noexcept {
  return std::any_of(tasks_.begin(), tasks_.end(), [this](const Task& task) {
    return !task.has_ended && task.deadline < accepted_ && task.done < task.size;
  });
}

}  // namespace aether::lsm
