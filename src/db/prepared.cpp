#include "db/prepared.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"
#include "base/no_memory.h"
#include "base/printable.h"
#include "base/reached.h"
#include "db/env_impl.h"
#include "db/transaction_end.h"
#include "txn/prepare_record.h"

namespace aether::db {

Result<void> PreparedTable::check_user_gid(std::string_view gid) {
  if (!gid.empty() && gid.size() <= txn::kUserGidBytesMax) return {};
  return Error(Code::invalid_argument, "a global id of " + std::to_string(gid.size()) +
                                           " bytes: it has 1 to " +
                                           std::to_string(txn::kUserGidBytesMax));
}

Result<void> PreparedTable::reserve(std::string_view gid) {
  AETHER_ASSERT(!gid.empty() && gid.size() <= txn::kGidBytesMax);
  Entry entry;
  entry.description.gid = gid;
  os::LockGuard lock(mutex_);
  const auto [place, is_new] = entries_.try_emplace(std::string(gid), std::move(entry));
  if (is_new) return {};
  return Error(Code::exists, "a transaction is prepared under '" + base::printable(gid) +
                                 "' already: decide that one, or choose another id");
}

void PreparedTable::release(std::string_view gid) noexcept {
  os::LockGuard lock(mutex_);
  const auto found = entries_.find(gid);
  AETHER_ASSERT(found != entries_.end() && found->second.prepared == nullptr);
  entries_.erase(found);
}

void PreparedTable::put(std::string_view gid, std::unique_ptr<Prepared> prepared) noexcept {
  os::LockGuard lock(mutex_);
  const auto found = entries_.find(gid);
  AETHER_ASSERT(found != entries_.end() && found->second.prepared == nullptr);
  PreparedTransaction& description = found->second.description;  // With its gid.
  description.id = prepared->context.id();
  description.prepared_at_ns = prepared->prepared_at_ns;
  description.recovered = prepared->recovered;
  found->second.prepared = std::move(prepared);
}

Result<std::unique_ptr<Prepared>> PreparedTable::take(std::string_view gid) {
  os::LockGuard lock(mutex_);
  const auto found = entries_.find(gid);
  if (found == entries_.end()) {
    return Error(Code::not_found,
                 "no transaction is prepared under '" + base::printable(gid) + "'");
  }
  if (found->second.prepared == nullptr) {
    return Error(Code::busy,
                 "another thread is preparing or deciding '" + base::printable(gid) + "'");
  }
  return std::move(found->second.prepared);
}

std::vector<PreparedTransaction> PreparedTable::list(uint64_t now_ns) const {
  std::vector<PreparedTransaction> result;
  {
    os::LockGuard lock(mutex_);
    for (const auto& [gid, entry] : entries_) {
      if (entry.description.id != 0) result.push_back(entry.description);
    }
  }
  for (PreparedTransaction& one : result) {
    const uint64_t age_ns = now_ns > one.prepared_at_ns ? now_ns - one.prepared_at_ns : 0;
    one.age_seconds = static_cast<double>(age_ns) / 1e9;
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) {
    return a.prepared_at_ns != b.prepared_at_ns ? a.prepared_at_ns < b.prepared_at_ns : a.id < b.id;
  });
  return result;
}

uint64_t PreparedTable::count() const noexcept {
  os::LockGuard lock(mutex_);
  return static_cast<uint64_t>(std::count_if(entries_.begin(), entries_.end(), [](const auto& one) {
    return one.second.description.id != 0;
  }));
}

std::vector<page::OverflowReference> PreparedTable::freed_values() const {
  std::vector<page::OverflowReference> values;
  os::LockGuard lock(mutex_);
  for (const auto& [gid, entry] : entries_) {
    if (entry.prepared == nullptr) continue;
    const std::vector<page::OverflowReference>& freed = entry.prepared->context.freed;
    values.insert(values.end(), freed.begin(), freed.end());
  }
  return values;
}

bool PreparedTable::contains(std::string_view gid) const {
  os::LockGuard lock(mutex_);
  return entries_.contains(gid);
}

void PreparedTable::clear() noexcept {
  os::LockGuard lock(mutex_);
  entries_.clear();
}

Result<void> EnvImpl::commit_prepared(Bytes gid) {
  AETHER_TRY(check_open());
  AETHER_TRY(check_writable());
  AETHER_TRY_ASSIGN(std::unique_ptr<Prepared> prepared, prepared_.take(gid));
  base::Unless undecided([&] { prepared_.put(gid, std::move(prepared)); });
  if (prepared->is_rolling_back) {
    return Error(Code::invalid_argument, "'" + base::printable(gid) +
                                             "' is half rolled back, for want of memory: call "
                                             "rollback_prepared again");
  }
  AETHER_TRY(log_commit(*this, prepared->context));
  if (prepared->recovered) AETHER_REACHED("txn.prepared_committed_after_a_restart");
  undecided.dismiss();
  prepared_.release(gid);
  prepared->context.release_locks();
  statistics_.count_commit();
  Result<void> durable = log_->wait_durable(prepared->context.log.lsn_vector, true);
  garbage_.add(prepared->context);
  return durable;
}

Result<void> EnvImpl::rollback_prepared(Bytes gid) {
  AETHER_TRY(check_open());
  AETHER_TRY(check_writable());
  AETHER_TRY_ASSIGN(std::unique_ptr<Prepared> prepared, prepared_.take(gid));
  if (!std::exchange(prepared->is_rolling_back, true)) statistics_.aborted(txn::AbortReason::user);
  Result<void> undone = base::or_no_memory([&] { return roll_back(*this, prepared->context); });
  if (prepared->recovered) AETHER_REACHED("txn.prepared_rolled_back_after_a_restart");
  if (!undone && undone.error().code() == Code::no_memory) {
    AETHER_REACHED("txn.prepared_half_rolled_back");
    prepared_.put(gid, std::move(prepared));
    return undone;
  }
  prepared_.release(gid);
  prepared->context.release_locks();
  if (!undone) {
    give_up(*this, prepared->context, undone.error());
    return undone;
  }
  garbage_.collect();
  return log_->wait_durable(prepared->context.log.lsn_vector, true);
}

Result<std::vector<PreparedTransaction>> EnvImpl::prepared() {
  AETHER_TRY(check_open());
  return prepared_.list(os_.wall_ns());
}

}  // namespace aether::db
