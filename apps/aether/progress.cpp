#include "apps/aether/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "apps/aether/text.h"
#include "os/os.h"

namespace aether::cli {
namespace {

constexpr uint64_t kRedrawNs = 100'000'000;
constexpr size_t kBarColumns = 24;

bool is_dumb() {
  const char* terminal = std::getenv("TERM");
  return terminal == nullptr || std::string_view(terminal) == "dumb";
}

}  // namespace

bool error_is_terminal() { return isatty(STDERR_FILENO) == 1 && !is_dumb(); }

bool output_is_terminal() { return isatty(STDOUT_FILENO) == 1 && !is_dumb(); }

size_t output_width() {
  struct winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) return size.ws_col;
  return 100;
}

bool wants_color(When when, bool is_terminal) {
  if (when != When::automatic) return when == When::always;
  const char* no_color = std::getenv("NO_COLOR");
  return is_terminal && (no_color == nullptr || *no_color == '\0');
}

Progress::Progress(std::string label, std::string unit, When when, bool quiet)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      shown_(when == When::always || (when == When::automatic && !quiet && error_is_terminal())),
      terminal_(error_is_terminal()),
      begun_ns_(os::production().monotonic_ns()) {}

double Progress::seconds() const {
  return static_cast<double>(os::production().monotonic_ns() - begun_ns_) / 1e9;
}

void Progress::update(uint64_t done, std::optional<uint64_t> total, uint64_t count) {
  done_ = done;
  total_ = total;
  count_ = count;
  if (!shown_ || !terminal_) return;
  const uint64_t now = os::production().monotonic_ns();
  if (now - drawn_ns_ < kRedrawNs) return;
  drawn_ns_ = now;
  draw();
}

std::string Progress::bar() const {
  if (!total_ || *total_ == 0) return "";
  const double share = std::min(1.0, static_cast<double>(done_) / static_cast<double>(*total_));
  const auto filled = static_cast<size_t>(share * static_cast<double>(kBarColumns));
  const std::string percent = std::to_string(static_cast<int>(share * 100));
  return " [" + std::string(filled, '#') + std::string(kBarColumns - filled, '.') + "] " +
         std::string(3 - percent.size(), ' ') + percent + "%";
}

void Progress::draw() {
  const double passed = seconds();
  std::string line = label_ + bar() + "  " + with_commas(count_) + " " + unit_ + "  " +
                     human_rate(count_, passed) + "/s";
  if (finished_) {
    line += "  " + human_seconds(passed);
  } else if (total_ && done_ > 0 && done_ < *total_) {
    const double share = static_cast<double>(done_) / static_cast<double>(*total_);
    line += "  " + human_seconds(passed / share - passed) + " left";
  }
  if (terminal_) line = "\r" + line + "\x1b[K";
  if (finished_) line += "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  std::fflush(stderr);
}

void Progress::finish() {
  if (!shown_ || finished_) return;
  finished_ = true;
  draw();
}

}  // namespace aether::cli
