/// What stands behind the handles of aether/aether.h.
///
/// Each holds on to the environment's object, so that handles may be given back in any order: an object that outlives
/// aether_close answers `closed`.
///
/// Threads   As the handles: aether/aether.h.
#pragma once

#include <memory>
#include <optional>

#include "aether/aether.h"
#include "aether/env.h"
#include "capi/outside_work.h"

struct aether_env {
  std::shared_ptr<aether::DbEnv> env;
  std::shared_ptr<aether::capi::OutsideWork>
      outside;  ///< Only where XA has opened it (xa_resource_private.h).
};

struct aether_store {
  std::shared_ptr<aether::DbEnv> env;
  aether::KvStore store;
};

struct aether_txn {
  std::shared_ptr<aether::DbEnv> env;  ///< First, so that it goes last.
  aether::Transaction transaction;
  bool is_managed = false;  ///< A branch of XA: the transaction manager ends it.
  /// What last kept a call in it from its rows: the reason that XA gives if the branch is rolled back.
  std::optional<aether::Code> trouble = std::nullopt;
  std::shared_ptr<void>
      outside = nullptr;  ///< Counted as the work of the thread that has begun it.
};

struct aether_batch {
  std::shared_ptr<aether::DbEnv> env;  ///< Of its stores; null: it has no entries yet.
  aether::WriteBatch writes;
};

struct aether_cursor {
  std::shared_ptr<aether::DbEnv> env;
  aether::Cursor cursor;
};
