/// Entries of runs as rows of a table, and back.
///
/// Threads   Pure functions.
#pragma once

#include <string>

#include "base/ids.h"
#include "lsm/entry.h"
#include "page/leaf_record.h"
#include "table/row.h"

namespace aether::lsm {

inline Gsn gsn_of_writer(TxnId writer) noexcept { return table::kOfRun | writer; }

/// May throw std::bad_alloc. `is_of_run`: else the row has GSN 0.
inline void make_row_of(const Entry& entry, std::string& row, bool is_of_run = true) {
  const bool removed = entry.kind == EntryKind::tombstone;
  const uint64_t meta = page::RecordMeta(entry.writer,
                                         removed ? page::RecordMeta::kRemoved : uint8_t{0})
                            .word();
  table::make_row(row, is_of_run ? gsn_of_writer(entry.writer) : 0,
                  {reinterpret_cast<const char*>(&meta), sizeof meta}, entry.value);
}

/// Borrows both.
inline Entry entry_of(Bytes key, Bytes row) noexcept {
  const Bytes payload = table::payload_of(row);
  const page::RecordMeta meta = page::meta_of(payload);
  return {.key = key,
          .writer = meta.txn(),
          .kind = meta.removed() ? EntryKind::tombstone : EntryKind::value,
          .expiry_ms = 0,
          .value = page::value_of(payload)};
}

}  // namespace aether::lsm
