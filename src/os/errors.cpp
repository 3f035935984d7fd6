#include <cerrno>
#include <cstring>
#include <new>

#include "os/errors.h"

namespace aether::os {

namespace {

/// What an operator can do about it; empty where the errno says enough.
const char* advice(int errnum) noexcept {
  switch (errnum) {
    case ENOSPC: return "; free space on the file system, then try again";
    case EDQUOT: return "; free space or raise the quota, then try again";
    case EACCES:
    case EPERM: return "; check the owner and mode of the path";
    case EROFS: return "; the file system is mounted read-only";
    case ELOOP: return "; a symbolic link is not followed here: give the path it points to";
    case EMFILE: return "; raise the process's limit of open files (ulimit -n)";
    case ENFILE: return "; raise the system's limit of open files (fs.file-max)";
    case EIO: return "; the device or file system is failing: see the kernel's log";
    default: return "";
  }
}

Error make(int errnum, std::string message) {
  char buffer[128];
  message += ": ";
  message += strerror_r(errnum, buffer, sizeof buffer);
  message += advice(errnum);
  return Error(code_of(errnum), std::move(message), errnum);
}

std::string describe(std::string_view operation, std::string_view path) {
  std::string text(operation);
  text += ' ';
  text += path;
  return text;
}

}  // namespace

Code code_of(int errnum) noexcept {
  switch (errnum) {
    case ENOENT: return Code::not_found;
    case EEXIST:
    case ENOTEMPTY: return Code::exists;
    case EISDIR:
    case ENOTDIR:
    case EINVAL: return Code::invalid_argument;
    case ENOMEM: return Code::no_memory;
    case ENOSPC:
    case EDQUOT: return Code::no_space;
    default: return Code::io_error;
  }
}

Error os_error(int errnum, std::string_view operation, std::string_view path) noexcept {
  try {
    return make(errnum, describe(operation, path));
  } catch (const std::bad_alloc&) {
    return Error(code_of(errnum), std::string(), errnum);
  }
}

Error os_error_at(int errnum, std::string_view operation, std::string_view path, uint64_t offset,
                  uint64_t size) noexcept {
  try {
    std::string text = describe(operation, path);
    text += " at offset " + std::to_string(offset) + " (" + std::to_string(size) + " bytes)";
    return make(errnum, std::move(text));
  } catch (const std::bad_alloc&) {
    return Error(code_of(errnum), std::string(), errnum);
  }
}

}  // namespace aether::os
