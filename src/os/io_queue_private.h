/// The two production forms of IoQueue.
#pragma once

#include <cstdint>
#include <memory>

#include "os/os.h"

namespace aether::os {

inline constexpr uint32_t kQueueDepthMax = 4096;

/// One ring, used by one thread at a time, no lock. Errors: unsupported where the kernel (or this
/// build) has no io_uring; the errno is the kernel's answer.
Result<std::unique_ptr<IoQueue>> make_uring_queue(uint32_t depth);

/// A few threads with pread and pwrite. Errors: no_memory if no thread can be had.
Result<std::unique_ptr<IoQueue>> make_thread_queue(uint32_t depth, Os& os);

}  // namespace aether::os
