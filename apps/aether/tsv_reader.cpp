#include <algorithm>
#include <utility>

#include "apps/aether/row_reader.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

// Bytes are kept as they are: no quotes, no escapes, and a carriage return belongs to the last column.
class TsvReader final : public RowReader {
 public:
  TsvReader(LineReader lines, const TextOptions& options)
      : RowReader(std::move(lines)), options_(options) {
    columns_needed_ = *std::max_element(options_.key_columns.begin(), options_.key_columns.end());
    // A lone key column leaves a value only if something follows it.
    if (!options_.whole_line) columns_needed_ = std::max(columns_needed_, 2U);
    key_is_first_column_ = options_.key_columns.size() == 1 && options_.key_columns[0] == 1;
  }

  Result<Event> next() override;

 private:
  Result<void> split();
  void join_key();
  void join_value();

  TextOptions options_;
  uint32_t columns_needed_ = 1;
  bool key_is_first_column_ = true;
  bool begun_ = false;
  std::vector<Bytes> columns_;
  std::string key_;
  std::string value_;
};

Result<RowReader::Event> TsvReader::next() {
  if (!begun_) {
    begun_ = true;
    if (options_.heading) AETHER_TRY(lines_.next());
    return Event::section;
  }
  AETHER_TRY_ASSIGN(const bool more, lines_.next());
  if (!more) return Event::end;
  const Bytes line = lines_.line();
  if (key_is_first_column_) {
    const size_t tab = line.find('\t');
    if (tab == Bytes::npos && !options_.whole_line) {
      return lines_.error_at(line.size() + 1,
                             "expected a tab between key and value, found the line end");
    }
    row_.key = line.substr(0, tab);
    row_.value = options_.whole_line ? line : line.substr(tab + 1);
  } else {
    AETHER_TRY(split());
    join_key();
    join_value();
    row_ = {key_, options_.whole_line ? line : Bytes(value_)};
  }
  if (row_.value.size() > kMaxValueBytes) {
    return Error(Code::too_large, lines_.name() + ", line " + with_commas(lines_.line_number()) +
                                      ": a value of " + human_bytes(row_.value.size()) +
                                      " is above the limit of " + human_bytes(kMaxValueBytes));
  }
  return Event::row;
}

Result<void> TsvReader::split() {
  columns_.clear();
  Bytes rest = lines_.line();
  for (;;) {
    const size_t tab = rest.find('\t');
    columns_.push_back(rest.substr(0, tab));
    if (tab == Bytes::npos) break;
    rest.remove_prefix(tab + 1);
  }
  if (columns_.size() < columns_needed_) {
    return lines_.error_at(lines_.line().size() + 1,
                           "expected at least " + std::to_string(columns_needed_) +
                               " columns between tabs, found " + std::to_string(columns_.size()));
  }
  return {};
}

void TsvReader::join_key() {
  key_.clear();
  for (size_t i = 0; i < options_.key_columns.size(); ++i) {
    if (i > 0) key_ += options_.key_separator;
    key_ += columns_[options_.key_columns[i] - 1];
  }
}

void TsvReader::join_value() {
  value_.clear();
  bool first = true;
  for (uint32_t i = 0; i < columns_.size(); ++i) {
    const auto& keys = options_.key_columns;
    if (std::find(keys.begin(), keys.end(), i + 1) != keys.end()) continue;
    if (!first) value_ += '\t';
    first = false;
    value_ += columns_[i];
  }
}

}  // namespace

std::unique_ptr<RowReader> make_tsv_reader(LineReader lines, const TextOptions& options) {
  return std::make_unique<TsvReader>(std::move(lines), options);
}

}  // namespace aether::cli
