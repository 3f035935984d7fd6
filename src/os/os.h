/// The one door to the operating system: files, directories, clocks, randomness, threads.
///
/// No other room names open, pread, fsync, mmap, a clock, a random device, std::thread or std::mutex
/// (tools/tidy enforces it), because a simulated body (sim/) must be able to own all of them.
///
/// Threads    Every method from any thread, unless it says otherwise.
/// Errors     io_error with the errno and the file's path; no_space for ENOSPC and EDQUOT; not_found
///            for ENOENT; exists for EEXIST; invalid_argument for EISDIR/ENOTDIR; no_memory for ENOMEM.
///            EINTR and short transfers are completed inside.
/// Rule       A failed write, sync or close is final for its file: the caller must not retry a sync and
///            call the data safe (Rebello et al.: "Can Applications Recover from fsync Failures?", ATC'20).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/options.h"
#include "os/local_socket.h"

namespace aether::os {

struct OpenFlags {
  bool write = false;      ///< Read and write; else read only.
  bool create = false;     ///< Make the file (mode 0600) if it is not there.
  bool exclusive = false;  ///< With create: `exists` if it is there.
  bool direct = false;  ///< O_DIRECT where the file system takes it; silently buffered where not.
      ///< Offsets, sizes and addresses must then be multiples of kDirectAlignment.
};

inline constexpr size_t kDirectAlignment = 4096;

/// An open file. Closed when dropped (errors are then lost: call `close` where they matter).
class File {
 public:
  virtual ~File() = default;

  /// Reads up to `size` bytes at `offset`. Fewer only where the file ends.
  virtual Result<uint64_t> read_at(uint64_t offset, void* data, uint64_t size) = 0;
  /// Writes all `size` bytes at `offset`, growing the file as needed.
  virtual Result<void> write_at(uint64_t offset, const void* data, uint64_t size) = 0;
  /// Makes what was written before this call durable, with the metadata needed to read it (fdatasync).
  virtual Result<void> sync() = 0;
  virtual Result<uint64_t> size() = 0;
  virtual Result<void> truncate(uint64_t size) = 0;
  /// Reserves space for [offset, offset + size) and grows the file to it; new bytes read as zero.
  /// no_space if there is none; then nothing has changed, and no space is kept.
  virtual Result<void> allocate(uint64_t offset, uint64_t size) = 0;
  /// Takes an exclusive lock on the file for this open file description, without waiting. False: somebody
  /// else holds it. Gone when the file is closed, also by the death of the process.
  virtual Result<bool> try_lock() = 0;
  virtual Result<void> close() = 0;
  virtual const std::string& path() const noexcept = 0;
};

/// One transfer of a batch. Filled in by the caller but for `error`.
struct IoRequest {
  enum class Kind : uint8_t { read, write };
  Kind kind = Kind::read;
  File* file = nullptr;
  uint64_t offset = 0;
  void* data = nullptr;
  uint64_t size = 0;
  uint64_t user_data = 0;  ///< The caller's own; untouched.
  uint64_t
      transferred = 0;  ///< Out: bytes moved. For a read, fewer than `size` where the file ends.
  Result<void> result;  ///< Out: as read_at or write_at.
};

/// Submits and completes transfers, many at a time. One thread at a time.
class IoQueue {
 public:
  virtual ~IoQueue() = default;
  /// Starts all `requests`; the memory of each must stay until it completes. May block while more than
  /// the queue's depth are in flight. Without memory for so many it throws std::bad_alloc, before it has started any.
  virtual Result<void> submit(std::span<IoRequest* const> requests) = 0;
  /// Waits until at least `at_least` of the started ones are complete and appends all complete ones to
  /// `done`, which has room for all in flight if no memory is to be needed. Errors of single transfers are in their
  /// `result`, not here.
  virtual Result<void> complete(uint64_t at_least, std::vector<IoRequest*>& done) = 0;
  virtual uint64_t in_flight() const noexcept = 0;
};

/// A running thread. Must be joined before it is dropped.
class Thread {
 public:
  virtual ~Thread() = default;
  virtual void join() = 0;
};

class Os {
 public:
  virtual ~Os() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenFlags flags) = 0;
  /// Mode 0700. `exists` if there is anything of that name.
  virtual Result<void> create_directory(const std::string& path) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  /// Replaces `to` atomically.
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  /// Names (not paths) in the directory, without "." and "..", ascending.
  virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
  virtual Result<bool> exists(const std::string& path) = 0;
  /// What the file system of `path` has left for this user. A body that does not know: UINT64_MAX.
  virtual Result<uint64_t> free_bytes(const std::string& path);
  /// Makes the names in the directory durable: creations, renames and removals before this call.
  virtual Result<void> sync_directory(const std::string& path) = 0;

  /// `depth`: most transfers in flight. Falls back to threads as `mode` allows.
  virtual Result<std::unique_ptr<IoQueue>> make_io_queue(uint32_t depth, IoMode mode) = 0;

  /// Lets processes of the same user connect at `path`; what was there by that name is removed before. A body without
  /// sockets: unsupported.
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& path);
  /// Errors: not_found (nobody listens there), timed_out; a body without sockets: unsupported.
  virtual Result<std::unique_ptr<Connection>> connect(const std::string& path, uint64_t timeout_ns);

  virtual uint64_t monotonic_ns() = 0;  ///< Never goes back; for durations only.
  virtual uint64_t wall_ns() = 0;       ///< Since 1970; may jump; never decides order.
  /// Lets that much time pass for the calling thread: to wait before another try, never for a condition.
  virtual void sleep_ns(uint64_t nanoseconds) = 0;
  virtual uint64_t random() = 0;  ///< 64 bits; from the seed in simulation.
  virtual uint64_t process_id() = 0;
  virtual uint32_t core_count() = 0;

  /// Starts a thread of that name (at most 15 bytes are shown by the system). no_memory if none can be had.
  virtual Result<std::unique_ptr<Thread>> spawn(const std::string& name,
                                                std::function<void()> body) = 0;
};

/// The production body. One object, alive until the process ends.
Os& production();

}  // namespace aether::os
