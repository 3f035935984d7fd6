// The public environment: calls through, and the check of everything.
#include "aether/env.h"

#include <algorithm>
#include <utility>

#include "db/env_impl.h"
#include "db/verify.h"
#include "index/btree/cursor.h"

namespace aether {
namespace db {

Result<VerifyReport> EnvImpl::verify(FunctionRef<void(uint64_t, uint64_t)> progress) {
  AETHER_TRY(check_open());
  if (!options_.read_only) AETHER_TRY(checkpoint());
  VerifyTargets targets{.roots = {{"catalogue", kCatalogueStore, kCatalogueRoot}},
                        .values = prepared_.freed_values()};
  index::BTreeCursor cursor(*catalogue_, nullptr);
  Result<bool> more = cursor.first();
  for (; more && *more; more = cursor.next()) {
    AETHER_TRY_ASSIGN(const Bytes value, cursor.value());
    CatalogueEntry entry;
    if (value.size() != sizeof entry) continue;
    std::copy(value.begin(), value.end(), reinterpret_cast<char*>(&entry));
    targets.roots.push_back({std::string(cursor.key()), entry.id, PageId{entry.root_page}});
  }
  if (!more) return std::move(more).error();
  return verify_file(*data_, targets, progress);
}

}  // namespace db

DbEnv::DbEnv(std::unique_ptr<db::EnvImpl> impl) noexcept : impl_(std::move(impl)) {}
DbEnv::~DbEnv() {
  // In a child of fork: its threads are not here to be joined, its mutexes may be held for ever.
  if (!impl_->is_here()) static_cast<void>(impl_.release());
}

Result<std::unique_ptr<DbEnv>> DbEnv::open(const std::string& home, const EnvOptions& options) {
  return open(home, options, os::production());
}

Result<std::unique_ptr<DbEnv>> DbEnv::open(const std::string& home, const EnvOptions& options,
                                           os::Os& os) {
  AETHER_TRY_ASSIGN(std::unique_ptr<db::EnvImpl> impl, db::EnvImpl::open(home, options, os));
  return std::unique_ptr<DbEnv>(new DbEnv(std::move(impl)));
}

Result<void> DbEnv::close() { return impl_->close(); }

Result<KvStore> DbEnv::open_store(const std::string& name, const StoreOptions& options) {
  AETHER_TRY_ASSIGN(db::StoreImpl * store, impl_->open_store(name, options));
  return KvStore(store);
}

Result<void> DbEnv::drop_store(const std::string& name) { return impl_->drop_store(name); }
Result<std::vector<std::string>> DbEnv::list_stores() const { return impl_->list_stores(); }
Result<Transaction> DbEnv::begin(const TxnOptions& options) {
  return impl_->begin_transaction(options);
}
Result<void> DbEnv::commit_prepared(Bytes gid) { return impl_->commit_prepared(gid); }
Result<void> DbEnv::rollback_prepared(Bytes gid) { return impl_->rollback_prepared(gid); }
Result<std::vector<PreparedTransaction>> DbEnv::prepared() const { return impl_->prepared(); }
Result<void> DbEnv::write(const WriteBatch& batch) {
  return impl_->write(batch, impl_->options().durability);
}
Result<void> DbEnv::write(const WriteBatch& batch, Durability durability) {
  return impl_->write(batch, durability);
}
Result<void> DbEnv::checkpoint() {
  Result<void> done = impl_->checkpoint();
  impl_->run_completions();
  return done;
}

Result<BackupReport> DbEnv::backup(const BackupOptions& options) {
  Result<BackupReport> done = impl_->backup(options);
  impl_->run_completions();
  return done;
}

Result<void> DbEnv::repair_page(uint64_t page) {
  AETHER_TRY(impl_->check_open());
  if (page == 0)
    return Error(Code::invalid_argument, "page 0 is the file's header, not a page of its own");
  return impl_->repair_page(PageId{page});
}
Result<ArchiveReport> DbEnv::archive_log() { return impl_->archive(); }

Result<VerifyReport> DbEnv::verify(FunctionRef<void(uint64_t, uint64_t)> progress) {
  return impl_->verify(progress);
}
Result<VerifyReport> DbEnv::verify() {
  return impl_->verify([](uint64_t, uint64_t) {});
}

EnvStats DbEnv::stats() const { return impl_->stats(); }
const RecoveryReport& DbEnv::recovery_report() const noexcept { return impl_->recovery_report(); }
const std::string& DbEnv::home() const noexcept { return impl_->home(); }

}  // namespace aether
