#include "apps/aether/row_reader.h"

namespace aether::cli {
namespace {

// The longest line that can hold the longest value: bytevalue doubles it, JSON may escape every byte.
constexpr uint64_t kLineSlackBytes = 1 * MiB;

uint64_t line_bytes_max(FileType type) noexcept {
  return (type == FileType::tsv ? 1 : 2) * kMaxValueBytes + kLineSlackBytes;
}

}  // namespace

FileType detect_type(Bytes beginning) noexcept {
  if (beginning.starts_with("VERSION=")) return FileType::db_dump;
  const size_t first = beginning.find_first_not_of(" \t\r\n");
  if (first != Bytes::npos && beginning[first] == '{') return FileType::jsonl;
  const Bytes line = beginning.substr(0, beginning.find('\n'));
  return line.find('\t') != Bytes::npos ? FileType::tsv : FileType::automatic;
}

Result<std::unique_ptr<RowReader>> open_rows(const std::string& path, FileType type,
                                             const TextOptions& options) {
  AETHER_TRY_ASSIGN(LineReader lines, LineReader::open(path, line_bytes_max(type)));
  if (type == FileType::automatic) {
    AETHER_TRY_ASSIGN(const Bytes beginning, lines.peek());
    type = detect_type(beginning);
    if (type == FileType::automatic) {
      return Error(Code::invalid_argument,
                   lines.name() + (beginning.empty() ? ": empty" : ": of no known type") +
                       "; say --type db_dump, tsv or jsonl");
    }
  }
  if (type == FileType::db_dump) return make_db_dump_reader(std::move(lines));
  if (type == FileType::tsv) return make_tsv_reader(std::move(lines), options);
  return make_jsonl_reader(std::move(lines), options);
}

}  // namespace aether::cli
