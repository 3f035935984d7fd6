/// What a Table needs of an index whose rows lie in layers, the newer ones before the older: a store of kind `lsm`.
///
/// A row is written to one layer in memory, the active one. Those that have been sealed are written out as runs, and lie below it until
/// then; below them lie the runs. A row in a newer layer hides that of its key in all older ones, so nothing is ever changed
/// there: who overwrites a row of an older layer writes a row of its own. Who takes that back puts what it hid in memory in its place,
/// or takes the row away, if that was in a run or nowhere.
///
/// Only a transaction that was open when a layer was sealed may still change its own rows there, to take them back; before such a layer
/// is written out they are moved into the active one (Table::write_out).
///
/// A value that lies outside has one owner: a row in memory that no newer one hides, the transaction that has replaced such a row, or a
/// row of a run that says so. A row that is hidden when it is written out owns nothing: it was replaced, or it stands once more above. Who would
/// replace a row while it is being written out waits for the end of that; afterwards he hides it, as one of a run.
///
/// Threads   Any; what a method says about the stripe is the Table's.
#pragma once

#include <cstdint>
#include <string>

#include "aether/error.h"
#include "aether/function_ref.h"
#include "base/ids.h"
#include "index/concept/any_index.h"

namespace aether::table {

class Layers {
 public:
  virtual ~Layers() = default;

  /// The newest row of a key that a reader sees.
  struct Seen {
    bool found = false;
    TxnId writer = 0;
    bool removed = false;  ///< It is a removal: there is no value.
    bool apart = false;  ///< The value lies outside: what is found is its page::OverflowReference.
    uint64_t expiry_ms = 0;  ///< 0: it stays.
    bool passed_by = false;  ///< Newer ones are there that the reader does not see.
    Gsn newest = 0;          ///< Of the newest row, seen or not (row.h); 0: there is none.
  };
  /// `value` changes only if there is one. `sees` may be asked of a row that goes meanwhile: `newest` tells.
  virtual Result<Seen> find_seen(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                 std::string& value) const = 0;
  /// Rows of the key, the newest first, until `visit` answers false.
  virtual Result<void> visit_all(Bytes key, FunctionRef<bool(Bytes row)> visit) const = 0;

  /// In a sealed layer that waits, is being written out, or has been: then a run has the row, too.
  enum class Place : uint8_t { nowhere, active, sealed, being_written, written };
  /// The newest row in memory. Under the stripe: then it stays.
  virtual Result<Place> find_in_memory(Bytes key, std::string& row) const = 0;
  /// The newest row in runs.
  virtual Result<bool> find_in_runs(Bytes key, std::string& row) const = 0;
  /// Every writer of a row in runs is below, but for few of them.
  virtual TxnId newest_writer_in_runs() const noexcept = 0;

  /// Of the layers that may have rows by writers from `from` on.
  virtual index::AnyCursor cursor_of_later(TxnId from) const = 0;

  /// A row in memory, whoever wrote it, has a key of [begin, end). An empty end: there is none.
  virtual Result<bool> has_in_memory(Bytes begin, Bytes end) const = 0;

  /// False: there was a moment since the call when no row, whoever wrote it, had a key of [begin, end), as filters and layers in memory
  /// tell. Reads nothing.
  virtual Result<bool> may_have(Bytes begin, Bytes end) const = 0;

  /// All rows of [key, next) are removed for who sees writers as `sees` does, as far as somebody knows it without a look at each. False:
  /// nobody does.
  virtual Result<bool> pass_removed(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                    std::string& next) const = 0;
  /// Downwards: all rows of [next, key) are.
  virtual Result<bool> pass_removed_below(Bytes key, FunctionRef<bool(TxnId writer)> sees,
                                          std::string& next) const = 0;

  /// Larger values lie outside.
  virtual uint64_t inline_value_max() const noexcept = 0;

  /// Where the newest row of the key in memory is. Under the stripe, and there is one.
  virtual index::AnyIndex& home_of(Bytes key) = 0;
  /// Where a row of the key is put, which must be said before it is: others skip layers that have none of the key.
  virtual index::AnyIndex& active(Bytes key) noexcept = 0;
  /// A row stands in the active layer now, and goes from a sealed one: between the two, so that who looked into the former before
  /// and into the latter after looks again.
  virtual void note_move() noexcept = 0;
  /// Changes when somebody may have changed a row.
  virtual uint64_t changes() const noexcept = 0;

  /// The layer that was active gets no more new rows; `fence` is the highest GSN in it, and the log has its rows from
  /// `redo_from` on (0: it has none). With all stripes held. Errors: no_memory, then nothing has happened.
  virtual Result<void> seal(Gsn fence, LogPosition redo_from) = 0;
  /// Where the log begins that has rows of sealed layers; 0: there are none.
  virtual LogPosition sealed_redo_from() const noexcept = 0;
};

}  // namespace aether::table
