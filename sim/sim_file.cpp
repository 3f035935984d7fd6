#include "sim/sim_file.h"

#include <algorithm>
#include <cerrno>

#include "base/bytes.h"
#include "os/errors.h"
#include "sim/alloc_faults.h"

namespace aether::sim {

using os::os_error;
using os::os_error_at;

SimOs::Struck SimFile::begin(StepKind kind, uint64_t offset, uint64_t size, const void* data) {
  const bool changes = kind == StepKind::write || kind == StepKind::sync ||
                       kind == StepKind::truncate || kind == StepKind::allocate;
  if (closed_ || (changes && kind != StepKind::sync && !flags_.write)) return {EBADF};
  return os_.begin({.kind = kind,
                    .path = path_,
                    .offset = offset,
                    .size = size,
                    .data = data,
                    .changes_disk = changes});
}

int SimFile::check(uint64_t offset, const void* data, uint64_t size) const {
  if (!flags_.direct) return 0;
  const uint64_t bits = offset | size | reinterpret_cast<uint64_t>(data);
  return bits % os::kDirectAlignment == 0 ? 0 : EINVAL;
}

Result<uint64_t> SimFile::read_at(uint64_t offset, void* data, uint64_t size) {
  const alloc_faults::Paused paused;
  int errnum = check(offset, data, size);
  if (errnum == 0) errnum = begin(StepKind::read, offset, size).errnum;
  if (errnum != 0) return os_error_at(errnum, "read", path_, offset, size);
  os::LockGuard lock(os_.mutex_);
  return os_.disk_.read(inode_, offset, data, size);
}

Result<void> SimFile::write_at(uint64_t offset, const void* data, uint64_t size) {
  const alloc_faults::Paused paused;
  int errnum = check(offset, data, size);
  if (errnum != 0) return os_error_at(errnum, "write", path_, offset, size);
  const SimOs::Struck struck = begin(StepKind::write, offset, size, data);
  errnum = struck.errnum;
  os::LockGuard lock(os_.mutex_);
  if (struck.lost() || struck.misdirected()) {
    errnum = write_lying(struck, offset, data, size);
  } else if (errnum == 0) {
    errnum = os_.disk_.write(inode_, offset, data, size);
  } else if (errnum != EBADF) {
    write_some(offset, data, size);
  }
  if (errnum != 0) return os_error_at(errnum, "write", path_, offset, size);
  return {};
}

/// The file is as long as if the bytes had come where they belong; there are others there.
int SimFile::write_lying(const SimOs::Struck& struck, uint64_t offset, const void* data,
                         uint64_t size) {
  const uint64_t end = offset + size;
  if (end > os_.disk_.size(inode_)) {
    if (const int errnum = os_.disk_.truncate(inode_, end)) return errnum;
  }
  const int64_t place = static_cast<int64_t>(offset) + struck.shift;
  if (struck.lost() || place < 0) return 0;
  // Beyond the end of the file is somebody else's place on the disk.
  const uint64_t to = static_cast<uint64_t>(place);
  const uint64_t size_now = os_.disk_.size(inode_);
  if (to >= size_now) return 0;
  return os_.disk_.write(inode_, to, data, std::min(size, size_now - to));
}

/// A failed write: some of its sectors are written, in at most 16 pieces.
void SimFile::write_some(uint64_t offset, const void* data, uint64_t size) {
  const uint64_t piece_bytes = base::align_up(std::max(size / 16, kSectorBytes), kSectorBytes);
  for (uint64_t done = 0; done < size;) {
    // Pieces end where sectors end, so that none is written in part unless the write itself was so.
    const uint64_t end = std::min(offset + size, base::align_up(offset + done + 1, kSectorBytes) +
                                                     piece_bytes - kSectorBytes);
    const uint64_t piece = end - (offset + done);
    if (os_.random_.percent(50)) {
      // A full disk stops it earlier; the call fails in any case.
      static_cast<void>(
          os_.disk_.write(inode_, offset + done, static_cast<const char*>(data) + done, piece));
    }
    done += piece;
  }
}

Result<void> SimFile::sync() {
  const alloc_faults::Paused paused;
  const SimOs::Struck struck = begin(StepKind::sync);
  const int errnum = struck.errnum;
  if (errnum == EBADF && closed_) return os_error(errnum, "sync", path_);
  if (struck.lost()) return {};
  os::LockGuard lock(os_.mutex_);
  if (errnum != 0) {
    if (os_.options_.fsyncgate) os_.disk_.abandon(inode_);
    return os_error(errnum, "sync", path_);
  }
  os_.disk_.sync(inode_);
  return {};
}

Result<uint64_t> SimFile::size() {
  const alloc_faults::Paused paused;
  if (const int errnum = begin(StepKind::stat).errnum) return os_error(errnum, "stat", path_);
  os::LockGuard lock(os_.mutex_);
  return os_.disk_.size(inode_);
}

Result<void> SimFile::truncate(uint64_t size) {
  const alloc_faults::Paused paused;
  int errnum = begin(StepKind::truncate, size).errnum;
  os::LockGuard lock(os_.mutex_);
  if (errnum == 0) errnum = os_.disk_.truncate(inode_, size);
  if (errnum != 0) return os_error_at(errnum, "truncate", path_, size, 0);
  return {};
}

Result<void> SimFile::allocate(uint64_t offset, uint64_t size) {
  const alloc_faults::Paused paused;
  int errnum = begin(StepKind::allocate, offset, size).errnum;
  os::LockGuard lock(os_.mutex_);
  if (errnum == 0) errnum = os_.disk_.allocate(inode_, offset, size);
  if (errnum != 0) return os_error_at(errnum, "allocate", path_, offset, size);
  return {};
}

Result<bool> SimFile::try_lock() {
  const alloc_faults::Paused paused;
  if (const int errnum = begin(StepKind::lock).errnum) return os_error(errnum, "lock", path_);
  os::LockGuard lock(os_.mutex_);
  const auto [holder, taken] = os_.locks_.try_emplace(inode_, this);
  return taken || holder->second == this;
}

Result<void> SimFile::close() {
  const alloc_faults::Paused paused;
  if (closed_) return {};
  const int errnum = begin(StepKind::close).errnum;
  let_go();
  if (errnum != 0) return os_error(errnum, "close", path_);
  return {};
}

void SimFile::let_go() {
  const alloc_faults::Paused paused;
  if (closed_) return;
  closed_ = true;
  os::LockGuard lock(os_.mutex_);
  const auto held = os_.locks_.find(inode_);
  if (held != os_.locks_.end() && held->second == this) os_.locks_.erase(held);
  os_.disk_.closed(inode_);
  --os_.open_files_;
}

Result<void> SimQueue::submit(std::span<os::IoRequest* const> requests) {
  const alloc_faults::Paused paused;
  std::vector<os::IoRequest*> order(requests.begin(), requests.end());
  random_.shuffle(order);
  for (os::IoRequest* request : order) {
    request->transferred = 0;
    request->result = {};
    if (request->kind == os::IoRequest::Kind::read) {
      Result<uint64_t> moved = request->file->read_at(request->offset, request->data,
                                                      request->size);
      if (moved) {
        request->transferred = *moved;
      } else {
        request->result = std::move(moved).error();
      }
    } else {
      request->result = request->file->write_at(request->offset, request->data, request->size);
      if (request->result) request->transferred = request->size;
    }
    finished_.push_back(request);
  }
  return {};
}

Result<void> SimQueue::complete(uint64_t at_least, std::vector<os::IoRequest*>& done) {
  const alloc_faults::Paused paused;
  random_.shuffle(finished_);
  const uint64_t wanted = std::min<uint64_t>(at_least, finished_.size());
  const uint64_t count = wanted + random_.below(finished_.size() - wanted + 1);
  done.insert(done.end(), finished_.end() - static_cast<std::ptrdiff_t>(count), finished_.end());
  finished_.resize(finished_.size() - count);
  return {};
}

}  // namespace aether::sim
