/// Entries of runs as rows of a table, and back.
///
/// Threads   Pure functions.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "lsm/entry.h"
#include "page/leaf_record.h"
#include "table/row.h"

namespace aether::lsm {

inline Gsn gsn_of_writer(TxnId writer) noexcept { return table::kOfRun | writer; }

/// A value outside, in an entry of a run: its page::OverflowReference, and a byte that says whether the entry owns it.
inline constexpr size_t kApartBytes = sizeof(page::OverflowReference) + 1;
inline std::string apart_value(Bytes reference, bool owns) {
  std::string value(reference);
  value.push_back(owns ? '\1' : '\0');
  return value;
}
inline Bytes reference_in(Bytes apart) noexcept {
  return apart.substr(0, sizeof(page::OverflowReference));
}
/// Of an entry of kind value_apart. Nothing: it owns none.
inline std::optional<page::OverflowReference> owned_value(const Entry& entry) noexcept {
  if (entry.kind != EntryKind::value_apart || entry.value.size() != kApartBytes ||
      entry.value.back() == '\0') {
    return std::nullopt;
  }
  return base::load<page::OverflowReference>(entry.value.data());
}

/// May throw std::bad_alloc. `is_of_run`: else the row has GSN 0.
inline void make_row_of(const Entry& entry, std::string& row, bool is_of_run = true) {
  const bool apart = entry.kind == EntryKind::value_apart;
  const bool removed = entry.kind == EntryKind::tombstone;
  const bool expires = entry.expiry_ms != 0 && !removed;
  const uint8_t flags = removed ? page::RecordMeta::kRemoved
                        : apart ? page::RecordMeta::kOverflow
                                : uint8_t{0};
  const uint8_t expiring = expires ? page::RecordMeta::kExpires : uint8_t{0};
  const std::array<uint64_t, 2> head{page::RecordMeta(entry.writer, flags | expiring).word(),
                                     entry.expiry_ms};
  table::make_row(row, is_of_run ? gsn_of_writer(entry.writer) : 0,
                  {reinterpret_cast<const char*>(head.data()),
                   page::kMetaBytes + (expires ? page::kExpiryBytes : 0)},
                  apart ? reference_in(entry.value) : entry.value);
}

/// Borrows both.
inline Entry entry_of(Bytes key, Bytes row) noexcept {
  const Bytes payload = table::payload_of(row);
  const page::RecordMeta meta = page::meta_of(payload);
  return {.key = key,
          .writer = meta.txn(),
          .kind = meta.removed()    ? EntryKind::tombstone
                  : meta.overflow() ? EntryKind::value_apart
                                    : EntryKind::value,
          .expiry_ms = meta.removed() ? 0 : page::expiry_of(payload),
          .value = page::value_of(payload, meta)};
}

}  // namespace aether::lsm
