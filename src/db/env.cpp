// The public environment: calls through.
#include "aether/env.h"

#include <utility>

#include "base/no_memory.h"
#include "db/env_impl.h"

namespace aether {
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
  return base::or_no_memory([&]() -> Result<std::unique_ptr<DbEnv>> {
    AETHER_TRY_ASSIGN(std::unique_ptr<db::EnvImpl> impl, db::EnvImpl::open(home, options, os));
    return std::unique_ptr<DbEnv>(new DbEnv(std::move(impl)));
  });
}

// What follows calls through, and makes an allocation that fails an answer.

Result<void> DbEnv::close() {
  return base::or_no_memory([&] { return impl_->close(); });
}

Result<KvStore> DbEnv::open_store(const std::string& name, const StoreOptions& options) {
  return base::or_no_memory([&]() -> Result<KvStore> {
    AETHER_TRY_ASSIGN(db::StoreImpl* const store, impl_->open_store(name, options));
    return KvStore(store);
  });
}

Result<void> DbEnv::drop_store(const std::string& name) {
  return base::or_no_memory([&] { return impl_->drop_store(name); });
}
Result<std::vector<std::string>> DbEnv::list_stores() const {
  return base::or_no_memory([&] { return impl_->list_stores(); });
}
Result<Transaction> DbEnv::begin(const TxnOptions& options) {
  return base::or_no_memory([&] { return impl_->begin_transaction(options); });
}
Result<void> DbEnv::commit_prepared(Bytes gid) {
  return base::or_no_memory([&] { return impl_->commit_prepared(gid); });
}
Result<void> DbEnv::rollback_prepared(Bytes gid) {
  return base::or_no_memory([&] { return impl_->rollback_prepared(gid); });
}
Result<std::vector<PreparedTransaction>> DbEnv::prepared() const {
  return base::or_no_memory([&] { return impl_->prepared(); });
}
Result<void> DbEnv::write(const WriteBatch& batch) {
  return write(batch, impl_->options().durability);
}
Result<void> DbEnv::write(const WriteBatch& batch, Durability durability) {
  return base::or_no_memory([&] { return impl_->write(batch, durability); });
}
Result<void> DbEnv::checkpoint() {
  Result<void> done = base::or_no_memory([&] { return impl_->checkpoint(); });
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
Result<ScrubReport> DbEnv::scrub(uint64_t bytes_per_second,
                                 FunctionRef<bool(uint64_t, uint64_t)> progress) {
  return base::or_no_memory([&] { return impl_->scrub(bytes_per_second, progress); });
}
Result<ScrubReport> DbEnv::scrub(uint64_t bytes_per_second) {
  return scrub(bytes_per_second, [](uint64_t, uint64_t) { return true; });
}
Result<ArchiveReport> DbEnv::archive_log() {
  return base::or_no_memory([&] { return impl_->archive(); });
}

Result<VerifyReport> DbEnv::verify(FunctionRef<void(uint64_t, uint64_t)> progress) {
  return base::or_no_memory([&] {
    return impl_->verify([&](uint64_t done, uint64_t total) -> Result<void> {
      progress(done, total);
      return {};
    });
  });
}
Result<VerifyReport> DbEnv::verify() {
  return verify([](uint64_t, uint64_t) {});
}

EnvStats DbEnv::stats() const { return impl_->stats(); }
const RecoveryReport& DbEnv::recovery_report() const noexcept { return impl_->recovery_report(); }
const std::string& DbEnv::home() const noexcept { return impl_->home(); }

}  // namespace aether
