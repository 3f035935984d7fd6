#include "recovery/recovery.h"

#include <string>

#include "base/assert.h"
#include "recovery/analysis.h"
#include "recovery/log_tail.h"
#include "recovery/redo.h"

namespace aether::recovery {
namespace {

/// The cut of each epoch that is read.
const wal::LsnVector* cut_of(const std::vector<wal::EpochExtent>& extents,
                             uint32_t epoch) noexcept {
  for (const wal::EpochExtent& extent : extents) {
    if (extent.epoch == epoch) return &extent.cut;
  }
  return nullptr;
}

}  // namespace

Result<LogEnd> find_log_end(const wal::LogReaderOptions& options, const ControlState& control,
                            os::Os& os) {
  AETHER_TRY(restore_log_tail(options, control.epoch, os));
  AETHER_TRY_ASSIGN(auto reader, wal::LogReader::open(options, log_extents(control), os));
  LogEnd result;
  for (;;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    if (block == nullptr) break;
    result.bytes += block->end - block->position;
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
                                    buffer::DataFile& data, buffer::PageWriter& writer, os::Os& os,
                                    RecoveryReport& report) {
  AETHER_TRY_ASSIGN(auto reader, wal::LogReader::open(options.reader, options.extents, os));
  Analysis analysis;
  RedoWindow window(options, managers, data, writer, os);
  for (;;) {
    AETHER_TRY_ASSIGN(const wal::Block* block, reader->next());
    if (block == nullptr) break;
    report.log_bytes_read += block->end - block->position;
    const wal::LsnVector* cut = cut_of(options.extents, block->epoch);
    AETHER_ASSERT(cut != nullptr);
    for (const wal::Chunk& chunk : block->chunks) {
      wal::RecordCursor cursor(chunk);
      for (;;) {
        AETHER_TRY_ASSIGN(const std::optional<wal::RecordView> record, cursor.next());
        if (!record) break;
        ++report.records_read;
        analysis.note_txn(record->header.txn);
        if (!record->covered_by(*cut)) continue;
        analysis.add(*record, block->position, block->epoch, report);
        if (block->position >= options.redo_position) AETHER_TRY(window.add(*record));
      }
    }
    if (window.full()) AETHER_TRY(window.apply(report));
  }
  AETHER_TRY(window.apply(report));
  RedoResult result;
  result.max_txn = analysis.max_txn();
  result.losers = std::move(analysis).losers();
  result.broken_pages = window.take_broken();
  return result;
}

}  // namespace aether::recovery
