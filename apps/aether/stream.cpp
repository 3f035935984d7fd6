#include "apps/aether/stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "apps/aether/signals.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

constexpr uint64_t kBlockBytes = 256 * KiB;
constexpr uint64_t kPeekBytes = 64 * KiB;

Error system_error(const std::string& name, const char* doing, int error) {
  Code code = Code::io_error;
  if (error == ENOENT) code = Code::not_found;
  if (error == ENOSPC || error == EDQUOT) code = Code::no_space;
  if (error == EISDIR || error == ENOTDIR) code = Code::invalid_argument;
  return Error(code, name + ": cannot " + doing + ": " + std::strerror(error), error);
}

// The files named on the command line are the user's, not the engine's: they are opened here, not by os.
Result<int> open_input(const std::string& path) {
  if (path == "-") return STDIN_FILENO;
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);  // tidy: allow, see above
  if (file < 0) return system_error(path, "open it", errno);
  return file;
}

/// Reads once; zero at the end, or where a stop was requested while it waited.
Result<uint64_t> read_some(int file, const std::string& name, char* to, uint64_t size) {
  for (;;) {
    const ssize_t got = ::read(file, to, size);
    if (got >= 0) return static_cast<uint64_t>(got);
    if (errno != EINTR) return system_error(name, "read it", errno);
    if (stop_requested()) return uint64_t{0};
  }
}

}  // namespace

Result<LineReader> LineReader::open(const std::string& path, uint64_t line_bytes_max) {
  AETHER_TRY_ASSIGN(const int file, open_input(path));
  LineReader reader(path == "-" ? "standard input" : path, file, line_bytes_max);
  struct stat status = {};
  if (::fstat(file, &status) == 0) {
    if (S_ISDIR(status.st_mode)) return system_error(path, "read it", EISDIR);
    if (S_ISREG(status.st_mode)) reader.total_bytes_ = static_cast<uint64_t>(status.st_size);
  }
  return reader;
}

LineReader LineReader::from_text(std::string text, uint64_t line_bytes_max) {
  LineReader reader("text", -1, line_bytes_max);
  reader.capacity_ = std::max<uint64_t>(text.size(), 1);
  reader.buffer_ = std::make_unique<char[]>(reader.capacity_);
  reader.end_ = text.size();
  std::memcpy(reader.buffer_.get(), text.data(), text.size());
  return reader;
}

LineReader::LineReader(LineReader&& other) noexcept
    : name_(std::move(other.name_)),
      file_(std::exchange(other.file_, -1)),
      line_bytes_max_(other.line_bytes_max_),
      total_bytes_(other.total_bytes_),
      buffer_(std::move(other.buffer_)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      end_(std::exchange(other.end_, 0)),
      line_(other.line_),
      line_number_(other.line_number_),
      line_was_ended_(other.line_was_ended_),
      consumed_(other.consumed_) {}

LineReader::~LineReader() {
  if (file_ > STDERR_FILENO) ::close(file_);
}

/// Reads one more block behind what is there, moving it to the front or growing the buffer as needed.
Result<void> LineReader::fill() {
  if (end_ == capacity_ && begin_ > 0) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ == capacity_) {
    const uint64_t wider = std::max(kBlockBytes, capacity_ * 2);
    auto grown = std::make_unique_for_overwrite<char[]>(wider);
    if (end_ > 0) std::memcpy(grown.get(), buffer_.get(), end_);
    buffer_ = std::move(grown);
    capacity_ = wider;
  }
  AETHER_TRY_ASSIGN(const uint64_t got,
                    read_some(file_, name_, buffer_.get() + end_, capacity_ - end_));
  end_ += got;
  if (got == 0) {
    if (file_ > STDERR_FILENO) ::close(file_);
    file_ = -1;
  }
  return {};
}

Result<bool> LineReader::next() {
  uint64_t searched = 0;
  for (;;) {
    const char* from = buffer_.get() + begin_;
    const uint64_t there = end_ - begin_;
    const void* found = there > searched ? std::memchr(from + searched, '\n', there - searched)
                                         : nullptr;
    const uint64_t length = found != nullptr
                                ? static_cast<uint64_t>(static_cast<const char*>(found) - from)
                                : there;
    if (length > line_bytes_max_) {
      return Error(Code::too_large, name_ + ", line " + with_commas(line_number_ + 1) +
                                        ": longer than " + human_bytes(line_bytes_max_) +
                                        ", which no row can need");
    }
    if (found != nullptr || (file_ < 0 && there > 0)) {
      line_ = Bytes(from, length);
      line_was_ended_ = found != nullptr;
      const uint64_t taken = length + (line_was_ended_ ? 1 : 0);
      begin_ += taken;
      consumed_ += taken;
      ++line_number_;
      return true;
    }
    if (file_ < 0) return false;
    searched = there;
    AETHER_TRY(fill());
  }
}

Result<Bytes> LineReader::peek() {
  while (file_ >= 0 && end_ - begin_ < kPeekBytes) AETHER_TRY(fill());
  return Bytes(buffer_.get() + begin_, std::min(end_ - begin_, kPeekBytes));
}

Error LineReader::error_at(uint64_t column, const std::string& message, Code code) const {
  std::string place = name_ + ", line " + with_commas(line_number_);
  if (column != 0) place += ", column " + with_commas(column);
  return Error(code, place + ": " + message);
}

Result<std::string> read_whole(const std::string& path, uint64_t bytes_max) {
  AETHER_TRY_ASSIGN(const int file, open_input(path));
  const std::string name = path == "-" ? "standard input" : path;
  // One byte more than a file has shows its end without growing: a value of 1 GiB is held once.
  struct stat status = {};
  const bool sized = ::fstat(file, &status) == 0 && S_ISREG(status.st_mode);
  const uint64_t expected = sized ? static_cast<uint64_t>(status.st_size) : 0;
  std::string bytes(std::min(expected, bytes_max) + 1, '\0');
  uint64_t size = 0;
  Result<void> outcome;
  for (;;) {
    if (size == bytes.size()) bytes.resize(std::max(kBlockBytes, size * 2));
    Result<uint64_t> got = read_some(file, name, bytes.data() + size, bytes.size() - size);
    if (!got) outcome = std::move(got).error();
    if (!got || *got == 0) break;
    size += *got;
    if (size > bytes_max) {
      outcome = Error(Code::too_large,
                      name + ": longer than the largest value, " + human_bytes(bytes_max));
      break;
    }
  }
  if (file > STDERR_FILENO) ::close(file);
  AETHER_TRY(std::move(outcome));
  bytes.resize(size);
  return bytes;
}

Result<Output> Output::create(const std::string& path) {
  Output output(path, -1);
  const std::string partial = path + ".partial";
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC;
  output.file_ = ::open(partial.c_str(), kFlags, 0600);  // tidy: allow, see open_input
  if (output.file_ < 0) return system_error(partial, "create it", errno);
  return output;
}

Output::Output(Output&& other) noexcept
    : name_(std::move(other.name_)),
      file_(std::exchange(other.file_, -1)),
      buffer_(std::move(other.buffer_)),
      bytes_written_(other.bytes_written_) {}

Output::~Output() {
  if (file_ <= STDERR_FILENO) return;
  ::close(file_);
  ::unlink((name_ + ".partial").c_str());
}

Result<void> Output::write(Bytes bytes) {
  bytes_written_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBlockBytes) AETHER_TRY(flush());
  if (bytes.size() > kBlockBytes) return write_out(bytes);
  buffer_.append(bytes);
  return {};
}

Result<void> Output::flush() {
  Result<void> outcome = write_out(buffer_);
  buffer_.clear();  // Also after an error: nothing is written twice.
  return outcome;
}

Result<void> Output::write_out(Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t put = ::write(file_, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return system_error(name_, "write it", errno);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
  return {};
}

Result<void> Output::finish() {
  AETHER_TRY(flush());
  if (file_ <= STDERR_FILENO) return {};
  const std::string partial = name_ + ".partial";
  const bool synced = ::fsync(file_) == 0;  // tidy: allow, see open_input
  if (!synced) return system_error(partial, "sync it", errno);
  if (::close(std::exchange(file_, -1)) != 0) return system_error(partial, "close it", errno);
  if (std::rename(partial.c_str(), name_.c_str()) != 0) {
    return system_error(name_, "rename the finished file to it", errno);
  }
  return {};
}

}  // namespace aether::cli
