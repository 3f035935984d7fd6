#include "aether/error.h"

#include <cstdio>

namespace aether {

const char* to_string(Code code) noexcept {
  switch (code) {
    case Code::not_found: return "not_found";
    case Code::exists: return "exists";
    case Code::conflict: return "conflict";
    case Code::deadlock: return "deadlock";
    case Code::busy: return "busy";
    case Code::timed_out: return "timed_out";
    case Code::invalid_argument: return "invalid_argument";
    case Code::unsupported: return "unsupported";
    case Code::closed: return "closed";
    case Code::too_large: return "too_large";
    case Code::io_error: return "io_error";
    case Code::corruption: return "corruption";
    case Code::no_space: return "no_space";
    case Code::no_memory: return "no_memory";
    case Code::failed: return "failed";
  }
  return "unknown";
}

Error Error::with_context(std::string_view context) && noexcept {
  try {
    std::string text(context);
    text += ": ";
    text += message();
    return Error(code_, std::move(text), os_errno_);
  } catch (const std::bad_alloc&) {
    return std::move(*this);
  }
}

Error Error::clone() const noexcept {
  Error copy(code_);
  copy.os_errno_ = os_errno_;
  try {
    if (detail_) copy.detail_ = std::make_unique<std::string>(*detail_);
  } catch (const std::bad_alloc&) {
    // The code says what to do.
  }
  return copy;
}

namespace detail {

void bad_result_access(const char* what) noexcept {
  std::fprintf(stderr, "aether: %s\n", what);
  std::abort();
}

}  // namespace detail
}  // namespace aether
