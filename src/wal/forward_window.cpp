#include "wal/forward_window.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"

namespace aether::wal {

void ForwardWindow::wait() noexcept {
  done_.clear();  // Has room for the one.
  while (queue_ != nullptr && queue_->in_flight() > 0) {
    const Result<void> completed = queue_->complete(1, done_);
    AETHER_ASSERT(completed.has_value());
  }
}

void ForwardWindow::forget() noexcept {
  wait();
  is_started_ = false;
  size_ = 0;
  file_ = nullptr;
}

void ForwardWindow::begin(os::File& file, uint64_t end) noexcept {
  forget();
  file_ = &file;
  end_ = end;
}

Result<std::string_view> ForwardWindow::bytes(uint64_t offset, uint64_t size) {
  if (!holds(offset, size)) AETHER_TRY(move_to(offset, size));
  const uint64_t skip = offset - begin_;
  const uint64_t there = std::min(size, size_ - std::min(skip, size_));
  return std::string_view(reinterpret_cast<const char*>(data_) + skip, there);
}

Result<void> ForwardWindow::move_to(uint64_t offset, uint64_t size) {
  if (is_started_ && follows(offset)) {
    AETHER_TRY(take_next(offset));
    start_next();
    if (holds(offset, size)) return {};
  }
  wait();  // What was on its way is for elsewhere.
  is_started_ = false;
  // Whole slots, so that a file opened with `direct` takes the offsets.
  const uint64_t wanted = std::min(std::max(size, read_bytes_), end_ - offset);
  const bool goes_on = offset >= begin_ && offset <= begin_ + size_ && size_ >= read_bytes_;
  size_ = 0;
  if (buffer_.bytes() < wanted) {
    AETHER_TRY_ASSIGN(buffer_, AlignedBuffer::make(wanted));
  }
  AETHER_TRY_ASSIGN(size_, file_->read_at(offset, buffer_.data(), wanted));
  data_ = buffer_.data();
  begin_ = offset;
  if (goes_on) start_next();
  return {};
}

/// Is what is read ahead, with what the window still holds, the next window?
bool ForwardWindow::follows(uint64_t offset) const noexcept {
  return offset >= begin_ && offset <= request_.offset && request_.offset == begin_ + size_ &&
         request_.offset - offset <= read_bytes_;
}

Result<void> ForwardWindow::take_next(uint64_t offset) {
  wait();
  is_started_ = false;
  AETHER_TRY(std::move(request_.result));
  const uint64_t kept = begin_ + size_ - offset;
  std::byte* const to = next_.data() + read_bytes_ - kept;
  std::memcpy(to, data_ + (offset - begin_), kept);
  std::swap(buffer_, next_);
  data_ = to;
  begin_ = offset;
  size_ = kept + request_.transferred;
  return {};
}

/// Reading ahead only makes things faster: without memory or a queue it is left out.
void ForwardWindow::start_next() noexcept {
  const uint64_t next = begin_ + size_;
  const bool is_worth_it = ahead_ == Ahead::yes && next < end_ && size_ >= read_bytes_;
  if (!is_worth_it || is_started_) return;
  const Result<void> started = base::or_no_memory([&]() -> Result<void> {
    if (queue_ == nullptr) {
      AETHER_TRY_ASSIGN(queue_, os_.make_io_queue(1, io_mode_));
    }
    done_.reserve(1);
    if (next_.bytes() < 2 * read_bytes_) {
      AETHER_TRY_ASSIGN(next_, AlignedBuffer::make(2 * read_bytes_));
    }
    request_ = {};
    request_.kind = os::IoRequest::Kind::read;
    request_.file = file_;
    request_.offset = next;
    request_.data = next_.data() + read_bytes_;
    request_.size = std::min(read_bytes_, end_ - next);
    os::IoRequest* const request = &request_;
    return queue_->submit({&request, 1});
  });
  is_started_ = started.has_value();
}

}  // namespace aether::wal
