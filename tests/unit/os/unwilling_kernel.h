/// The system calls that unit_os's files make come by here, so that a test can have an unwilling kernel: transfers cut short
/// or interrupted, a file system without fallocate. They are defined in file_test.cpp.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace aether::testing_support {

struct Kernel {
  std::atomic<size_t> transfer_bytes_max{SIZE_MAX};
  std::atomic<bool> interrupt_every_second_call{false};
  std::atomic<bool> has_fallocate{true};
  /// fallocate finds half of what is asked for, keeps it, and says ENOSPC: as ext4 does.
  std::atomic<bool> is_full{false};
  std::atomic<int> calls{0};
  std::atomic<uint64_t> transfers_cut{0};       ///< By pread and pwrite.
  std::atomic<uint64_t> ring_transfers_cut{0};  ///< In an io_uring.

  bool interrupts() { return interrupt_every_second_call && ++calls % 2 == 1; }
  size_t cut(size_t size) const { return std::min(size, transfer_bytes_max.load()); }
  void reset() {
    transfer_bytes_max = SIZE_MAX;
    interrupt_every_second_call = false;
    has_fallocate = true;
    is_full = false;
    calls = 0;
    transfers_cut = ring_transfers_cut = 0;
  }
};
extern Kernel kernel;

}  // namespace aether::testing_support
