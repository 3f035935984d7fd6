/// Errors are values: `Result<T>` carries either a `T` or an `Error`.
///
/// A code says what the caller should do:
///   an ordinary answer   not_found, exists
///   retry                conflict, deadlock, busy, timed_out
///   fix the call         invalid_argument, unsupported, closed, too_large
///   call the operator    io_error, corruption, no_space, no_memory, failed
/// The message names file, page, offset or key and says what to do next; a bare code allocates nothing.
/// Every call that answers with a Result may answer no_memory: an allocation failed, and the call has changed nothing, unless
/// it says otherwise. No exception comes out of any.
///
/// Threads   Values; no shared state.
/// Source    The members of `Result` are those of std::expected (P0323), which g++ 12 lacks in C++20.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace aether {

/// Stable: the numbers are part of the ABI and of the command's exit codes (docs/CLI.md).
enum class Code : uint8_t {
  not_found = 1,         ///< No such key, store or environment.
  exists = 2,            ///< `insert` met the key, `create` met the store or environment.
  conflict = 3,          ///< Another transaction changed the row first: abort, then retry.
  deadlock = 4,          ///< Chosen as the victim of a deadlock: abort, then retry.
  busy = 5,              ///< In use by another process, or a resource is taken for the moment.
  timed_out = 6,         ///< A wait reached its limit.
  invalid_argument = 7,  ///< The call is wrong; the message says which argument.
  unsupported = 8,       ///< Written by a newer format, or the file system lacks something needed.
  closed = 9,            ///< The environment, transaction or cursor has ended.
  too_large = 10,        ///< Key, value or transaction exceeds a stated bound.
  io_error = 11,         ///< The operating system refused a read, write or sync; see os_errno().
  corruption = 12,       ///< Bytes on disk are not what was written; the message names the place.
  no_space = 13,         ///< The file system or a quota is full.
  no_memory = 14,        ///< An allocation failed.
  failed = 15,           ///< The environment stopped accepting writes after an earlier I/O failure.
};

/// The word that CLI, JSON and metrics print, for example "not_found". Never null.
const char* to_string(Code code) noexcept;

/// A code, the errno behind it (0 if none) and a message. Cheap to move; a bare code allocates nothing.
class Error {
 public:
  Error(Code code) noexcept
      : code_(code) {}  // NOLINT(google-explicit-constructor): reads as a return
  /// Where there is no memory for the message it goes without.
  Error(Code code, std::string message, int os_errno = 0) noexcept
      : code_(code),
        os_errno_(os_errno),
        detail_(message.empty() ? nullptr : new (std::nothrow) std::string(std::move(message))) {}

  Code code() const noexcept { return code_; }
  int os_errno() const noexcept { return os_errno_; }
  /// Lives as long as this error. Falls back to the code's word.
  std::string_view message() const noexcept {
    return detail_ ? std::string_view(*detail_) : std::string_view(to_string(code_));
  }
  /// The same error with `context` and ": " before its message. Without memory: as it was.
  Error with_context(std::string_view context) && noexcept;
  /// A copy. Without memory: of code and errno.
  Error clone() const noexcept;

 private:
  Code code_;
  int os_errno_ = 0;
  std::unique_ptr<std::string> detail_;
};

namespace detail {
/// Prints `what` and aborts: a caller used the value of a failed Result, or the error of a good one.
[[noreturn]] void bad_result_access(const char* what) noexcept;
}  // namespace detail

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT
  Result(Code code) : state_(std::in_place_index<1>, Error(code)) {}         // NOLINT

  bool has_value() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  T& value() & {
    if (!has_value()) detail::bad_result_access("value() of a failed Result");
    return *std::get_if<0>(&state_);
  }
  const T& value() const& { return const_cast<Result*>(this)->value(); }
  T&& value() && { return std::move(value()); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(value()); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) && { return has_value() ? std::move(value()) : std::move(other); }

  Error& error() & {
    if (has_value()) detail::bad_result_access("error() of a good Result");
    return *std::get_if<1>(&state_);
  }
  const Error& error() const& { return const_cast<Result*>(this)->error(); }
  Error&& error() && { return std::move(error()); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  using value_type = void;
  Result() noexcept = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  Result(Code code) : error_(Error(code)) {}         // NOLINT(google-explicit-constructor)

  bool has_value() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return has_value(); }
  void value() const {
    if (!has_value()) detail::bad_result_access("value() of a failed Result");
  }
  Error& error() & {
    if (has_value()) detail::bad_result_access("error() of a good Result");
    return *error_;
  }
  const Error& error() const& { return const_cast<Result*>(this)->error(); }
  Error&& error() && { return std::move(error()); }

 private:
  std::optional<Error> error_;
};

}  // namespace aether

#define AETHER_DETAIL_CONCAT2(a, b) a##b
#define AETHER_DETAIL_CONCAT(a, b) AETHER_DETAIL_CONCAT2(a, b)

/// Returns the error of `expression` from the enclosing function, if it has one.
#define AETHER_TRY(expression)                                       \
  do {                                                               \
    if (auto aether_try_result = (expression); !aether_try_result) { \
      return std::move(aether_try_result).error();                   \
    }                                                                \
  } while (false)

/// `AETHER_TRY_ASSIGN(auto x, f())`: x is f's value, or the enclosing function returns f's error.
#define AETHER_TRY_ASSIGN(declaration, expression) \
  AETHER_DETAIL_TRY_ASSIGN(AETHER_DETAIL_CONCAT(aether_result_, __LINE__), declaration, expression)
#define AETHER_DETAIL_TRY_ASSIGN(temporary, declaration, expression) \
  auto temporary = (expression);                                     \
  if (!temporary) return std::move(temporary).error();               \
  declaration = *std::move(temporary)
