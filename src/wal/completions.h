/// Calls that wait until a commit is durable, in the order they came.
///
/// Threads   Any method from any thread. The calls are made without the mutex held, so they may add others.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <list>

#include "aether/error.h"
#include "os/sync.h"
#include "wal/lsn_vector.h"

namespace aether::wal {

class Completions {
 public:
  /// Must not throw.
  using Call = std::function<void(Result<void>)>;

  struct Waiting {
    LsnVector vector;
    Call call;
  };
  /// A call in a list of its own: all the memory that `add` needs, to be taken before the commit.
  using Entry = std::list<Waiting>;
  static Entry make(Call call);

  void add(const LsnVector& vector, Entry entry) noexcept;
  /// True if one waits. One load.
  bool any() const noexcept { return count_.load(std::memory_order_seq_cst) != 0; }
  /// Takes out and calls those whose vector `durable` covers, with ok; and if `failure` is not null all others, with a
  /// copy of it. Each is called by one thread only, and dropped before this returns.
  void run(const LsnVector& durable, const Error* failure) noexcept;
  /// Until every call that `run` has taken out, on whatever thread, has returned.
  void wait_until_returned();

 private:
  os::Mutex mutex_;
  os::CondVar returned_;
  Entry waiting_ AETHER_GUARDED_BY(mutex_);
  uint32_t running_ AETHER_GUARDED_BY(mutex_) = 0;  ///< Threads that are at it.
  std::atomic<uint64_t> count_{0};                  ///< waiting_.size()
};

}  // namespace aether::wal
