#include <cerrno>
#include <cstring>

#include "os/io_queue_private.h"

#if AETHER_HAVE_URING

#include <liburing.h>

#include <algorithm>

#include "base/assert.h"
#include "base/no_memory.h"
#include "os/errors.h"
#include "os/file_posix_private.h"
#include "os/process_mark.h"
#include "os/sync.h"

namespace aether::os {

namespace {

/// A request's life:
///
///   submit --> waiting_ --push--> ring --CQE--> finished_ --complete--> the caller
///                 ^                 |
///                 +-- short or interrupted: the rest goes again
///
/// `transferred` in the request is the progress, so the ring carries only the request's address.
class UringQueue final : public IoQueue {
 public:
  explicit UringQueue(uint32_t depth) : depth_(depth) {}
  ~UringQueue() override;
  UringQueue(const UringQueue&) = delete;
  UringQueue& operator=(const UringQueue&) = delete;

  int init() noexcept;
  Result<void> submit(std::span<IoRequest* const> requests) override;
  Result<void> complete(uint64_t at_least, std::vector<IoRequest*>& done) override;
  uint64_t in_flight() const noexcept override {
    return waiting_.size() + in_ring_ + finished_.size();
  }

 private:
  void push(IoRequest& request) noexcept;
  Result<void> start_waiting();
  Result<void> enter(uint32_t wait_for);
  void reap();
  void on_completion(IoRequest& request, int result);
  void finish(IoRequest& request) { finished_.push_back(&request); }

  const ProcessMark process_;
  const uint32_t depth_;
  bool open_ = false;
  uint64_t in_ring_ = 0;              ///< Pushed and not yet reaped; at most depth_.
  std::vector<IoRequest*> waiting_;   ///< To be pushed (again) when there is room.
  std::vector<IoRequest*> finished_;  ///< Complete, not yet handed out.
  io_uring ring_{};
};

int UringQueue::init() noexcept {
  // No SINGLE_ISSUER or COOP_TASKRUN: the queue may pass from one thread to another between calls.
  const int rc = io_uring_queue_init(depth_, &ring_, 0);
  open_ = rc == 0;
  return rc;
}

UringQueue::~UringQueue() {
  if (!open_) return;
  // The kernel still writes into the requests' memory: nobody may free it before it is done. What is
  // merely waiting is dropped.
  while (in_ring_ > 0) {
    if (!enter(1)) break;
    reap();
    waiting_.clear();
  }
  io_uring_queue_exit(&ring_);
}

/// Room in the ring is the caller's business (in_ring_ < depth_).
void UringQueue::push(IoRequest& request) noexcept {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
  AETHER_ASSERT(sqe != nullptr);
  AETHER_CHECK(dynamic_cast<PosixFile*>(request.file) != nullptr);  // A file of this very body.
  const int fd = static_cast<PosixFile*>(request.file)->fd();
  const uint64_t rest = std::min(request.size - request.transferred, kTransferBytesMax);
  const uint64_t position = request.offset + request.transferred;
  char* data = static_cast<char*>(request.data) + request.transferred;
  if (request.kind == IoRequest::Kind::read) {
    io_uring_prep_read(sqe, fd, data, static_cast<unsigned>(rest), position);
  } else {
    io_uring_prep_write(sqe, fd, data, static_cast<unsigned>(rest), position);
  }
  io_uring_sqe_set_data(sqe, &request);
  ++in_ring_;
}

/// Hands the pushed entries to the kernel and waits for that many completions.
Result<void> UringQueue::enter(uint32_t wait_for) {
  Backoff backoff;
  for (;;) {
    const int rc = io_uring_submit_and_wait(&ring_, wait_for);
    if (rc >= 0) return {};
    if (rc == -EINTR) continue;
    // Out of kernel memory for the moment: it frees some as completions are taken.
    if ((rc == -EAGAIN || rc == -EBUSY) && io_uring_cq_ready(&ring_) > 0) return {};
    if (rc == -EAGAIN || rc == -EBUSY) {
      backoff.wait();
      continue;
    }
    return Error(code_of(-rc), std::string("io_uring_enter: ") + std::strerror(-rc), -rc);
  }
}

void UringQueue::reap() {
  io_uring_cqe* cqe = nullptr;
  while (io_uring_peek_cqe(&ring_, &cqe) == 0 && cqe != nullptr) {
    auto* request = static_cast<IoRequest*>(io_uring_cqe_get_data(cqe));
    const int result = cqe->res;
    io_uring_cqe_seen(&ring_, cqe);
    AETHER_ASSERT(in_ring_ > 0);
    --in_ring_;
    on_completion(*request, result);
  }
}

void UringQueue::on_completion(IoRequest& request, int result) {
  auto& file = *static_cast<PosixFile*>(request.file);
  const bool is_read = request.kind == IoRequest::Kind::read;
  // Cancelled: the thread that submitted it has ended, and the queue is now another one's.
  if (result == -EINTR || result == -EAGAIN || result == -ECANCELED) {
    return waiting_.push_back(&request);
  }
  if (result < 0 || (result == 0 && !is_read)) {
    request.result = base::or_no_memory([&]() -> Result<void> {
      return os_error_at(result < 0 ? -result : EIO, is_read ? "read" : "write", file.path(),
                         request.offset, request.size);
    });
    return finish(request);
  }
  const uint64_t asked = std::min(request.size - request.transferred, kTransferBytesMax);
  const uint64_t moved = static_cast<uint64_t>(result);
  AETHER_ASSERT(moved <= asked);
  request.transferred += moved;
  const bool whole = request.transferred == request.size;
  const bool ended = moved == 0 || (is_read && moved < asked &&
                                    file.ends_at(request.offset + request.transferred));
  if (whole || ended) return finish(request);
  waiting_.push_back(&request);
}

/// Pushes what waits, as far as the depth allows, with what the kernel did not take last time.
Result<void> UringQueue::start_waiting() {
  const uint64_t count = std::min<uint64_t>(waiting_.size(), depth_ - in_ring_);
  if (count == 0 && io_uring_sq_ready(&ring_) == 0) return {};
  for (uint64_t i = 0; i < count; ++i) push(*waiting_[i]);
  waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
  return enter(0);
}

Result<void> UringQueue::submit(std::span<IoRequest* const> requests) {
  if (!process_.is_here())  // The ring is memory that a child of fork shares.
    return Error(Code::closed,
                 "the transfers' queue was made before the fork that made this process");
  waiting_.reserve(in_flight() + requests.size());
  finished_.reserve(in_flight() + requests.size());
  for (IoRequest* request : requests) {
    request->transferred = 0;
    request->result = {};
    if (request->size == 0) {
      finish(*request);
    } else {
      waiting_.push_back(request);
    }
  }
  AETHER_TRY(start_waiting());
  while (!waiting_.empty()) {
    AETHER_TRY(enter(1));
    reap();
    AETHER_TRY(start_waiting());
  }
  return {};
}

Result<void> UringQueue::complete(uint64_t at_least, std::vector<IoRequest*>& done) {
  const uint64_t wanted = std::min(at_least, in_flight());
  reap();
  AETHER_TRY(start_waiting());
  while (finished_.size() < wanted) {
    // Woken once for all that are asked for, unless some are short and go again.
    const uint64_t missing = wanted - finished_.size();
    AETHER_TRY(enter(static_cast<uint32_t>(std::min(missing, in_ring_))));
    reap();
    AETHER_TRY(start_waiting());
  }
  done.insert(done.end(), finished_.begin(), finished_.end());
  finished_.clear();
  return {};
}

}  // namespace

Result<std::unique_ptr<IoQueue>> make_uring_queue(uint32_t depth) {
  auto queue = std::make_unique<UringQueue>(depth);
  const int rc = queue->init();
  if (rc != 0) {
    return Error(Code::unsupported,
                 std::string("io_uring_setup: ") + std::strerror(-rc) +
                     "; the kernel refuses a ring: open with IoMode::threads",
                 -rc);
  }
  return std::unique_ptr<IoQueue>(std::move(queue));
}

}  // namespace aether::os

#else

namespace aether::os {

Result<std::unique_ptr<IoQueue>> make_uring_queue(uint32_t) {
  return Error(Code::unsupported, "this build has no io_uring: open with IoMode::threads", ENOSYS);
}

}  // namespace aether::os

#endif
