#include "db/live_verify.h"

#include <utility>

#include "base/json_writer.h"
#include "base/no_memory.h"
#include "base/printable.h"
#include "db/documents.h"
#include "db/env_impl.h"

namespace aether::db {
namespace {

/// The command asks several times a second.
constexpr uint64_t kPatienceNs = 30'000'000'000;

void append_report(base::JsonWriter& json, const VerifyReport& report) {
  json.member("ok", report.ok())
      .member("complete", report.complete)
      .member("pages_checked", report.pages_checked)
      .member("pages_free", report.pages_free)
      .member("keys", report.keys);
  append_problems(json, report.problems);
}

}  // namespace

LiveVerify::~LiveVerify() {
  stop_ = true;
  if (thread_) thread_->join();
}

Result<std::string> LiveVerify::start() {
  bool runs = false;
  {
    os::LockGuard lock(mutex_);
    runs = is_running_;
  }
  if (!runs) {
    if (thread_) std::exchange(thread_, nullptr)->join();
    asked_ns_ = os_.monotonic_ns();
    done_ = 0;
    total_ = 0;
    {
      os::LockGuard lock(mutex_);
      ++number_;
      is_running_ = true;
    }
    Result<std::unique_ptr<os::Thread>> thread = os_.spawn("aether-verify", [this] { run(); });
    if (!thread) {
      os::LockGuard lock(mutex_);
      is_running_ = false;
      report_ = thread.error().clone();
      return std::move(thread).error();
    }
    thread_ = *std::move(thread);
  }
  return look();
}

std::string LiveVerify::look() {
  asked_ns_ = os_.monotonic_ns();
  std::string text;
  base::JsonWriter json(text);
  os::LockGuard lock(mutex_);
  json.begin_object()
      .member("number", number_)
      .member("running", is_running_)
      .member("done", done_.load())
      .member("total", total_.load());
  if (!is_running_ && number_ != 0) {
    json.member("seconds", seconds_);
    if (report_) {
      append_report(json, *report_);
    } else {
      json.member("error", to_string(report_.error().code()))
          .member("message", base::printable(report_.error().message()));
    }
  }
  json.end_object();
  return text;
}

void LiveVerify::run() {
  const uint64_t begun_ns = os_.monotonic_ns();
  const auto step = [this](uint64_t done, uint64_t total) { return this->step(done, total); };
  Result<VerifyReport> report = base::or_no_memory([&] { return env_.verify(step); });
  const uint64_t now_ns = os_.monotonic_ns();
  os::LockGuard lock(mutex_);
  seconds_ = static_cast<double>(now_ns - begun_ns) / 1e9;
  report_ = std::move(report);
  is_running_ = false;
}

Result<void> LiveVerify::step(uint64_t done, uint64_t total) {
  done_ = done;
  total_ = total;
  if (stop_) return Error(Code::closed, "the environment is being closed");
  if (os_.monotonic_ns() > asked_ns_ + kPatienceNs)
    return Error(Code::closed, "nobody has asked for it any more");
  return {};
}

}  // namespace aether::db
