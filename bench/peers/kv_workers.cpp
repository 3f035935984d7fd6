#include "kv_workers.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "engine_worker.h"

namespace aether::bench {
namespace {

constexpr uint32_t kScanLength = 100;

/// Puts its share of the records: by number (random key order) or along the sorted hashes.
class LoadWorker final : public EngineWorker {
 public:
  LoadWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane,
             std::span<const uint64_t> sorted)
      : EngineWorker(std::move(session), options, lane),
        sorted_(sorted),
        next_(options.records * lane / options.threads),
        end_(options.records * (lane + 1) / options.threads) {}

  bool step() override {
    if (next_ == end_) return false;
    const uint64_t record = sorted_.empty() ? next_ : record_of_hash(sorted_[next_]);
    ++next_;
    return put(record, 0);
  }

 private:
  std::span<const uint64_t> sorted_;
  uint64_t next_;
  const uint64_t end_;
};

/// Gets its share of the records once each, so that a run begins with all of them in memory.
class WarmWorker final : public EngineWorker {
 public:
  WarmWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane)
      : EngineWorker(std::move(session), options, lane),
        next_(options.records * lane / options.threads),
        end_(options.records * (lane + 1) / options.threads) {}

  bool step() override {
    if (next_ == end_) return false;
    return get_and_check(next_++);
  }

 private:
  uint64_t next_;
  const uint64_t end_;
};

class GetWorker final : public EngineWorker {
 public:
  /// `zipf` null: uniform.
  GetWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane,
            const Zipf* zipf)
      : EngineWorker(std::move(session), options, lane), zipf_(zipf) {}

  bool step() override {
    return get_and_check(zipf_ == nullptr ? any_record() : zipf_->draw(rng()));
  }

 private:
  const Zipf* zipf_;
};

/// Many random records in one call; a key may be drawn twice.
class BatchWorker final : public EngineWorker {
 public:
  BatchWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane,
              size_t keys)
      : EngineWorker(std::move(session), options, lane), count_(keys) {
    keys_.reserve(count_);
  }

  uint64_t operations_per_step() const noexcept override { return count_; }

  bool step() override {
    records_.clear();
    keys_.clear();
    asked_.clear();
    for (size_t i = 0; i < count_; ++i) {
      records_.push_back(any_record());
      keys_.emplace_back(records_.back());
      asked_.push_back(keys_.back());
    }
    size_t shown = 0;
    size_t right = 0;
    const Answer answer = session().multi_get(asked_, [&](size_t index, const Bytes* found) {
      right += index == shown && index < count_ && found != nullptr &&
               value_is_right(records_[index], *found, options().value_bytes);
      ++shown;
    });
    if (answer != Answer::ok) return wrong_answer("multi_get", answer);
    return (shown == count_ && right == count_) ||
           fail("multi_get did not show the value of every key once, in order");
  }

 private:
  const size_t count_;
  std::vector<uint64_t> records_;
  std::vector<Key> keys_;
  std::vector<Bytes> asked_;
};

class MissWorker final : public EngineWorker {
 public:
  using EngineWorker::EngineWorker;
  bool step() override {
    const uint64_t record = kMissingRecords + rng().below(kMissingRecords);
    const Answer answer = session().get(Key(record), value());
    return answer == Answer::not_found || wrong_answer("get of an absent key", answer);
  }
};

class VisitWorker final : public EngineWorker {
 public:
  using EngineWorker::EngineWorker;
  bool step() override {
    const uint64_t record = any_record();
    bool right = false;
    const Answer answer = session().visit(Key(record), [&](Bytes found) {
      right = value_is_right(record, found, options().value_bytes);
    });
    if (answer != Answer::ok) return wrong_answer("visit", answer);
    return right || wrong_value(record);
  }
};

class ScanWorker final : public EngineWorker {
 public:
  ScanWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane,
             bool reverse)
      : EngineWorker(std::move(session), options, lane), reverse_(reverse) {}

  bool step() override { return scan_from(any_record(), reverse_, kScanLength); }

 private:
  const bool reverse_;
};

class EmptyScanWorker final : public EngineWorker {
 public:
  EmptyScanWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane)
      : EngineWorker(std::move(session), options, lane),
        width_(std::max<uint64_t>(~uint64_t{0} / options.records / kShare, 1)) {}

  bool step() override {
    const uint64_t first = rng().below(~uint64_t{0} - width_);
    const uint64_t begin = __builtin_bswap64(first);
    const uint64_t end = __builtin_bswap64(first + width_);
    uint64_t visited = 0;
    uint64_t within = 0;
    const Answer answer = session().scan_range(
        bytes_of(begin), bytes_of(end), [&](Bytes key, Bytes) {
          ++visited;
          within += key >= bytes_of(begin) && key < bytes_of(end);
        });
    if (answer != Answer::ok) return wrong_answer("scan_range", answer);
    return visited == within || fail("a scan of a range visited a key that is not in it");
  }

 private:
  static constexpr uint64_t kShare = 65536;
  static Bytes bytes_of(const uint64_t& word) noexcept {
    return {reinterpret_cast<const char*>(&word), sizeof word};
  }
  const uint64_t width_;
};

class UpdateWorker final : public EngineWorker {
 public:
  using EngineWorker::EngineWorker;
  bool step() override { return put(any_record(), next_version()); }
};

/// New records, in the gaps between the keys that are there.
class InsertWorker final : public EngineWorker {
 public:
  InsertWorker(std::unique_ptr<Session> session, const RunOptions& options, uint64_t lane)
      : EngineWorker(std::move(session), options, lane), next_(options.records + lane) {}

  bool step() override {
    const uint64_t record = next_;
    next_ += options().threads;
    return put(record, 0);
  }

 private:
  uint64_t next_;
};

}  // namespace

std::unique_ptr<Worker> make_load_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane,
                                         std::span<const uint64_t> sorted) {
  return std::make_unique<LoadWorker>(std::move(session), options, lane, sorted);
}

std::unique_ptr<Worker> make_warm_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane) {
  return std::make_unique<WarmWorker>(std::move(session), options, lane);
}

std::unique_ptr<Worker> make_get_worker(std::unique_ptr<Session> session, const RunOptions& options,
                                        uint64_t lane, const Zipf* zipf) {
  return std::make_unique<GetWorker>(std::move(session), options, lane, zipf);
}

std::unique_ptr<Worker> make_batch_worker(std::unique_ptr<Session> session,
                                          const RunOptions& options, uint64_t lane, size_t keys) {
  return std::make_unique<BatchWorker>(std::move(session), options, lane, keys);
}

std::unique_ptr<Worker> make_miss_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane) {
  return std::make_unique<MissWorker>(std::move(session), options, lane);
}

std::unique_ptr<Worker> make_visit_worker(std::unique_ptr<Session> session,
                                          const RunOptions& options, uint64_t lane) {
  return std::make_unique<VisitWorker>(std::move(session), options, lane);
}

std::unique_ptr<Worker> make_scan_worker(std::unique_ptr<Session> session,
                                         const RunOptions& options, uint64_t lane, bool reverse) {
  return std::make_unique<ScanWorker>(std::move(session), options, lane, reverse);
}

std::unique_ptr<Worker> make_empty_scan_worker(std::unique_ptr<Session> session,
                                               const RunOptions& options, uint64_t lane) {
  return std::make_unique<EmptyScanWorker>(std::move(session), options, lane);
}

std::unique_ptr<Worker> make_update_worker(std::unique_ptr<Session> session,
                                           const RunOptions& options, uint64_t lane) {
  return std::make_unique<UpdateWorker>(std::move(session), options, lane);
}

std::unique_ptr<Worker> make_insert_worker(std::unique_ptr<Session> session,
                                           const RunOptions& options, uint64_t lane) {
  return std::make_unique<InsertWorker>(std::move(session), options, lane);
}

}  // namespace aether::bench
