// What `load` reads: dump text, TSV and JSON lines, with every option that changes how they are read. Rows that come out
// of a dump are written as a dump and read again: the same rows.
#include "apps/aether/db_dump_format.h"
#include "apps/aether/row_reader.h"
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"

namespace aether::fuzz {
namespace {

using cli::LineReader;
using cli::RowReader;

constexpr uint64_t kLineBytesMax = 4096;

struct Rows {
  std::vector<std::pair<std::string, std::string>> rows;
  bool whole = false;  ///< Read to the end, without an error.
};

/// At most as many rows and sections as the input has bytes.
Rows read_all(RowReader& reader, size_t events_max) {
  Rows all;
  for (size_t events = 0;; ++events) {
    FUZZ_REQUIRE(events <= events_max);
    const Result<RowReader::Event> event = reader.next();
    if (!event) {
      const Code code = event.error().code();
      FUZZ_REQUIRE(code == Code::invalid_argument || code == Code::too_large);
      FUZZ_REQUIRE(!event.error().message().empty());
      return all;
    }
    if (*event == RowReader::Event::end) {
      all.whole = true;
      return all;
    }
    if (*event == RowReader::Event::row)
      all.rows.emplace_back(reader.row().key, reader.row().value);
  }
}

std::string dump_of(const Rows& rows, bool print) {
  std::string text;
  cli::append_db_dump_header(text, "", print);
  for (const auto& [key, value] : rows.rows) {
    cli::append_db_dump_item(text, key, print);
    cli::append_db_dump_item(text, value, print);
  }
  cli::append_db_dump_end(text);
  return text;
}

std::unique_ptr<RowReader> reader_of(Input& input) {
  const uint8_t form = input.byte();
  cli::TextOptions options;
  options.heading = (form & 4) != 0;
  options.whole_line = (form & 8) != 0;
  if ((form & 16) != 0) options.key_columns = {2, 1};
  if ((form & 32) != 0) options.key_field = "id";
  LineReader lines = LineReader::from_text(std::string(input.rest()), kLineBytesMax);
  switch (form % 4) {
    case 0: return cli::make_db_dump_reader(std::move(lines));
    case 1: return cli::make_tsv_reader(std::move(lines), options);
    default: return cli::make_jsonl_reader(std::move(lines), options);
  }
}

}  // namespace

std::vector<std::string> seeds() {
  const auto of = [](unsigned form, std::string_view text) {
    return InputWriter().byte(form).raw(text).bytes();
  };
  return {
      of(0,
         "VERSION=3\nformat=bytevalue\ndatabase=one\ntype=btree\nHEADER=END\n 6b31\n 00FF\n 6b32\n "
         "\n"
         "DATA=END\nVERSION=3\nformat=print\nduplicates=1\nHEADER=END\n a b\\\\\\0a\n "
         "plain\nDATA=END\n"),
      of(0, "VERSION=2\nformat=print\ntype=recno\nkeys=1\nHEADER=END\n 1\n one\nDATA=END\n"),
      of(1, "key\tvalue\nb\tc\td\n\te\r\n"),
      of(1 | 4 | 16, "name\tid\trest\nx\ty\tz\n"),
      of(1 | 8, "a\tb\nc\n"),
      of(2,
         "{\"key\":\"k\\u00e9\\ud83d\\ude00\",\"value\":\"v\\n\"}\n\n"
         "{\"key_hex\":\"00ff\",\"value_hex\":\"deadbeef\"}\n"),
      of(2 | 32, "{\"id\":-1.5e3,\"x\":[1,{\"y\":[true,false,null]}]}\n{\"id\":\"\",\"id2\":{}}\n"),
  };
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const bool print = size % 2 == 0;
  const Rows rows = read_all(*reader_of(input), size + 2);
  const std::string text = dump_of(rows, print);
  const auto again = cli::make_db_dump_reader(cli::LineReader::from_text(text));
  const Rows back = read_all(*again, text.size());
  FUZZ_REQUIRE(back.whole && back.rows == rows.rows);
  return 0;
}
