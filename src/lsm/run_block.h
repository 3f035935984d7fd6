/// The inside of a block: entries with the bytes that their keys share left out, and restart points, where a key stands whole.
/// Data, index and range tombstones are written alike. Format: docs/formats/run.md.
///
/// In memory a data block has a head before it, with where its restart points are and how their keys begin: so that a search reads
/// that, side by side, and then one place in the block.
///
///   restarts (4) | skip (4) | restarts * 8: of each key 8 bytes behind the first `skip`, which all have in common | restarts * 4: offsets
///
/// Threads   One.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "aether/function_ref.h"
#include "base/inline_vector.h"
#include "lsm/entry.h"

namespace aether::lsm {

class BlockBuilder {
 public:
  explicit BlockBuilder(uint32_t restart_interval) noexcept : interval_(restart_interval) {}

  /// Above the last one.
  void add(const Entry& entry);
  bool empty() const noexcept { return entries_ == 0; }
  uint32_t entries() const noexcept { return entries_; }
  /// What `take` would give.
  uint64_t bytes() const noexcept {
    return bytes_.size() + (restarts_.size() / sizeof(uint32_t) + 1) * sizeof(uint32_t);
  }
  /// The block. The builder is as new.
  std::string take();

 private:
  const uint32_t interval_;
  std::string bytes_;
  std::string restarts_;
  std::string last_key_;
  uint32_t entries_ = 0;
};

/// The parts of an entry as they stand in a block.
struct RawEntry {
  uint64_t shared = 0;  ///< Bytes of the key that are those of the key before.
  std::string_view rest;
  TxnId writer = 0;
  EntryKind kind = EntryKind::value;
  uint64_t expiry_ms = 0;
  std::string_view value;
};

/// A block's bytes, taken apart. They are untrusted: nothing is read beyond them, whatever they say.
class BlockView {
 public:
  BlockView() = default;
  /// False: it is no block.
  bool attach(std::string_view bytes) noexcept;
  /// Of a block with a head.
  void attach_headed(std::string_view bytes) noexcept;
  /// Of the block that it is attached to, which then has its head before it: `to` has head_bytes() and behind those the block. False: it is malformed.
  bool write_head(char* to) const noexcept;
  uint64_t head_bytes() const noexcept {
    return 2 * sizeof(uint32_t) + restarts_ * (sizeof(uint64_t) + sizeof(uint32_t));
  }
  bool empty() const noexcept { return restarts_ == 0; }
  const char* begin() const noexcept { return begin_; }
  const char* end() const noexcept { return end_; }
  uint32_t restarts() const noexcept { return restarts_; }
  /// Null: it lies outside.
  const char* restart(uint32_t index) const noexcept;
  /// Behind the entry at `at`, which is within. Null: it is malformed.
  const char* read(const char* at, RawEntry& entry) const noexcept;
  /// The last restart point whose key comes before (key, writer); the first, if there is none. Null: malformed. Of a block with a head
  /// memory is asked for the entries that follow.
  const char* restart_before(Bytes key, TxnId writer) const noexcept;

  /// In a block whose restart points are all of its entries: the last entry at (key, writer) or before it. False: there is
  /// none, or it is malformed.
  bool last_at_most(Bytes key, TxnId writer, RawEntry& found) const noexcept;

  enum class Answer : uint8_t {
    found,
    absent,
    goes_on,  ///< Its last entries are of the key: there may be more in the next block.
    malformed,
  };
  /// The first entry of `key` whose writer `sees` accepts.
  Answer find(Bytes key, FunctionRef<bool(TxnId)> sees, RawEntry& found) const noexcept;

  struct Place {
    const char* at = nullptr;      ///< Where the entry begins.
    const char* behind = nullptr;  ///< Null: it is malformed.
  };
  /// From `restart` (of `restart_before`) on, the first entry at (key, writer) or after it; at end(): none. Its key begins with as many
  /// bytes of `key` as `found` shares.
  Place first_at_least(const char* restart, Bytes key, TxnId writer,
                       RawEntry& found) const noexcept;

 private:
  struct Lengths {
    uint64_t rest = 0;
    uint64_t value = 0;
  };
  template <typename Varint>
  const char* read_head(const char* at, RawEntry& entry, Lengths& lengths,
                        Varint varint) const noexcept;
  uint64_t head(uint32_t restart) const noexcept;
  bool narrow(Bytes key, uint32_t& low, uint32_t& high) const noexcept;
  void prefetch(const char* restart) const noexcept;

  const char* begin_ = nullptr;
  const char* end_ = nullptr;  ///< Of the entries; the restart points follow.
  uint32_t restarts_ = 0;
  uint32_t skip_ = 0;
  const char* offsets_ = nullptr;
  const char* heads_ = nullptr;  ///< Null: it has no head.
};

/// A place at an entry of a block.
class BlockCursor {
 public:
  enum class At : uint8_t { entry, nothing, malformed };

  /// The bytes stay where they are while it is used. False: it is no block.
  bool attach(std::string_view bytes) noexcept;
  /// Of a block with a head, which is one.
  void attach_headed(std::string_view bytes) noexcept;
  At first();
  At last();
  At next();
  At prev();
  /// To the first entry at (key, writer) or after it, in two steps: what the first has asked memory for, the second reads.
  void approach(Bytes key, TxnId writer) noexcept;
  At arrive_at_least(Bytes key, TxnId writer);
  /// Both.
  At seek_at_least(Bytes key, TxnId writer) {
    approach(key, writer);
    return arrive_at_least(key, writer);
  }
  /// To the last entry at (key, writer) or before it.
  At seek_at_most(Bytes key, TxnId writer);
  /// Its key lives until the next move, its value as long as the block.
  const Entry& entry() const noexcept { return entry_; }
  bool is_first() const noexcept { return at_ == view_.begin(); }

 private:
  At go_to(const char* restart);
  At step();
  /// From a restart point on, to the last entry that begins before `limit`.
  At last_before(const char* restart, const char* limit);
  void show(const RawEntry& raw_entry) noexcept;

  BlockView view_;
  const char* restart_ = nullptr;  ///< Where `approach` has come to.
  const char* at_ = nullptr;       ///< Where the entry begins.
  const char* next_ = nullptr;     ///< Where the one after it does.
  base::InlineVector<char, 64> key_;
  Entry entry_;
};

}  // namespace aether::lsm
