#include "lsm/index_entries.h"

#include "lsm/varint.h"

namespace aether::lsm {

void append_row_key(std::string& to, Bytes key, TxnId writer) {
  detail::append_escaped(to, key);
  std::string room;
  to.append(Codec<TxnId>::encode(~writer, room));
}

void append_row_value(std::string& to, const Entry& entry) {
  to.push_back(static_cast<char>(entry.kind));
  append_varint(to, entry.expiry_ms);
  to.append(entry.value);
}

Result<void> read_row(Bytes row_key, Bytes row_value, std::string& key_room, Entry& entry) {
  AETHER_TRY_ASSIGN(entry.key, detail::take_escaped(row_key, key_room));
  AETHER_TRY_ASSIGN(const TxnId inverted, Codec<TxnId>::decode(row_key));
  entry.writer = ~inverted;
  const char* const end = row_value.data() + row_value.size();
  const char* const value = row_value.empty()
                                ? nullptr
                                : read_varint(row_value.data() + 1, end, entry.expiry_ms);
  if (value == nullptr) return Error(Code::corruption, "a row of a level is cut short");
  entry.kind = static_cast<EntryKind>(row_value[0]);
  if (entry.kind != EntryKind::value && entry.kind != EntryKind::tombstone &&
      entry.kind != EntryKind::value_apart) {
    return Error(Code::corruption, "a row of a level has kind " +
                                       std::to_string(static_cast<uint8_t>(row_value[0])) +
                                       ", which no entry has");
  }
  entry.value = {value, static_cast<size_t>(end - value)};
  return {};
}

}  // namespace aether::lsm
