/// Where rows come from: one interface over the exchange formats (docs/formats/exchange.md).
///
/// Threads   One thread at a time.
/// Errors    invalid_argument and too_large name input, line, column and what was expected; io_error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aether/error.h"
#include "aether/options.h"
#include "apps/aether/options.h"
#include "apps/aether/stream.h"

namespace aether::cli {

/// A part of the input with its own destination. Every input begins with one.
struct Section {
  std::string database;     ///< What the file calls it; empty: nothing.
  bool duplicates = false;  ///< The file says that one key may have several values.
};

struct Row {
  Bytes key;
  Bytes value;
  uint64_t expires_at_ms = 0;  ///< 0: it stays.
};

class RowReader {
 public:
  enum class Event : uint8_t { section, row, end };

  virtual ~RowReader() = default;
  /// Reads on. After `row`, row() is valid until the next call; after `section`, section() is.
  /// `end` also where a stop was requested: see LineReader.
  virtual Result<Event> next() = 0;

  const Row& row() const noexcept { return row_; }
  const Section& section() const noexcept { return section_; }
  LineReader& lines() noexcept { return lines_; }

 protected:
  explicit RowReader(LineReader lines) : lines_(std::move(lines)) {}
  LineReader lines_;
  Row row_;
  Section section_;
};

/// Berkeley DB's portable dump text, as db_dump, mdb_dump and `aether dump` write it.
std::unique_ptr<RowReader> make_db_dump_reader(LineReader lines);
/// Tab-separated values.
std::unique_ptr<RowReader> make_tsv_reader(LineReader lines, const TextOptions& options);
/// JSON lines: one object a line.
std::unique_ptr<RowReader> make_jsonl_reader(LineReader lines, const TextOptions& options);

/// Opens `path` ("-": standard input) as `type`, or as what its first bytes look like.
Result<std::unique_ptr<RowReader>> open_rows(const std::string& path, FileType type,
                                             const TextOptions& options);

/// What the first bytes of an input look like; `automatic` if like nothing known.
FileType detect_type(Bytes beginning) noexcept;

}  // namespace aether::cli
