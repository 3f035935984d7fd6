/// A run that is read: entries in order, immutable, in blocks that a cache keeps.
///
/// Opening reads the footer, the top of the index and the range tombstones; they stay in memory, and from the first read on what
/// the index says of each block (block_directory.h). Everything else comes through the block cache. Every block is checked when it comes from the disk: what is not as it was written is corruption, never
/// an answer.
///
/// Threads   Any; a cursor is one thread's.
/// Errors    io_error; corruption (names run, offset and page); unsupported: a newer format.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "buffer/block_cache.h"
#include "buffer/space_manager.h"
#include "index/btree/services.h"
#include "lsm/entry.h"
#include "lsm/run_summary.h"
#include "lsm/run_writer.h"

namespace aether::lsm {

class RunFile;

/// An entry that was found, with the block that has its bytes.
struct FoundEntry {
  TxnId writer = 0;
  EntryKind kind = EntryKind::value;
  uint64_t expiry_ms = 0;
  Bytes value;  ///< Lives as long as `block`.
  buffer::BlockHandle block;
};

class Run {
 public:
  static Result<std::shared_ptr<const Run>> open(index::Services& services,
                                                 const RunReference& reference);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const RunReference& reference() const noexcept;
  const RunSummary& summary() const noexcept;

  /// The newest entry of `key`, whatever its kind. Range tombstones are not looked at. False: there is none.
  Result<bool> get(Bytes key, FoundEntry& found) const;
  /// The newest whose writer `sees` accepts.
  Result<bool> get(Bytes key, FunctionRef<bool(TxnId writer)> sees, FoundEntry& found) const;

  /// Reads the index now, which else the first reader does.
  void prepare_reads() const;
  /// By `begin`, then the newest first.
  std::span<const RangeTombstone> range_tombstones() const noexcept;
  /// 0: it has none.
  uint64_t dictionary_bytes() const noexcept;
  bool has_section(SectionType type) const noexcept;
  /// Reads it, past the cache. Errors: also not_found.
  Result<std::string> section(SectionType type) const;

  /// All of its pages: for TransactionContext::freed_pages of who drops it.
  std::vector<buffer::PageRange> ranges() const;
  /// Reads all of it past the cache and checks what can be checked: blocks, their order, the counts, the index. `visit` hears
  /// of each page.
  Result<void> check(FunctionRef<Result<void>(PageId)> visit) const;

 private:
  friend class RunCursor;
  explicit Run(std::unique_ptr<RunFile> file) noexcept;
  std::unique_ptr<RunFile> file_;
};

/// A place between or at entries. Every move answers whether it is at one.
class RunCursor {
 public:
  /// How its blocks are read.
  enum class Use : uint8_t {
    cached,  ///< Through the cache; reads ahead when it goes on and on.
    once,    ///< Past the cache, far ahead: merges, checks.
  };
  explicit RunCursor(std::shared_ptr<const Run> run, Use use = Use::cached);
  ~RunCursor();
  RunCursor(RunCursor&&) noexcept;
  RunCursor& operator=(RunCursor&&) noexcept;

  Result<bool> first();
  Result<bool> last();
  /// To the first entry at or after the newest version of `key`; or after the place of (`key`, `writer`): its newest version
  /// whose writer is at most `writer`.
  Result<bool> seek(Bytes key, TxnId writer = kEveryWriter);
  /// A step of `seek(key)`; each is to follow the one before. The last one answers.
  Result<bool> seek_in_steps(Bytes key, SeekStep step);
  /// To the last entry whose key is at most `key`: the oldest version of the largest such key.
  Result<bool> seek_for_prev(Bytes key);
  /// To the next entry, if it is in the block where this one is. False: it has not moved, and `next` tells.
  bool try_next();
  /// In the order of the run: older versions of a key follow the newer.
  Result<bool> next();
  Result<bool> prev();

  bool valid() const noexcept;
  /// Where it is. Borrowed until it moves.
  const Entry& entry() const noexcept;
  /// What its value lies in: with it the value outlives the next move.
  buffer::BlockHandle block() const noexcept;

 private:
  friend class Run;
  bool is_first_of_block() const noexcept;
  Result<bool> arrive_at_least(Bytes key, TxnId writer);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace aether::lsm
