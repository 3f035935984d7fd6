#include "db/transaction_end.h"

#include <algorithm>
#include <vector>

#include "base/planted.h"
#include "db/env_impl.h"
#include "index/btree/extents.h"
#include "index/btree/overflow.h"

namespace aether::db {

namespace {

/// The commit record, with the pages that are free once it is durable.
Result<void> append_commit(index::Services& services, txn::TransactionContext& context) {
  constexpr buffer::ChangeKind kCommit{.type = wal::RecordType::commit};
  if (context.freed.empty() && context.freed_pages.empty())
    return buffer::log_change(services.log, context.log, kCommit, {}, {});
  std::vector<buffer::PageRange> ranges = context.freed_pages;
  for (const page::OverflowReference& reference : context.freed) {
    if (AETHER_PLANTED("overflow.commit_forgets_extents")) break;
    AETHER_TRY_ASSIGN(const std::vector<buffer::PageRange> pages,
                      index::overflow_ranges(services.pool.data(), reference));
    ranges.insert(ranges.end(), pages.begin(), pages.end());
  }
  AETHER_TRY(services.space.check_in_use(ranges));
  buffer::SpaceManager::MapChange map = services.space.change(buffer::SpaceOp::free, ranges,
                                                              context.log);
  std::vector<buffer::PageRef> pages;
  std::vector<wal::PartSpec> parts;
  map.append_to(pages, parts);
  AETHER_TRY(buffer::log_change(services.log, context.log, kCommit, pages, parts));
  map.apply();
  return {};
}

}  // namespace

Result<void> log_commit(EnvImpl& env, txn::TransactionContext& context, txn::Snapshot* snapshot) {
  return log_commit(env, context, snapshot, [] {});
}

Result<void> log_commit(EnvImpl& env, txn::TransactionContext& context, txn::Snapshot* snapshot,
                        FunctionRef<void()> before_end) {
  index::Services& services = env.services();
  // Overflow pages are not in the log: they are in their place before the commit can be.
  if (context.data_written && !AETHER_PLANTED("overflow.skip_sync"))
    AETHER_TRY(services.writer.sync());
  if (AETHER_PLANTED("txn.end_before_commit_record"))
    services.transactions.end(context.id(), context.log.lsn_vector);
  AETHER_TRY(append_commit(services, context));
  before_end();
  if (!AETHER_PLANTED("txn.end_before_commit_record"))
    services.transactions.end(context.id(), context.log.lsn_vector, snapshot);
  return {};
}

Result<void> undo_change(EnvImpl& env, txn::TransactionContext& context,
                         const txn::UndoEntry& entry) {
  if (entry.manager == wal::ResourceManager::space)
    return index::undo_allocation(env.services(), context, entry);
  if (entry.manager == wal::ResourceManager::table) return env.undo_row(context, entry);
  AETHER_TRY_ASSIGN(index::BTree * tree, env.tree(entry.store));
  return tree->undo(context, entry);
}

Result<void> undo_to(EnvImpl& env, txn::TransactionContext& context, size_t height) {
  if (AETHER_PLANTED("txn.savepoint_leaves_row") && height > 0) ++height;
  if (AETHER_PLANTED("txn.abort_leaves_row") && height == 0) ++height;
  while (context.undo.size() > height) {
    AETHER_TRY(undo_change(env, context, context.undo.back()));
    context.undo.pop();
  }
  return {};
}

Result<void> roll_back(EnvImpl& env, txn::TransactionContext& context) {
  index::Services& services = env.services();
  // Before their pages are free: no frame may hold a page that has begun another life.
  for (buffer::Frame* root : context.new_roots) {
    buffer::ExclusiveGuard guard = buffer::ExclusiveGuard::lock(*root);
    context.log.gsn = std::max(context.log.gsn, services.pool.ref(*root).header().gsn);
    services.pool.discard(std::move(guard));
  }
  context.new_roots.clear();
  AETHER_TRY(undo_to(env, context, 0));
  AETHER_TRY(buffer::log_change(services.log, context.log, {.type = wal::RecordType::end}, {}, {}));
  services.transactions.end(context.id(), context.log.lsn_vector);
  return {};
}

void give_up(EnvImpl& env, txn::TransactionContext& context, const Error& why) noexcept {
  env.services().versions.keep(context.undo.take_versions());
  env.fail(why);
}

}  // namespace aether::db
