#include "index/btree/ops.h"

#include <limits>

#include "base/bytes.h"
#include "base/printable.h"
#include "index/btree/row_patch.h"
#include "page/leaf_record.h"
#include "page/slotted_page.h"

namespace aether::index {
namespace {

Error damaged(const char* what) {
  return Error(Code::corruption, std::string("B+ tree redo: ") + what);
}

constexpr size_t kShown = 64;  ///< Of a key, in a description.

/// Of a row that is to be written: a child word, or the row's meta and more.
bool is_payload_of(const page::SlottedPage& node, std::string_view payload) noexcept {
  return node.is_leaf() ? payload.size() >= page::kMetaBytes : payload.size() == sizeof(uint64_t);
}

Result<void> redo_row(page::SlottedPage node, const BTreeOperation& operation) {
  if (!node.may_hold(operation.key)) return damaged("the key lies outside the page's fences");
  const bool writes = operation.op == BTreeOp::insert || operation.op == BTreeOp::replace;
  if (writes && !is_payload_of(node, operation.data)) return damaged("a payload is cut short");
  const page::SlottedPage::Position at = node.lower_bound(operation.key);
  switch (operation.op) {
    case BTreeOp::insert:
      if (at.exact) return damaged("insert meets its key");
      if (!node.fits(static_cast<uint32_t>(operation.key.size()),
                     static_cast<uint32_t>(operation.data.size()))) {
        return damaged("insert does not fit");
      }
      node.insert(at.slot, operation.key, operation.data);
      return {};
    case BTreeOp::replace:
      if (!at.exact) return damaged("replace misses its key");
      if (!node.fits_payload(at.slot, static_cast<uint32_t>(operation.data.size()))) {
        return damaged("replace does not fit");
      }
      node.replace_payload(at.slot, operation.data);
      return {};
    case BTreeOp::set_meta:
      if (!at.exact || node.payload(at.slot).size() < page::kMetaBytes) {
        return damaged("set_meta misses its key");
      }
      base::store(node.mutable_payload(at.slot), base::load<uint64_t>(operation.data.data()));
      return {};
    case BTreeOp::remove:
      if (!at.exact) return damaged("remove misses its key");
      node.remove(at.slot);
      return {};
    case BTreeOp::patch:
      if (!at.exact || !node.is_leaf()) return damaged("patch misses its key");
      if (!count_runs(operation.data, node.payload(at.slot).size())) {
        return damaged("a patch reaches beyond its row");
      }
      apply_patch(operation.data, node.mutable_payload(at.slot));
      return {};
    case BTreeOp::format:
    case BTreeOp::truncate: break;
  }
  return damaged("not a row operation");
}

/// The page's newest writer, as live changes keep it.
void note_writer(page::SlottedPage node, const BTreeOperation& operation) {
  if (!node.is_leaf() || operation.data.size() < page::kMetaBytes) return;
  const TxnId txn = page::meta_of(operation.data).txn();
  if (txn > node.header().page.newest_txn) node.header().page.newest_txn = txn;
}

}  // namespace

Result<BTreeOperation> parse_operation(const wal::PartView& part) {
  BTreeOperation result;
  result.op = static_cast<BTreeOp>(part.header.op);
  switch (result.op) {
    case BTreeOp::format: result.data = part.data; return result;
    case BTreeOp::truncate: result.key = part.data; return result;
    case BTreeOp::insert:
    case BTreeOp::replace:
    case BTreeOp::set_meta:
    case BTreeOp::remove:
    case BTreeOp::patch: {
      base::ByteReader reader(part.data);
      const auto key_length = reader.read<uint16_t>();
      result.key = reader.read_bytes(key_length);
      result.data = reader.read_bytes(reader.remaining());
      if (!reader.ok()) return damaged("a key is cut short");
      if (result.op == BTreeOp::set_meta && result.data.size() != page::kMetaBytes) {
        return damaged("a meta word is not 8 bytes");
      }
      if (result.op == BTreeOp::patch &&
          !count_runs(result.data, std::numeric_limits<size_t>::max())) {
        return damaged("a patch is cut short");
      }
      return result;
    }
  }
  return damaged("unknown operation");
}

Result<void> redo_btree(std::byte* page, uint32_t page_bytes, const wal::PartView& part) {
  AETHER_TRY_ASSIGN(const BTreeOperation operation, parse_operation(part));
  page::SlottedPage node(page, page_bytes);
  if (operation.op == BTreeOp::format) return node.load_image(operation.data);
  const page::PageKind kind = node.header().page.kind;
  if (kind != page::PageKind::btree_inner && kind != page::PageKind::btree_leaf) {
    return damaged("the page is not a node");
  }
  if (operation.op == BTreeOp::truncate) {
    if (!node.can_truncate(operation.key)) return damaged("no place to truncate at");
    node.truncate(operation.key);
    return {};
  }
  AETHER_TRY(redo_row(node, operation));
  if (operation.op != BTreeOp::remove) note_writer(node, operation);
  return {};
}

std::string describe_btree(const wal::PartView& part) {
  const Result<BTreeOperation> parsed = parse_operation(part);
  if (!parsed) return "damaged";
  const std::string key = "key=" + base::printable(parsed->key, kShown);
  const std::string bytes = std::to_string(parsed->data.size()) + " bytes";
  switch (parsed->op) {
    case BTreeOp::insert: return "insert " + key + " " + bytes;
    case BTreeOp::replace: return "replace " + key + " " + bytes;
    case BTreeOp::set_meta: return "set_meta " + key;
    case BTreeOp::remove: return "remove " + key;
    case BTreeOp::format: return "format " + bytes;
    case BTreeOp::truncate: return "truncate at " + base::printable(parsed->key, kShown);
    case BTreeOp::patch: {
      const size_t runs = count_runs(parsed->data, std::numeric_limits<size_t>::max()).value_or(0);
      return "patch " + key + " " + std::to_string(runs) + (runs == 1 ? " run, " : " runs, ") +
             bytes;
    }
  }
  return "unknown";
}

}  // namespace aether::index
