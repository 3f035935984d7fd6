/// What all workers over an engine share: a session, their random numbers, and how answers are judged.
///
/// Threads  A worker belongs to one thread; see drive.h.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "data.h"
#include "drive.h"
#include "engine.h"
#include "workload.h"

namespace aether::bench {

/// Tries of one operation: more is a livelock, not contention.
inline constexpr uint64_t kRetriesMax = 1000000;

inline const char* to_word(Answer answer) {
  switch (answer) {
    case Answer::ok: return "ok";
    case Answer::not_found: return "not found";
    case Answer::conflict: return "conflict";
    case Answer::failed: return "failed";
  }
  return "unknown";
}

class EngineWorker : public Worker {
 public:
  EngineWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane)
      : session_(std::move(session)),
        options_(options),
        rng_(options.seed * 1000003 + lane),
        lane_(lane) {
    value_.resize(options.value_bytes);
  }

 protected:
  Session& session() noexcept { return *session_; }
  const RunOptions& options() const noexcept { return options_; }
  Rng& rng() noexcept { return rng_; }
  uint64_t lane() const noexcept { return lane_; }
  std::string& value() noexcept { return value_; }
  uint64_t any_record() noexcept { return rng_.below(options_.records); }
  uint64_t next_version() noexcept { return ++version_; }

  bool wrong_value(uint64_t record) {
    return fail("record " + std::to_string(record) + ": the value is not the one that was put");
  }
  bool wrong_answer(const char* call, Answer answer) {
    const std::string why = session_->error().empty() ? "" : ": " + session_->error();
    return fail(std::string(call) + " answered '" + to_word(answer) + "'" + why);
  }
  bool check_value(uint64_t record, Bytes found) {
    return value_is_right(record, found, options_.value_bytes) || wrong_value(record);
  }

  bool get_and_check(uint64_t record) {
    const Answer answer = session_->get(Key(record), value_);
    return answer == Answer::ok ? check_value(record, value_) : wrong_answer("get", answer);
  }

  /// Up to `limit` pairs from a record that is there. Every pair is looked at: an engine that fetches values lazily
  /// must fetch them.
  bool scan_from(uint64_t record, bool reverse, uint32_t limit) {
    uint32_t visited = 0;
    uint32_t right = 0;
    const Key from(record);
    const Answer answer = session_->scan(from, reverse, limit, [&](Bytes key, Bytes value) {
      right += key.size() == kKeyBytes && (visited > 0 || key == from.bytes()) &&
               value_is_right(record_of(key), value, options_.value_bytes);
      ++visited;
    });
    if (answer != Answer::ok) return wrong_answer("scan", answer);
    if (visited == 0 || visited > limit) {
      return fail("a scan of " + std::to_string(limit) + " from a key that is there visited " +
                  std::to_string(visited));
    }
    return right == visited || fail("a scan visited a wrong key or value");
  }

  /// One put of a fresh version; a conflict is tried again.
  bool put(uint64_t record, uint64_t version) {
    const Key key(record);
    value_.resize(options_.value_bytes);
    make_value(record, version, value_);
    Answer answer = session_->put(key, value_);
    for (uint64_t tries = 0; answer == Answer::conflict && tries < kRetriesMax; ++tries) {
      count_retry();
      std::this_thread::yield();
      answer = session_->put(key, value_);
    }
    return answer == Answer::ok || wrong_answer("put", answer);
  }

 private:
  std::unique_ptr<Session> session_;
  const RunOptions options_;
  Rng rng_;
  const uint64_t lane_;
  std::string value_;
  uint64_t version_ = 0;
};

}  // namespace aether::bench
