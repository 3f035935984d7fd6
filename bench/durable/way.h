/// The ways in which a program can make a write durable, and how long each takes on this disk.
///
/// Threads  One.
#pragma once

#include <cstdint>
#include <string>

#include "aether/error.h"
#include "peers/histogram.h"

namespace aether::bench::durable {

enum class Call : uint8_t {
  fsync,      ///< pwrite, then fsync: also times and owner.
  fdatasync,  ///< pwrite, then fdatasync: what reading the bytes again needs.
  o_dsync,    ///< pwrite to a file opened with O_DSYNC.
  rwf_dsync,  ///< pwritev2 with RWF_DSYNC.
  uring,      ///< io_uring: a write, and an fdatasync linked behind it, submitted together.
};

/// What the file is before it is written.
enum class Layout : uint8_t {
  growing,    ///< Empty: each write makes it longer.
  allocated,  ///< Its blocks are reserved, but were never written (posix_fallocate).
  written,    ///< Zeros were written, and synced.
};

struct Way {
  Call call = Call::fdatasync;
  Layout layout = Layout::written;
  bool direct = false;  ///< O_DIRECT: past the page cache.
  uint32_t bytes = 4096;
};

const char* word_of(Call call) noexcept;
const char* word_of(Layout layout) noexcept;

/// Writes one after the other, each durable before the next, for `seconds`; each timed in nanoseconds. Makes the file `path`
/// and removes it. Errors: unsupported (the file system or the kernel does not know that way), io_error, no_space.
Result<Histogram> time_way(const Way& way, const std::string& path, double seconds);

}  // namespace aether::bench::durable
