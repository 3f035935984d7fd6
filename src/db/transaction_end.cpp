#include "db/transaction_end.h"

#include <algorithm>
#include <vector>

#include "db/env_impl.h"
#include "index/btree/overflow.h"

namespace aether::db {

Result<void> log_commit(EnvImpl& env, txn::TransactionContext& context) {
  index::Services& services = env.services();
  // Overflow pages are not in the log: they are in their place before the commit can be.
  if (context.data_written) AETHER_TRY(services.writer.sync());
  std::vector<buffer::PageRange> ranges = context.freed_pages;
  for (const page::OverflowReference& reference : context.freed) {
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
  AETHER_TRY(buffer::log_change(services.log, context.log, {.type = wal::RecordType::commit}, pages,
                                parts));
  map.apply();
  services.transactions.end(context.id(), context.log.lsn_vector);
  return {};
}

Result<void> undo_change(EnvImpl& env, txn::TransactionContext& context,
                         const txn::UndoEntry& entry) {
  if (entry.manager == wal::ResourceManager::space)
    return index::undo_allocation(env.services(), context, entry);
  AETHER_TRY_ASSIGN(index::BTree * tree, env.tree(entry.store));
  return tree->undo(context, entry);
}

Result<void> undo_to(EnvImpl& env, txn::TransactionContext& context, size_t height) {
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
