#include "db/lsm_store.h"

#include <utility>

#include "base/no_memory.h"
#include "base/reached.h"
#include "db/env_impl.h"
#include "db/lsm_worker.h"
#include "index/btree/overflow.h"
#include "index/rax/rax.h"
#include "index/skiplist/skiplist.h"

namespace aether::db {
namespace {

/// Writers look at the nursery once in so many bytes.
constexpr uint64_t kLookBytes = 4 * KiB;
/// Sealed generations that wait to be written out; then writers wait, too.
constexpr uint64_t kSealedMax = 3;
/// What a nursery may grow to, times its size, before a transaction that has written already sees to it.
constexpr uint64_t kNurseriesLeft = 4;
constexpr uint64_t kSliceBytes = 1 * MiB;       ///< Of merging, by the worker.
constexpr uint64_t kSliceBytesHere = 64 * KiB;  ///< By a writer.
constexpr uint64_t kNoBound = ~uint64_t{0} >> 2;

}  // namespace

bool may_wait(const Error& error) noexcept {
  switch (error.code()) {
    case Code::no_space:
    case Code::no_memory:
    case Code::too_large:
    case Code::busy: return true;
    default: return false;
  }
}

LsmStore::LsmStore(EnvImpl& env)
    : env_(env), tree_([this]() -> index::AnyIndex {
        if (nursery_ == IndexKind::rax) {
          return index::AnyIndex(
              std::make_unique<index::Rax>(index::RaxOptions{.memory_bytes_max = kNoBound}));
        }
        return index::AnyIndex(std::make_unique<index::Skiplist>(
            index::SkiplistOptions{.memory_bytes_max = kNoBound, .seed = env_.os().random()}));
      }) {}

void LsmStore::attach(StoreImpl& store) {
  upkeep_ = std::make_unique<lsm::Upkeep>(env_.services(), store.tree(), *store.table(), tree_,
                                          *this);
}

Result<void> LsmStore::create(txn::TransactionContext& txn,
                              const lsm::StoreConfiguration& configuration,
                              const lsm::PolicyOptions& policy) {
  nursery_ = configuration.nursery;
  tree_.set_next_generation(1, configuration.nursery_bytes);
  return upkeep_->create(txn, configuration, policy);
}

Result<Gsn> LsmStore::load() {
  AETHER_TRY(upkeep_->load());
  nursery_ = upkeep_->nursery();
  tree_.set_next_generation(upkeep_->next_generation(), upkeep_->nursery_bytes_max());
  return upkeep_->flushed_gsn();
}

Result<void> LsmStore::commit(uint32_t stream, bool log_first, Body body) {
  return env_.commit_upkeep(stream, log_first, body);
}

uint32_t LsmStore::stream() const noexcept { return env_.stream_of_caller(); }

void LsmStore::after_write(uint64_t key_bytes, uint64_t value_bytes) noexcept {
  const bool is_outside = value_bytes > tree_.inline_value_max();
  if (is_outside) upkeep_->count_outside(value_bytes);
  const uint64_t bytes = key_bytes + (is_outside ? sizeof(page::OverflowReference) : value_bytes);
  const uint64_t before = upkeep_->accept(bytes);
  if (before / kLookBytes != (before + bytes) / kLookBytes) [[unlikely]]
    is_to_look_.store(true, std::memory_order_relaxed);
}

Result<void> LsmStore::look(const txn::TransactionContext& txn) {
  // Upkeep writes to the log, of which a transaction that has begun there may use only so much: the next one sees to it.
  const bool is_left = txn.pinned && !env_.lsm_worker().is_running() &&
                       tree_.nursery_bytes() < kNurseriesLeft * upkeep_->nursery_bytes_max();
  if (is_left) return {};
  is_to_look_.store(false, std::memory_order_relaxed);
  Result<void> looked = look_now();
  if (!looked) is_to_look_.store(true, std::memory_order_relaxed);
  return looked;
}

Result<void> LsmStore::look_now() {
  LsmWorker& worker = env_.lsm_worker();
  if (!worker.is_running()) return work_here();
  if (!upkeep_->nursery_is_full()) return {};
  if (tree_.sealed_count() >= kSealedMax) {
    AETHER_REACHED("lsm.writer_waits_for_a_flush");
    AETHER_TRY(worker.wait_until([this] { return tree_.sealed_count() < kSealedMax; }));
  }
  AETHER_TRY(upkeep_->seal(upkeep_->nursery_bytes_max()));
  worker.wake();
  return {};
}

/// Without threads in the background writers do all of it, each a share.
Result<void> LsmStore::work_here() {
  Result<void> done = base::or_no_memory([&]() -> Result<void> {
    if (upkeep_->nursery_is_full()) {
      AETHER_TRY(upkeep_->seal(upkeep_->nursery_bytes_max()));
      AETHER_TRY(flush_sealed());
    }
    AETHER_TRY(upkeep_->begin_expired());
    AETHER_TRY_ASSIGN(bool more, upkeep_->merge(kSliceBytesHere, false));
    while (more) {
      AETHER_TRY_ASSIGN(more, upkeep_->merge(kSliceBytesHere, false));
    }
    AETHER_TRY(upkeep_->give_back());
    return {};
  });
  if (done || (may_wait(done.error()) && tree_.sealed_count() < kSealedMax)) return {};
  return done;
}

Result<void> LsmStore::flush_sealed() {
  AETHER_TRY_ASSIGN(bool more, upkeep_->flush());
  while (more) {
    tree_.collect();
    AETHER_TRY_ASSIGN(more, upkeep_->flush());
  }
  return {};
}

Result<void> LsmStore::flush_all() {
  AETHER_TRY(upkeep_->seal(0));
  return flush_sealed();
}

Result<void> LsmStore::take_own_values(std::vector<page::OverflowReference>& values) {
  uint64_t extents = 0;
  AETHER_TRY(tree_.visit_own_values(
      [&](const page::OverflowReference& value) { extents += index::extents_of(value); }));
  if (extents >= index::kFreedExtentsMax) AETHER_TRY(flush_all());
  upkeep_->stop();  // What is being written out has been, or will not be.
  return tree_.visit_own_values(
      [&](const page::OverflowReference& value) { values.push_back(value); });
}

Result<bool> LsmStore::work() {
  tree_.collect();
  AETHER_TRY_ASSIGN(const bool has_flushed, upkeep_->flush());
  if (has_flushed) {
    env_.let_go_of_log();
    return true;
  }
  AETHER_TRY_ASSIGN(const bool has_merged, upkeep_->merge(kSliceBytes, true));
  if (has_merged) return true;
  AETHER_TRY_ASSIGN(const bool has_begun, upkeep_->begin_expired());
  if (has_begun) return true;
  return upkeep_->give_back();
}

}  // namespace aether::db
