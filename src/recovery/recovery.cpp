#include "recovery/recovery.h"

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "base/assert.h"
#include "base/reached.h"
#include "recovery/analysis.h"
#include "recovery/log_tail.h"
#include "recovery/redo.h"

namespace aether::recovery {
namespace {

/// One pass over the log. A record that depends on what has not been read yet waits, and with it all that depend on it.
class LogPass {
 public:
  LogPass(const RedoOptions& options, RedoWindow& window, RecoveryReport& report)
      : options_(options), window_(window), report_(report) {}

  /// The next block, and the cut of its epoch as far as it is known.
  Result<void> add(const wal::Block& block, const wal::LsnVector& cut) {
    AETHER_TRY(look_again(cut));
    if (block.position >= options_.redo_position) window_.begin(block);
    report_.log_bytes_read += block.end - block.position;
    for (const wal::Chunk& chunk : block.chunks) {
      wal::RecordCursor cursor(chunk);
      for (;;) {
        AETHER_TRY_ASSIGN(const std::optional<wal::RecordView> record, cursor.next());
        if (!record) break;
        ++report_.records_read;
        analysis_.note_txn(record->header.txn);
        if (record->covered_by(cut)) {
          AETHER_TRY(count(*record, block.position, block.epoch));
        } else {
          const uint64_t offset = record->lsn - chunk.lsn;
          AETHER_REACHED("recovery.record_before_its_dependency");
          held_.push_back({std::string(chunk.bytes.substr(offset, record->header.length)),
                           record->stream, record->lsn, block.position, block.epoch});
        }
      }
    }
    return {};
  }
  /// Those that waited: which count with this cut? A cut of a later epoch changes nothing for them, but that is fenced.
  Result<void> look_again(const wal::LsnVector& cut) {
    for (size_t left = held_.size(); left > 0; --left) {
      Held held = std::move(held_.front());
      held_.pop_front();
      AETHER_TRY_ASSIGN(const wal::RecordView record,
                        wal::parse_record(held.bytes, held.stream, held.lsn));
      if (record.covered_by(cut)) {
        AETHER_REACHED("recovery.dependency_came_later");
        AETHER_TRY(count(record, held.block, held.epoch));
      } else {
        held_.push_back(std::move(held));
      }
    }
    return {};
  }
  void forget_held() {
    if (!held_.empty()) AETHER_REACHED("recovery.record_without_its_dependency");
    held_.clear();
  }
  Analysis& analysis() { return analysis_; }

 private:
  struct Held {
    std::string bytes;
    uint32_t stream = 0;
    Lsn lsn = kNoLsn;
    LogPosition block = 0;
    uint32_t epoch = 0;
  };
  Result<void> count(const wal::RecordView& record, LogPosition block, uint32_t epoch) {
    analysis_.add(record, block, epoch, report_);
    return block >= options_.redo_position ? window_.add(record, block) : Result<void>();
  }

  const RedoOptions& options_;
  RedoWindow& window_;
  RecoveryReport& report_;
  Analysis analysis_;
  std::deque<Held> held_;
};

}  // namespace

RedoResult::RedoResult() = default;
RedoResult::RedoResult(RedoResult&&) noexcept = default;
RedoResult& RedoResult::operator=(RedoResult&&) noexcept = default;
RedoResult::~RedoResult() = default;

Result<LogEnd> find_log_end(const wal::LogReaderOptions& options, const ControlState& control,
                            os::Os& os) {
  AETHER_TRY_ASSIGN(auto reader, wal::LogReader::open(options, log_extents(control), os));
  LogEnd result;
  for (;;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    if (block == nullptr) break;
    // The epochs before are fenced, so durable.
    if (block->epoch == control.epoch) result.last_block = block->position;
  }
  result.position = reader->end();
  // A stream that has written nothing since the checkpoint ends where the checkpoint saw it.
  result.cut = control.lsn;
  result.cut.raise(reader->cut());
  return result;
}

Result<RedoResult> analyze_and_redo(const RedoOptions& options, const ResourceManagers& managers,
                                    buffer::DataFile& data, buffer::BufferPool& pool, os::Os& os,
                                    RecoveryReport& report) {
  AETHER_TRY_ASSIGN(auto reader, wal::LogReader::open(options.reader, options.extents, os));
  RedoWindow window(options, managers, data, pool, os);
  LogPass pass(options, window, report);
  RedoResult result;
  result.end.cut = options.lsn;
  uint32_t epoch = 0;
  for (;;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    if (block == nullptr) break;
    // What an epoch has not covered by its end never counts.
    if (block->epoch != epoch) pass.forget_held();
    epoch = block->epoch;
    const auto extent = std::find_if(
        options.extents.begin(), options.extents.end(),
        [&](const wal::EpochExtent& each) { return each.epoch == epoch; });
    AETHER_ASSERT(extent != options.extents.end());
    if (!extent->end) {
      result.end.cut.raise(reader->cut());
      result.end.last_block = block->position;
    }
    AETHER_TRY(pass.add(*block, extent->end ? extent->cut : result.end.cut));
    if (window.full()) AETHER_TRY(window.apply(report));
  }
  result.end.position = reader->end();
  result.end.cut.raise(reader->cut());
  pass.forget_held();
  if (options.defer) {
    result.deferred = std::make_unique<DeferredParts>();
    AETHER_TRY(window.apply_some(report, *result.deferred));
  } else {
    AETHER_TRY(window.apply(report));
  }
  result.max_txn = pass.analysis().max_txn();
  result.losers = std::move(pass.analysis()).losers();
  result.broken_pages = window.take_broken();
  AETHER_TRY_ASSIGN(result.pages_beyond_log, window.take_beyond_log());
  return result;
}

}  // namespace aether::recovery
