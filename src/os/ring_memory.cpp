#include "os/ring_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace aether::os {
namespace {

Error refused(uint64_t bytes, int os_errno) {
  return Error(Code::no_memory,
               "no memory for a ring of " + std::to_string(bytes) + " bytes; make it smaller",
               os_errno);
}

}  // namespace

RingMemory::~RingMemory() {
  if (data_ != nullptr) munmap(data_, 2 * bytes_);
}

Result<RingMemory> RingMemory::map(uint64_t bytes) {
  const int file = memfd_create("aether-ring", MFD_CLOEXEC);
  if (file < 0) return refused(bytes, errno);
  if (ftruncate(file, static_cast<off_t>(bytes)) != 0) {
    const int os_errno = errno;
    ::close(file);
    return refused(bytes, os_errno);
  }

  // Reserve both places at once, then lay the file over each half: nothing else can get in between.
  void* const place = mmap(nullptr, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (place == MAP_FAILED) {
    const int os_errno = errno;
    ::close(file);
    return refused(bytes, os_errno);
  }
  RingMemory ring;
  ring.data_ = static_cast<std::byte*>(place);
  ring.bytes_ = bytes;
  for (std::byte* half : {ring.data_, ring.data_ + bytes}) {
    if (mmap(half, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED) {
      const int os_errno = errno;
      ::close(file);
      return refused(bytes, os_errno);
    }
  }
  ::close(file);  // The mappings keep the memory.
  return ring;
}

}  // namespace aether::os
