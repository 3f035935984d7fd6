/// Bytes in and out of the command: files, pipes, standard input and output.
///
/// Threads     One thread at a time each.
/// Ownership   Both close what they opened, and leave standard input and output open.
/// Errors      not_found and io_error with errno and the file's name; EPIPE marks a reader that has gone.
///             Interrupted calls go on, unless a stop was requested: then the input ends early, which
///             callers tell from its end by `stop_requested()`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "aether/error.h"
#include "aether/options.h"

namespace aether::cli {

/// An input, read in blocks and handed out in lines.
class LineReader {
 public:
  /// `path` "-" is standard input. No line may be longer than `line_bytes_max`.
  static Result<LineReader> open(const std::string& path, uint64_t line_bytes_max);
  /// Reads from memory; for tests.
  static LineReader from_text(std::string text, uint64_t line_bytes_max = UINT64_MAX);
  LineReader(LineReader&& other) noexcept;
  LineReader& operator=(LineReader&&) = delete;
  ~LineReader();

  /// Reads the next line. False: the input has ended. Memory grows with the longest line, to at most
  /// twice its length. Errors: too_large (names the line).
  Result<bool> next();
  /// The line without its end, valid until the next call.
  Bytes line() const noexcept { return line_; }
  /// The line that `next` read: 1 for the first.
  uint64_t line_number() const noexcept { return line_number_; }
  /// False for a last line that ends with the input.
  bool line_was_ended() const noexcept { return line_was_ended_; }
  /// The first bytes of the input, at most 64 KiB, without consuming them.
  Result<Bytes> peek();

  /// "NAME, line N, column C: MESSAGE"; `column` 0 names no column.
  Error error_at(uint64_t column, const std::string& message,
                 Code code = Code::invalid_argument) const;

  const std::string& name() const noexcept { return name_; }
  uint64_t bytes_consumed() const noexcept { return consumed_; }
  /// None for a pipe or a terminal.
  std::optional<uint64_t> total_bytes() const noexcept { return total_bytes_; }

 private:
  LineReader(std::string name, int file, uint64_t line_bytes_max) noexcept
      : name_(std::move(name)), file_(file), line_bytes_max_(line_bytes_max) {}
  Result<void> fill();

  std::string name_;
  int file_;  ///< -1: no more to read.
  uint64_t line_bytes_max_;
  std::optional<uint64_t> total_bytes_;
  std::unique_ptr<char[]> buffer_;
  uint64_t capacity_ = 0;
  uint64_t begin_ = 0;  ///< First byte not yet handed out.
  uint64_t end_ = 0;    ///< Behind the last byte read.
  Bytes line_;
  uint64_t line_number_ = 0;
  bool line_was_ended_ = true;
  uint64_t consumed_ = 0;
};

/// Reads all of `path` ("-": standard input). Errors: too_large beyond `bytes_max`.
Result<std::string> read_whole(const std::string& path, uint64_t bytes_max);

/// An output with a buffer. Nothing is promised to be written before `finish`.
class Output {
 public:
  static Output standard() noexcept { return Output("standard output", 1); }
  /// Writes to `path`.partial, which `finish` renames to `path`: a file of that name is always whole.
  static Result<Output> create(const std::string& path);
  Output(Output&& other) noexcept;
  Output& operator=(Output&&) = delete;
  /// Removes an unfinished file.
  ~Output();

  Result<void> write(Bytes bytes);
  Result<void> flush();
  Result<void> finish();
  uint64_t bytes_written() const noexcept { return bytes_written_; }

 private:
  Output(std::string name, int file) noexcept : name_(std::move(name)), file_(file) {}
  Result<void> write_out(Bytes bytes);

  std::string name_;
  int file_;
  std::string buffer_;
  uint64_t bytes_written_ = 0;
};

}  // namespace aether::cli
