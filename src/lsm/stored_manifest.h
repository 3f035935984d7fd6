/// The manifest as a store has it: rows of the B+ tree at the store's root.
#pragma once

#include "aether/error.h"
#include "index/btree/btree.h"
#include "lsm/manifest.h"

namespace aether::lsm {

/// Each row by itself.
Result<Manifest> read_manifest_rows(index::BTree& rows);
/// And that they fit together.
Result<Manifest> read_manifest(index::BTree& rows);

}  // namespace aether::lsm
