// What is in memory, and looking versions up.
#include "txn/version_store.h"

#include <algorithm>
#include <new>
#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/spare_memory.h"

namespace aether::txn {
namespace {

constexpr uint64_t kBytesMin = 64 * KiB;

}  // namespace

Version* Version::make(StoreId store, std::string_view key, std::string_view payload) {
  void* memory = base::take_memory(sizeof(Version) + key.size() + payload.size());
  auto* version = new (memory) Version;
  version->store = store;
  version->key_bytes = static_cast<uint32_t>(key.size());
  version->payload_bytes = static_cast<uint32_t>(payload.size());
  char* const bytes = reinterpret_cast<char*>(version + 1);
  base::copy_short(bytes, key.data(), key.size());
  // Not memcpy: it may be empty, without an address.
  std::copy(payload.begin(), payload.end(), bytes + key.size());
  return version;
}

void Version::destroy(Version* version) noexcept {
  if (version == nullptr) return;
  const size_t bytes = version->memory_bytes();
  version->~Version();
  base::give_memory(version, bytes);
}

Result<void> VersionStore::check(const VersionOptions& options) {
  if (options.bytes_max >= kBytesMin) return {};
  return Error(Code::invalid_argument, "version_bytes_max must be at least " +
                                           std::to_string(kBytesMin) + ", not " +
                                           std::to_string(options.bytes_max));
}

VersionStore::VersionStore(const VersionOptions& options, os::Os& os, Statistics* statistics)
    : options_(options),
      statistics_(statistics),
      runs_(options.directory, options.bytes_max / 4, os) {}

VersionStore::~VersionStore() {
  incoming_.destroy_all();
  kept_.destroy_all();
  swept_.destroy_all();
  unswept_.destroy_all();
  if (spill_ != nullptr) spill_->give_back(spill_->versions()).destroy_all();
}

/// Without memory the buckets stay as they are: looking takes longer.
void VersionStore::grow(Partition& partition) noexcept {
  std::vector<Version*> buckets;
  if (!base::if_memory_allows([&] { buckets.resize(partition.buckets.size() * 2); })) return;
  for (Version* version : partition.buckets) {
    // Turned round and put in front one by one, they stand newest first again.
    Version* reversed = nullptr;
    while (version != nullptr)
      version = std::exchange(version->next, std::exchange(reversed, version));
    while (reversed != nullptr) {
      Version*& head = buckets[reversed->hash & (buckets.size() - 1)];
      reversed = std::exchange(reversed->next, std::exchange(head, reversed));
    }
  }
  partition.buckets = std::move(buckets);
}

void VersionStore::link(Version& version, TxnId writer, TxnId by) noexcept {
  AETHER_ASSERT(!version.linked);
  version.writer = writer;
  version.superseded_by = by;
  version.linked = true;
  version.hash = RowKey(version.store, version.key()).hash;
  Partition& home = partition(version.hash);
  os::LockGuard lock(home.mutex);
  if (++home.count > home.buckets.size()) grow(home);
  Version*& head = home.buckets[version.hash & (home.buckets.size() - 1)];
  version.next = head;
  head = &version;
}

void VersionStore::unlink(Version& version) noexcept {
  if (!version.linked) return;
  Partition& home = partition(version.hash);
  os::LockGuard lock(home.mutex);
  Version** place = &home.buckets[version.hash & (home.buckets.size() - 1)];
  while (*place != &version) {
    AETHER_ASSERT(*place != nullptr);
    place = &(*place)->next;
  }
  *place = version.next;
  --home.count;
  version.linked = false;
}

Result<bool> VersionStore::find(StoreId store, std::string_view key, const Snapshot& snapshot,
                                std::string& payload) const {
  const RowKey row(store, key);
  if (find_in_memory(row, snapshot, payload)) return true;
  // After memory, for what leaves it has been published in a run before.
  return runs_.empty() ? false : runs_.find(row, snapshot, payload);
}

bool VersionStore::find_in_memory(const RowKey& row, const Snapshot& snapshot,
                                  std::string& payload) const {
  const Partition& home = partition(row.hash);
  os::LockGuard lock(home.mutex);
  uint64_t walked = 0;
  const Version* version = home.buckets[row.hash & (home.buckets.size() - 1)];
  for (; version != nullptr; version = version->next) {
    if (!row.is_of(*version, version->key())) continue;
    ++walked;
    if (!is_read_by(snapshot, version->writer, version->superseded_by)) continue;
    payload.assign(version->payload());
    break;
  }
  if (statistics_ != nullptr) statistics_->walked_versions(walked);
  return version != nullptr;
}

std::optional<TxnId> VersionStore::newest_writer(StoreId store, std::string_view key,
                                                 TxnId by) const noexcept {
  const RowKey row(store, key);
  const Partition& home = partition(row.hash);
  os::LockGuard lock(home.mutex);
  const Version* version = home.buckets[row.hash & (home.buckets.size() - 1)];
  for (; version != nullptr; version = version->next) {
    if (!row.is_of(*version, version->key())) continue;
    if (by != 0 && version->superseded_by != by) return std::nullopt;
    return version->writer;
  }
  return std::nullopt;
}

VersionStats VersionStore::stats() const {
  return {.versions = versions_.load(std::memory_order_relaxed),
          .bytes = bytes_.load(std::memory_order_relaxed),
          .collected = collected_.load(std::memory_order_relaxed),
          .spills = spills_.load(std::memory_order_relaxed),
          .spill_failures = spill_failures_.load(std::memory_order_relaxed),
          .runs = runs_.stats()};
}

}  // namespace aether::txn
