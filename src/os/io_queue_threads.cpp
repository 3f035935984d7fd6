#include <algorithm>
#include <string>

#include "base/assert.h"
#include "base/no_memory.h"
#include "os/io_queue_private.h"
#include "os/sync.h"

namespace aether::os {

namespace {

/// Transfers are blocking calls on a few threads: what io_uring gives, at the price of two wake-ups.
class ThreadQueue final : public IoQueue {
 public:
  explicit ThreadQueue(uint32_t depth) : depth_(depth) {}
  ~ThreadQueue() override;
  ThreadQueue(const ThreadQueue&) = delete;
  ThreadQueue& operator=(const ThreadQueue&) = delete;

  Result<void> start(Os& os);
  Result<void> submit(std::span<IoRequest* const> requests) override;
  Result<void> complete(uint64_t at_least, std::vector<IoRequest*>& done) override;
  uint64_t in_flight() const noexcept override { return in_flight_; }

 private:
  static Result<void> transfer(IoRequest& request);
  void work() noexcept;

  const uint32_t depth_;
  uint64_t in_flight_ = 0;  ///< The owner's count: submitted and not yet handed out.
  std::vector<std::unique_ptr<Thread>> threads_;

  Mutex mutex_;
  CondVar work_arrived_;
  CondVar work_finished_;
  // Both have room for all that are in flight: the threads that move requests need no memory for that.
  std::vector<IoRequest*> queued_ AETHER_GUARDED_BY(mutex_);
  std::vector<IoRequest*> finished_ AETHER_GUARDED_BY(mutex_);
  uint64_t unfinished_ AETHER_GUARDED_BY(mutex_) = 0;  ///< Queued or being worked on.
  bool stopping_ AETHER_GUARDED_BY(mutex_) = false;
};

Result<void> ThreadQueue::start(Os& os) {
  constexpr uint32_t kThreadsMax = 4;
  const uint32_t wanted = std::min(kThreadsMax, depth_);
  threads_.reserve(wanted);
  while (threads_.size() < wanted) {
    Result<std::unique_ptr<Thread>> thread = os.spawn("aether-io", [this] { work(); });
    if (!thread && threads_.empty()) return std::move(thread).error();
    if (!thread) break;  // Fewer threads are slower, not wrong.
    threads_.push_back(*std::move(thread));
  }
  return {};
}

ThreadQueue::~ThreadQueue() {
  {
    LockGuard lock(mutex_);
    stopping_ = true;
    queued_.clear();
  }
  work_arrived_.notify_all();
  for (const std::unique_ptr<Thread>& thread : threads_) thread->join();
}

Result<void> ThreadQueue::transfer(IoRequest& request) {
  if (request.kind == IoRequest::Kind::read) {
    AETHER_TRY_ASSIGN(request.transferred,
                      request.file->read_at(request.offset, request.data, request.size));
  } else {
    AETHER_TRY(request.file->write_at(request.offset, request.data, request.size));
    request.transferred = request.size;
  }
  return {};
}

void ThreadQueue::work() noexcept {
  mutex_.lock();
  for (;;) {
    while (queued_.empty() && !stopping_) work_arrived_.wait(mutex_);
    if (stopping_) break;
    IoRequest& request = *queued_.front();
    queued_.erase(queued_.begin());
    mutex_.unlock();
    request.result = base::or_no_memory([&] { return transfer(request); });
    mutex_.lock();
    --unfinished_;
    finished_.push_back(&request);
    work_finished_.notify_one();
  }
  mutex_.unlock();
}

Result<void> ThreadQueue::submit(std::span<IoRequest* const> requests) {
  LockGuard lock(mutex_);
  queued_.reserve(in_flight_ + requests.size());
  finished_.reserve(in_flight_ + requests.size());
  for (IoRequest* request : requests) {
    while (unfinished_ >= depth_) work_finished_.wait(mutex_);
    request->transferred = 0;
    request->result = {};
    queued_.push_back(request);
    ++unfinished_;
    ++in_flight_;
    work_arrived_.notify_one();
  }
  return {};
}

Result<void> ThreadQueue::complete(uint64_t at_least, std::vector<IoRequest*>& done) {
  const uint64_t wanted = std::min(at_least, in_flight_);
  LockGuard lock(mutex_);
  while (finished_.size() < wanted) work_finished_.wait(mutex_);
  done.insert(done.end(), finished_.begin(), finished_.end());
  AETHER_ASSERT(in_flight_ >= finished_.size());
  in_flight_ -= finished_.size();
  finished_.clear();
  return {};
}

}  // namespace

Result<std::unique_ptr<IoQueue>> make_thread_queue(uint32_t depth, Os& os) {
  auto queue = std::make_unique<ThreadQueue>(depth);
  AETHER_TRY(queue->start(os));
  return std::unique_ptr<IoQueue>(std::move(queue));
}

}  // namespace aether::os
