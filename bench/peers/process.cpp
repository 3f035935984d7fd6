#include "process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

namespace aether::bench {
namespace fs = std::filesystem;
namespace {

Error os_error(const std::string& what, int error = errno) {
  return Error(Code::io_error, what + ": " + std::strerror(error), error);
}

/// A descriptor that closes itself.
class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  ~Fd() { reset(); }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  int get() const noexcept { return fd_; }
  void reset() noexcept {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

/// The number after "`name`" in a /proc file of lines "name: number".
double proc_number(const char* path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(name, 0) == 0) return std::atof(line.c_str() + name.size());
  }
  return 0;
}

void write_all(int fd, const std::string& text) {
  for (size_t at = 0; at < text.size();) {
    const ssize_t n = ::write(fd, text.data() + at, text.size() - at);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // The parent is gone or has given up: nobody reads the rest.
    at += static_cast<size_t>(n);
  }
}

/// Reads until the child closes its end. False: the limit has passed.
bool read_until_closed(int fd, double limit_seconds, std::string& text) {
  const uint64_t end = clock_ns() + static_cast<uint64_t>(limit_seconds * 1e9);
  for (;;) {
    const uint64_t now = clock_ns();
    if (now >= end) return false;
    pollfd waiting{fd, POLLIN, 0};
    const int ready = ::poll(
        &waiting, 1, static_cast<int>(std::min<uint64_t>((end - now) / 1000000 + 1, 1000000)));
    if (ready <= 0) continue;
    char buffer[4096];
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return true;
    text.append(buffer, static_cast<size_t>(n));
  }
}

/// Small on purpose: the page cache then holds the copy in single pages. In the larger folios that
/// large writes make, one changed page is charged to the process as if the whole folio had been
/// written.
constexpr size_t kCopyBytes = 4096;

Result<void> copy_range(int from, int to, off_t begin, off_t end, const std::string& name) {
  std::vector<char> buffer(kCopyBytes);
  while (begin < end) {
    const auto wanted = std::min<size_t>(buffer.size(), static_cast<size_t>(end - begin));
    const ssize_t got = ::pread(from, buffer.data(), wanted, begin);
    if (got <= 0) return os_error("read " + name);
    for (ssize_t done = 0; done < got;) {
      const ssize_t n = ::pwrite(to, buffer.data() + done, static_cast<size_t>(got - done),
                                 begin + done);
      if (n <= 0) return os_error("write a copy of " + name);
      done += n;
    }
    begin += got;
  }
  return {};
}

Result<void> copy_file(const std::string& from_name, const std::string& to_name) {
  const Fd from(::open(from_name.c_str(), O_RDONLY | O_CLOEXEC));
  if (from.get() < 0) return os_error("open " + from_name);
  const Fd to(::open(to_name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (to.get() < 0) return os_error("create " + to_name);
  struct stat info {};
  if (::fstat(from.get(), &info) != 0) return os_error("stat " + from_name);
  if (::ftruncate(to.get(), info.st_size) != 0) return os_error("truncate " + to_name);
  for (off_t at = 0; at < info.st_size;) {
    const off_t data = ::lseek(from.get(), at, SEEK_DATA);
    if (data < 0 && errno == ENXIO) break;  // Only a hole is left.
    if (data < 0) return os_error("seek " + from_name);
    const off_t hole = ::lseek(from.get(), data, SEEK_HOLE);
    if (hole < 0) return os_error("seek " + from_name);
    AETHER_TRY(copy_range(from.get(), to.get(), data, hole, from_name));
    at = hole;
  }
  if (::fsync(to.get()) != 0) return os_error("sync " + to_name);
  return {};
}

}  // namespace

Usage usage_now() {
  Usage usage;
  rusage self{};
  ::getrusage(RUSAGE_SELF, &self);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  usage.cpu_seconds = seconds(self.ru_utime) + seconds(self.ru_stime);
  usage.bytes_read = static_cast<uint64_t>(proc_number("/proc/self/io", "read_bytes:"));
  usage.bytes_written = static_cast<uint64_t>(proc_number("/proc/self/io", "write_bytes:"));
  return usage;
}

double peak_rss_mb() { return proc_number("/proc/self/status", "VmHWM:") / 1024; }
double rss_mb() { return proc_number("/proc/self/status", "VmRSS:") / 1024; }

uint64_t clock_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

void sleep_seconds(double seconds) {
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
}

Result<JsonObject> run_in_child(double limit_seconds, FunctionRef<Result<JsonObject>()> work) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return os_error("pipe");
  const Fd read_end(ends[0]);
  Fd write_end(ends[1]);
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) return os_error("fork");
  if (child == 0) {
    const Result<JsonObject> made = work();
    JsonObject object;
    if (made) {
      object = *made;
    } else {
      object.set("error", std::string(made.error().message()));
    }
    write_all(write_end.get(), object.to_string());
    ::_exit(0);  // No destructors of the parent's objects.
  }
  write_end.reset();
  std::string text;
  const bool in_time = read_until_closed(read_end.get(), limit_seconds, text);
  if (!in_time) ::kill(child, SIGKILL);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!in_time) {
    return Error(Code::timed_out, "killed after " +
                                      std::to_string(static_cast<int>(limit_seconds)) +
                                      " s (raise --limit if it is only slow)");
  }
  if (WIFSIGNALED(status)) {
    return Error(Code::failed, std::string("crashed: ") + ::strsignal(WTERMSIG(status)));
  }
  AETHER_TRY_ASSIGN(JsonObject object, JsonObject::parse(text));
  if (object.has("error")) return Error(Code::failed, object.text("error"));
  return object;
}

void kill_self() noexcept { ::kill(::getpid(), SIGKILL); }

bool was_killed(const Error& error) {
  return error.message() == std::string("crashed: ") + ::strsignal(SIGKILL);
}

uint64_t disk_bytes(const std::string& dir) {
  uint64_t bytes = 0;
  std::error_code error;
  for (fs::recursive_directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    struct stat info {};
    // st_blocks counts units of 512 bytes, whatever the file system's block is.
    if (::stat(it->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      bytes += static_cast<uint64_t>(info.st_blocks) * 512;
    }
  }
  return bytes;
}

Result<void> drop_page_cache(const std::string& dir) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(dir, error), end; !error && it != end;
       it.increment(error)) {
    if (!it->is_regular_file()) continue;
    const Fd file(::open(it->path().c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return os_error("open " + it->path().string());
    // Only clean pages can go.
    if (::fdatasync(file.get()) != 0) return os_error("sync " + it->path().string());
    ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
  }
  if (error) return os_error("list " + dir, error.value());
  return {};
}

Result<void> make_dir(const std::string& dir) {
  std::error_code error;
  fs::create_directories(dir, error);
  if (error) return os_error("create directory " + dir, error.value());
  return {};
}

Result<void> remove_tree(const std::string& dir) {
  std::error_code error;
  fs::remove_all(dir, error);
  if (error) return os_error("remove " + dir, error.value());
  return {};
}

Result<void> copy_dir(const std::string& from, const std::string& to) {
  AETHER_TRY(make_dir(to));
  std::error_code error;
  for (fs::directory_iterator it(from, error), end; !error && it != end; it.increment(error)) {
    const std::string target = to + "/" + it->path().filename().string();
    if (it->is_directory()) {
      AETHER_TRY(copy_dir(it->path().string(), target));
    } else if (it->is_regular_file()) {
      AETHER_TRY(copy_file(it->path().string(), target));
    }
  }
  if (error) return os_error("list " + from, error.value());
  return {};
}

std::string machine_line() {
  std::string cpu = "unknown processor";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0 && line.find(':') != std::string::npos) {
      cpu = line.substr(line.find(':') + 2);
      break;
    }
  }
  utsname kernel{};
  ::uname(&kernel);
  std::ostringstream out;
  out << cpu << ", " << std::thread::hardware_concurrency() << " logical cores, "
      << static_cast<int>(proc_number("/proc/meminfo", "MemTotal:") / (1 << 20) + 0.5)
      << " GiB memory, " << kernel.sysname << " " << kernel.release;
  return out.str();
}

}  // namespace aether::bench
