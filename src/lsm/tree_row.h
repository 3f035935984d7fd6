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

/// In the place of a row's GSN, of which an entry has none: equal only for the same version of a key, and no GSN.
inline Gsn gsn_of_writer(TxnId writer) noexcept { return Gsn{1} << 63 | writer; }

/// May throw std::bad_alloc.
inline void make_row_of(const Entry& entry, std::string& row) {
  const bool removed = entry.kind == EntryKind::tombstone;
  const uint64_t meta =
      page::RecordMeta(entry.writer, removed ? page::RecordMeta::kRemoved : uint8_t{0}).word();
  table::make_row(row, gsn_of_writer(entry.writer),
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
