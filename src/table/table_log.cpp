#include "table/table_log.h"

#include "base/bytes.h"
#include "base/printable.h"
#include "page/leaf_record.h"

namespace aether::table {
namespace {

Error damaged(const char* what) {
  std::string text("a table's record in the log: ");
  return {Code::corruption, text.append(what)};
}

}  // namespace

TablePart::TablePart(TableOp op, StoreId store, Gsn gsn_before, std::string_view key,
                     std::string_view head, std::string_view value) noexcept
    : key_length_(static_cast<uint16_t>(key.size())),
      pieces_{std::string_view(reinterpret_cast<const char*>(&key_length_), sizeof key_length_),
              key, head, value} {
  spec_.header.page_id = raw(kNoPage);
  spec_.header.gsn_before = gsn_before;
  spec_.header.store = store;
  spec_.header.manager = wal::ResourceManager::table;
  spec_.header.op = static_cast<uint8_t>(op);
  spec_.data = pieces_;
}

Result<TableOperation> parse_operation(const wal::PartView& part) {
  TableOperation result;
  base::ByteReader reader(part.data);
  const auto key_length = reader.read<uint16_t>();
  if (!reader.ok() || key_length > part.data.size() - sizeof key_length)
    return damaged("its key is cut short");
  result.op = static_cast<TableOp>(part.header.op);
  result.key = part.data.substr(sizeof key_length, key_length);
  result.payload = part.data.substr(sizeof key_length + key_length);
  if (result.op == TableOp::row)
    result.op = page::meta_of(result.payload).removed() ? TableOp::remove : TableOp::set;
  switch (result.op) {
    case TableOp::row: break;
    case TableOp::set:
      if (result.payload.size() >= page::kMetaBytes) return result;
      return damaged("its payload is cut short");
    case TableOp::remove:
      if (result.payload.size() == page::kMetaBytes) return result;
      return damaged("a removal is not of the size of a meta word");
    case TableOp::erase:
      if (result.payload.empty()) return result;
      return damaged("it takes a row away and has one");
  }
  return damaged("its operation is unknown");
}

std::string describe(const wal::PartView& part) {
  const Result<TableOperation> operation = parse_operation(part);
  if (!operation) return std::string(operation.error().message());
  std::string text = operation->op == TableOp::set      ? "set key="
                     : operation->op == TableOp::remove ? "remove key="
                                                        : "erase key=";
  constexpr size_t kShown = 64;
  text.append(base::printable(operation->key, kShown));
  if (operation->op == TableOp::set) {
    text.append(" ").append(std::to_string(page::value_of(operation->payload).size()));
    text.append(" bytes");
  }
  return text;
}

}  // namespace aether::table
