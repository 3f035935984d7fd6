// Writing rows, and taking writes back.
#include <algorithm>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/no_memory.h"
#include "base/planted.h"
#include "base/prefetch.h"
#include "base/probes.h"
#include "base/reached.h"
#include "index/btree/btree.h"
#include "index/btree/overflow.h"
#include "index/btree/read_view.h"
#include "index/btree/row_patch.h"

namespace aether::index {

using buffer::ExclusiveGuard;
using buffer::Frame;
using buffer::OptimisticGuard;
using page::RecordMeta;
using page::SlottedPage;

namespace {

std::string_view word_bytes(const uint64_t& word) noexcept {
  return {reinterpret_cast<const char*>(&word), sizeof word};
}

Error key_too_large(Bytes key, uint32_t key_max) {
  return {Code::too_large, "a key of " + std::to_string(key.size()) + " bytes: the longest is " +
                               std::to_string(key_max) + ", a quarter of the environment's page"};
}

}  // namespace

Result<void> BTree::check_arguments(WriteKind kind, Bytes key, Bytes value) const {
  const uint32_t key_max = key_bytes_max(services_.pool.page_bytes());
  if (key.size() > key_max) return key_too_large(key, key_max);
  if (kind.mode != WriteMode::remove && value.size() > kMaxValueBytes) {
    return Error(Code::too_large,
                 "a value of " + std::to_string(value.size()) + " bytes: the largest is 1 GiB");
  }
  return {};
}

Result<bool> BTree::write(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                          const Bytes& value) {
  const uint32_t page_bytes = services_.pool.page_bytes();
  const bool is_small = key.size() <= SlottedPage::max_key_bytes(page_bytes) &&
                        (kind.mode == WriteMode::remove ||
                         value.size() <= inline_value_max(page_bytes, key.size()));
  if (is_small) [[likely]]
    return write_body(txn, kind, key, value, kind.flags);
  AETHER_TRY(check_arguments(kind, key, value));
  return write_outside(txn, kind, key, value);
}

/// A value that has no room in a leaf.
Result<bool> BTree::write_outside(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                                  Bytes value) {
  if (txn.single_record) return false;
  base::make_room(txn.freed, 2);  // The new one, if it was written for nothing, and the old.
  OutsideBody outside;
  if (kind.expires()) outside.expiry_ms = take_expiry(value);
  AETHER_TRY_ASSIGN(outside.reference, write_overflow(services_, txn, store_, value));
  // Written for nothing, whatever the way out: given back at the commit.
  base::Unless needless([&] { free_value(txn, outside.reference); });
  const uint8_t flags = kind.flags | RecordMeta::kOverflow;
  Result<bool> written = write_body(txn, kind, key, outside.bytes(kind.expires()), flags);
  if (written && *written) needless.dismiss();
  return written;
}

/// `body`: what stands in the leaf behind the meta word, of which `flags` are those that belong to it.
Result<bool> BTree::write_body(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                               const Bytes& body, uint8_t flags) {
  bool has_lock = false;
  for (os::Backoff backoff;; backoff.wait()) {
    AETHER_TRY_ASSIGN(const Step step, try_write(txn, kind, key, body, flags, has_lock));
    switch (step) {
      case Step::done: return true;
      case Step::needs_transaction: return false;
      case Step::underfull:
        // The row is gone and logged; that its page stays thin for now is no failure of the call.
        static_cast<void>(base::or_no_memory([&] { return merge(txn.log, key, 0); }).has_value());
        return true;
      case Step::restart: break;
      case Step::needs_lock:
        AETHER_TRY(txn.lock(txn::LockName::key(store_, key), txn::LockMode::x));
        has_lock = true;
        break;
      case Step::full: AETHER_TRY(make_room_to_write(txn, kind, key, body)); break;
    }
  }
}

Result<void> BTree::make_room_to_write(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                                       Bytes value) {
  uint64_t payload_bytes = page::kMetaBytes + value.size();
  if (kind.mode == WriteMode::expire) {
    AETHER_TRY_ASSIGN(const std::string now, newest_payload(key));
    payload_bytes = now.size() + page::kExpiryBytes;
  }
  return make_room(txn.log, key, static_cast<uint32_t>(payload_bytes));
}

Result<BTree::Step> BTree::try_write(txn::TransactionContext& txn, WriteKind kind, Bytes key,
                                     const Bytes& value, uint8_t flags, bool has_lock) {
  AETHER_TRY_ASSIGN(OptimisticGuard guard, find_leaf_to_write(txn, key));
  const uint64_t version = guard.version();
  base::prefetch<true>(&guard.frame().lsn_vector);  // For log_change.
  const SlottedPage node = services_.pool.node(guard.frame());
  // Before the latch, whose locked instruction waits for what is being loaded: found in the page as the latch finds it.
  const SlottedPage::Position at = node.lower_bound(key);
  const std::optional<ExclusiveGuard> leaf = guard.try_upgrade();
  if (!leaf) return Step::restart;
  // Under the latch: who locks a row looks at its page after it is counted.
  if (lockers_.load(std::memory_order_seq_cst) != 0 && !has_lock)
    return txn.single_record ? Step::needs_transaction : Step::needs_lock;
  // Under the latch: a snapshot that is opened from here on sees the id, and its readers wait for the row.
  if (txn.single_record) txn.log.txn = services_.transactions.draw_id();
  const Bytes old = at.exact ? node.payload(at.slot) : Bytes();
  const RecordMeta meta = page::meta_of(old);
  if (at.exact) AETHER_TRY(check_writer(txn, meta.txn()));
  const bool present = at.exact && (meta.stays() || is_present(services_, txn, old));
  const bool refused = present ? kind.mode == WriteMode::insert : kind.needs_row();
  if (refused) {
    remember(&txn, key, leaf->frame(), version);  // The answer is a read.
    return present ? Code::exists : Code::not_found;
  }
  if (!txn.single_record) txn.pin(services_.transactions);
  if (kind.mode == WriteMode::remove) return remove_row(txn, leaf->frame(), at, key);
  if (kind.mode == WriteMode::expire) [[unlikely]]
    return expire_row(txn, leaf->frame(), at, key, value);
  return write_row(txn, leaf->frame(), at, key, value, flags);
}

/// First updater wins; and who overwrites a commit that is not durable yet depends on it.
Result<void> BTree::check_writer(txn::TransactionContext& txn, TxnId writer) const {
  if (writer == txn.id()) return {};
  if (services_.transactions.is_open(writer) && !AETHER_PLANTED("txn.dirty_write")) {
    AETHER_PROBE(conflict, txn.id(), writer);
    return Error(Code::conflict, "the row is being changed by transaction " +
                                     std::to_string(writer) + ": abort and retry");
  }
  if (txn.snapshot != nullptr && !txn.snapshot->sees(writer) &&
      !services_.transactions.faults().ignore_snapshot && !AETHER_PLANTED("txn.lost_update")) {
    AETHER_PROBE(conflict, txn.id(), writer);
    return Error(Code::conflict, "the row was changed by transaction " + std::to_string(writer) +
                                     ", which this one's snapshot does not see: abort and retry");
  }
  services_.transactions.add_dependency(writer, txn.log.lsn_vector);
  return {};
}

Result<BTree::Step> BTree::write_row(txn::TransactionContext& txn, Frame& leaf,
                                     SlottedPage::Position at, Bytes key, const Bytes& value,
                                     uint8_t flags) {
  SlottedPage node = services_.pool.node(leaf);
  const auto payload_bytes = static_cast<uint32_t>(page::kMetaBytes + value.size());
  const uint64_t meta = RecordMeta(txn.id(), flags).word();
  if (!at.exact) {
    if (!node.fits(static_cast<uint32_t>(key.size()), payload_bytes)) return Step::full;
    RowPart part(BTreeOp::insert, store_, key, word_bytes(meta), value);
    AETHER_TRY(log_row(txn, leaf, part, key, {}, {}));
    if (at.slot == node.count()) append_places_.mine().store(&leaf, std::memory_order_relaxed);
    node.insert(at.slot, key, word_bytes(meta), value);
    return Step::done;
  }
  const Bytes old = node.payload(at.slot);
  if (txn.single_record && page::meta_of(old).overflow()) return Step::needs_transaction;
  const bool same_size = old.size() == payload_bytes;
  if (!same_size && !node.fits_payload(at.slot, payload_bytes)) return Step::full;
  RowPatch patch;
  const bool is_patch = same_size && patch.make(old, meta, value);
  RowPart part = is_patch ? RowPart(BTreeOp::patch, store_, key, patch.forward(), {})
                          : RowPart(BTreeOp::replace, store_, key, word_bytes(meta), value);
  std::optional<page::OverflowReference> large = value_outside(old);
  // Nothing but its expiry changes: the row that comes refers to it, too.
  if (large && (flags & RecordMeta::kOverflow) != 0 && value.ends_with(page::value_of(old)))
    large.reset();
  if (large) AETHER_TRY(check_freed(txn));
  if (large) base::make_room(txn.freed);
  std::string payload;
  if (!same_size) payload.reserve(payload_bytes);
  AETHER_TRY(log_row(txn, leaf, part, key, old, is_patch ? patch.back() : old));
  if (large) free_value(txn, *large);
  if (same_size) {
    std::byte* const place = node.bytes() + (old.data() - reinterpret_cast<char*>(node.bytes()));
    base::store(place, meta);
    std::copy(value.begin(), value.end(), reinterpret_cast<char*>(place) + page::kMetaBytes);
  } else {
    payload.append(word_bytes(meta)).append(value);
    node.replace_payload(at.slot, payload);
  }
  return Step::done;
}

/// `expiry`: as it stands in a row. Empty: the row stays from now on.
Result<BTree::Step> BTree::expire_row(txn::TransactionContext& txn, Frame& leaf,
                                      SlottedPage::Position at, Bytes key, Bytes expiry) {
  const Bytes old = services_.pool.node(leaf).payload(at.slot);
  const RecordMeta meta = page::meta_of(old);
  std::string body(expiry);
  body.append(page::value_of(old, meta));
  const uint32_t record_max = SlottedPage::max_record_bytes(services_.pool.page_bytes());
  if (page::kMetaBytes + body.size() + key.size() > record_max) {
    return Error(Code::too_large, "the row has no room in its page for an expiry: put it with one");
  }
  const uint8_t kept = meta.flags() & RecordMeta::kOverflow;
  const uint8_t expires = expiry.empty() ? uint8_t{0} : RecordMeta::kExpires;
  return write_row(txn, leaf, at, key, body, kept | expires);
}

Result<BTree::Step> BTree::remove_row(txn::TransactionContext& txn, Frame& leaf,
                                      SlottedPage::Position at, Bytes key) {
  SlottedPage node = services_.pool.node(leaf);
  const Bytes old = node.payload(at.slot);
  const RecordMeta meta = page::meta_of(old);
  if (txn.single_record && meta.overflow()) return Step::needs_transaction;
  if (txn.single_record && !services_.transactions.has_snapshots()) {
    RowPart part(BTreeOp::remove, store_, key, {}, {});
    AETHER_TRY(log_row(txn, leaf, part, key, {}, {}));
    node.remove(at.slot);
    return is_underfull(node) ? Step::underfull : Step::done;
  }
  const uint64_t ghost = RecordMeta(txn.id(), meta.flags() | RecordMeta::kRemoved).word();
  RowPart part(BTreeOp::set_meta, store_, key, word_bytes(ghost), {});
  const std::optional<page::OverflowReference> large = value_outside(old);
  if (large) AETHER_TRY(check_freed(txn));
  if (large) base::make_room(txn.freed);
  base::make_room(txn.ghosts);
  std::string ghost_key(key);
  AETHER_TRY(log_row(txn, leaf, part, key, old, old.substr(0, page::kMetaBytes)));
  if (large) free_value(txn, *large);
  base::store(node.mutable_payload(at.slot), ghost);
  txn.ghosts.push_back({store_, std::move(ghost_key)});
  return Step::done;
}

/// Logs one row's change, with its undo (`before`: what the log needs of the old payload) unless it commits by
/// itself; and keeps the old payload for those who do not see the new one. `old` is empty if there was no row. What else
/// the change needs is there: when this has succeeded nothing of it may fail.
Result<void> BTree::log_row(txn::TransactionContext& txn, Frame& leaf, RowPart& part, Bytes key,
                            Bytes old, Bytes before) {
  if (!txn.single_record &&
      txn.undo.memory_bytes() + key.size() + old.size() > txn.undo_bytes_max) {
    return Error(Code::too_large,
                 "the transaction needs more than transaction_bytes_max (" +
                     std::to_string(txn.undo_bytes_max) +
                     " bytes) to roll back: abort it, and split the work or raise the option");
  }
  const buffer::PageRef page = services_.pool.ref(leaf);
  const Lsn previous = txn.log.last_lsn;
  const buffer::ChangeKind kind{.flags = txn.single_record ? wal::kFlagCommits : uint8_t{0}};
  const size_t undo_count = txn.single_record || before.empty() ? 0 : 1;
  txn::OwnedVersion version;
  // What it wrote itself is no version that anybody could see.
  const TxnId writer = page::meta_of(old).txn();
  const bool has_readers = !old.empty() &&
                           (txn.single_record ? services_.transactions.may_need_version(writer)
                                              : writer != txn.id());
  if (!txn.single_record) txn.undo.make_room();
  if (!txn.single_record || has_readers) version.reset(txn::Version::make(store_, key, old));
  AETHER_TRY(buffer::log_change(services_.log, txn.log, kind, {&page, 1}, {&part.spec(), 1},
                                {&before, undo_count}));
  page::PageHeader& header = page.header();
  header.newest_txn = std::max(header.newest_txn, txn.id());
  ++txn.writes;
  if (has_readers && !AETHER_PLANTED("txn.forget_version"))
    services_.versions.link(*version, writer, txn.id());
  if (txn.single_record) {
    if (has_readers) txn.versions.push_back(version.release());
    return {};
  }
  // In memory the whole row is kept, whatever the log holds of it.
  const auto op = static_cast<BTreeOp>(part.spec().header.op);
  txn.undo.push({.manager = wal::ResourceManager::btree,
                 .op = static_cast<uint8_t>(op == BTreeOp::patch ? BTreeOp::replace : op),
                 .lsn = txn.log.last_lsn,
                 .previous = previous,
                 .key = {},
                 .before = {},
                 .version = version.release()});
  return {};
}

Result<void> BTree::undo(txn::TransactionContext& txn, const txn::UndoEntry& entry) {
  for (os::Backoff backoff;; backoff.wait()) {
    uint32_t payload_bytes = 0;
    AETHER_TRY_ASSIGN(const Step step, try_undo(txn, entry, payload_bytes));
    if (step == Step::done) return {};
    if (step != Step::full) continue;
    AETHER_REACHED("btree.undo_needs_room");
    AETHER_TRY(make_room(txn.log, entry.key, payload_bytes));
  }
}

Result<BTree::Step> BTree::try_undo(txn::TransactionContext& txn, const txn::UndoEntry& entry,
                                    uint32_t& payload_bytes) {
  AETHER_TRY_ASSIGN(OptimisticGuard guard, find_leaf_for(&txn, entry.key));
  const std::optional<ExclusiveGuard> leaf = guard.try_upgrade();
  if (!leaf) return Step::restart;
  SlottedPage node = services_.pool.node(leaf->frame());
  const SlottedPage::Position at = node.lower_bound(entry.key);
  if (!at.exact || page::meta_of(node.payload(at.slot)).txn() != txn.id()) {
    return Error(Code::corruption, "undo: page " +
                                       std::to_string(raw(leaf->frame().page_id.load())) +
                                       " does not hold the row that transaction " +
                                       std::to_string(txn.id()) + " wrote");
  }
  const buffer::PageRef page = services_.pool.ref(leaf->frame());
  const buffer::ChangeKind kind{
      .type = wal::RecordType::clr,
      .link = AETHER_PLANTED("txn.clr_link_wrong") ? entry.lsn : entry.previous};
  const auto log = [&](RowPart& part) -> Result<void> {
    AETHER_TRY(buffer::log_change(services_.log, txn.log, kind, {&page, 1}, {&part.spec(), 1}));
    // The row is back before the latch is let go; a reader that has met it in neither place does not validate.
    if (entry.version != nullptr) services_.versions.unlink(*entry.version);
    ++txn.writes;
    return {};
  };
  switch (static_cast<BTreeOp>(entry.op)) {
    case BTreeOp::insert: {
      RowPart part(BTreeOp::remove, store_, entry.key, {}, {});
      AETHER_TRY(log(part));
      node.remove(at.slot);
      return Step::done;
    }
    case BTreeOp::replace: {
      if (entry.before.size() < page::kMetaBytes) break;
      payload_bytes = static_cast<uint32_t>(entry.before.size());
      if (!node.fits_payload(at.slot, payload_bytes)) return Step::full;
      const Bytes now = node.payload(at.slot);
      RowPatch patch;
      const bool is_patch = now.size() == entry.before.size() &&
                            patch.make(now, page::meta_of(entry.before).word(),
                                       page::body_of(entry.before));
      RowPart part = is_patch ? RowPart(BTreeOp::patch, store_, entry.key, patch.forward(), {})
                              : RowPart(BTreeOp::replace, store_, entry.key, entry.before, {});
      AETHER_TRY(log(part));
      node.replace_payload(at.slot, entry.before);
      return Step::done;
    }
    case BTreeOp::patch: {  // From the log, after a restart.
      if (!count_runs(entry.before, node.payload(at.slot).size())) break;
      RowPart part(BTreeOp::patch, store_, entry.key, entry.before, {});
      AETHER_TRY(log(part));
      apply_patch(entry.before, node.mutable_payload(at.slot));
      return Step::done;
    }
    case BTreeOp::set_meta: {
      if (entry.before.size() < page::kMetaBytes) break;
      const Bytes meta = entry.before.substr(0, page::kMetaBytes);
      RowPart part(BTreeOp::set_meta, store_, entry.key, meta, {});
      AETHER_TRY(log(part));
      base::store(node.mutable_payload(at.slot), base::load<uint64_t>(meta.data()));
      return Step::done;
    }
    default: break;
  }
  return Error(Code::corruption, "undo: operation " + std::to_string(entry.op) +
                                     " of transaction " + std::to_string(txn.id()) +
                                     " does not fit its row in page " +
                                     std::to_string(raw(leaf->frame().page_id.load())));
}

}  // namespace aether::index
