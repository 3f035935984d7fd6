#include "lsm/stored_manifest.h"

#include <utility>

#include "index/btree/cursor.h"

namespace aether::lsm {

Result<Manifest> read_manifest_rows(index::BTree& rows) {
  Manifest manifest;
  index::BTreeCursor cursor(rows, nullptr);
  Result<bool> more = cursor.first();
  for (; more && *more; more = cursor.next()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    AETHER_TRY(manifest.add_row(cursor.key(), value));
  }
  if (!more) return std::move(more).error();
  return manifest;
}

Result<Manifest> read_manifest(index::BTree& rows) {
  AETHER_TRY_ASSIGN(Manifest manifest, read_manifest_rows(rows));
  AETHER_TRY(manifest.check());
  return manifest;
}

}  // namespace aether::lsm
