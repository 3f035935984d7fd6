/// An older version of a row: in memory, where its writer puts it, and as it is seen in a run on disk.
///
/// Threads   A Version belongs to who made it until it is retired; readers find it meanwhile, under its partition's
///           mutex.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/checksum.h"
#include "base/ids.h"
#include "txn/snapshot.h"

namespace aether::txn {

/// What a write has replaced: the key and the row's payload before, as it stood in the leaf. Empty: there was none.
struct Version {
  Version* next = nullptr;       ///< In its bucket: an older one, or one of another key.
  Version* following = nullptr;  ///< In the list that has it, if any (VersionList).
  uint64_t hash = 0;             ///< Once it is linked.
  TxnId writer = 0;              ///< Of this version.
  TxnId superseded_by = 0;       ///< Who replaced it.
  StoreId store = 0;
  uint32_t key_bytes = 0;
  uint32_t payload_bytes = 0;
  bool linked = false;  ///< Readers can find it.

  std::string_view key() const noexcept { return {bytes(), key_bytes}; }
  std::string_view payload() const noexcept { return {bytes() + key_bytes, payload_bytes}; }
  uint64_t memory_bytes() const noexcept { return sizeof(Version) + key_bytes + payload_bytes; }

  /// Owned by the caller until it is retired.
  static Version* make(StoreId store, std::string_view key, std::string_view payload);
  static void destroy(Version* version) noexcept;
  struct Destroyer {
    void operator()(Version* version) const noexcept { destroy(version); }
  };

 private:
  const char* bytes() const noexcept { return reinterpret_cast<const char*>(this + 1); }
};

/// Versions one after another, through themselves: to hand them on needs no memory. Does not own them.
class VersionList {
 public:
  VersionList() = default;
  VersionList(VersionList&& other) noexcept { append(other); }
  VersionList& operator=(VersionList&& other) noexcept {
    first_ = last_ = nullptr;
    size_ = 0;
    append(other);
    return *this;
  }

  bool empty() const noexcept { return first_ == nullptr; }
  size_t size() const noexcept { return size_; }
  Version* front() const noexcept { return first_; }
  void push_back(Version* version) noexcept {
    version->following = nullptr;
    (first_ == nullptr ? first_ : last_->following) = version;
    last_ = version;
    ++size_;
  }
  /// There is one.
  Version* pop_front() noexcept {
    Version* const version = first_;
    first_ = version->following;
    --size_;
    return version;
  }
  /// Takes over all of `other`, behind its own; `prepend`: before them.
  void append(VersionList& other) noexcept {
    if (other.empty()) return;
    (first_ == nullptr ? first_ : last_->following) = other.first_;
    last_ = other.last_;
    size_ += std::exchange(other.size_, 0);
    other.first_ = nullptr;
  }
  void prepend(VersionList& other) noexcept {
    other.append(*this);
    append(other);
  }
  void destroy_all() noexcept {
    while (!empty()) Version::destroy(pop_front());
  }

 private:
  Version* first_ = nullptr;
  Version* last_ = nullptr;  ///< If there is a first.
  size_t size_ = 0;
};

/// A version that was made before it is known whether there will be a change.
using OwnedVersion = std::unique_ptr<Version, Version::Destroyer>;

/// A version, wherever its bytes lie. Borrows them.
struct VersionView {
  uint64_t hash = 0;
  TxnId writer = 0;
  TxnId superseded_by = 0;
  StoreId store = 0;
  std::string_view key;
  std::string_view payload;

  VersionView() = default;
  explicit VersionView(const Version& version) noexcept
      : hash(version.hash),
        writer(version.writer),
        superseded_by(version.superseded_by),
        store(version.store),
        key(version.key()),
        payload(version.payload()) {}
};

/// The row whose version is looked for. Borrows the key.
struct RowKey {
  RowKey(StoreId in_store, std::string_view row_key) noexcept
      : hash(base::checksum(row_key.data(), row_key.size(), in_store)),
        store(in_store),
        key(row_key) {}

  template <typename AnyVersion>
  bool is_of(const AnyVersion& version, std::string_view version_key) const noexcept {
    return version.hash == hash && version.store == store && version_key == key;
  }

  uint64_t hash;
  StoreId store;
  std::string_view key;
};

/// Of all versions of a row a snapshot reads this one: it sees the writer, and not who replaced it. That is the newest
/// one whose writer it sees, because a row is overwritten only after its writer has ended; and it can be told from one
/// version alone, so the order in which versions are looked through does not matter.
template <typename AnySnapshot>
bool is_read_by(const AnySnapshot& snapshot, TxnId writer, TxnId superseded_by) noexcept {
  return !snapshot.sees(superseded_by) && snapshot.sees(writer);
}

/// True if any of `snapshots`, oldest first, reads that version. What an older one sees a newer one sees too; so if the
/// first that sees the writer sees who replaced it, all after it do.
inline bool is_needed(TxnId writer, TxnId superseded_by,
                      const std::vector<SnapshotBounds>& snapshots) noexcept {
  const auto first = std::partition_point(
      snapshots.begin(), snapshots.end(),
      [&](const SnapshotBounds& snapshot) { return !snapshot.sees(writer); });
  return first != snapshots.end() && !first->sees(superseded_by);
}

}  // namespace aether::txn
