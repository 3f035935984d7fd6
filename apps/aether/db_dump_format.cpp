#include "apps/aether/db_dump_format.h"

#include <algorithm>
#include <utility>

#include "apps/aether/row_reader.h"
#include "apps/aether/text.h"

namespace aether::cli {
namespace {

bool is_printable_ascii(char c) noexcept { return c >= 0x20 && c <= 0x7e; }

class DbDumpReader final : public RowReader {
 public:
  explicit DbDumpReader(LineReader lines) : RowReader(std::move(lines)) {}

  Result<Event> next() override { return in_data_ ? next_row() : next_section(); }

 private:
  Result<Event> next_section();
  Result<Event> next_row();
  Result<void> read_header();
  Result<void> take_header_word(std::string_view word, std::string_view value);
  Result<void> check_header();
  Result<bool> read_item(std::string& to, const char* what);
  Result<void> decode_print(Bytes text, std::string& to);
  Result<void> read_line(const char* expected);

  bool in_data_ = false;
  bool print_ = false;
  bool has_format_ = false;
  bool has_keys_word_ = false;
  std::string type_;
  uint64_t sections_ = 0;
  std::string key_;
  std::string value_;
};

/// Reads a line that must be there.
Result<void> DbDumpReader::read_line(const char* expected) {
  AETHER_TRY_ASSIGN(const bool more, lines_.next());
  if (more) return {};
  return Error(Code::invalid_argument,
               lines_.name() + ": ends after line " + with_commas(lines_.line_number()) +
                   " where " + expected + " was expected: the file is cut off; make it again");
}

Result<RowReader::Event> DbDumpReader::next_section() {
  AETHER_TRY_ASSIGN(const bool more, lines_.next());
  if (!more && sections_ > 0) return Event::end;
  if (!more) {
    return Error(Code::invalid_argument,
                 lines_.name() + ": empty; expected VERSION=3 as first line");
  }
  if (lines_.line() != "VERSION=3" && lines_.line() != "VERSION=2") {
    const bool dos = !lines_.line().empty() && lines_.line().back() == '\r';
    return lines_.error_at(1, "expected VERSION=3, found " + in_quotes(lines_.line(), 24) +
                                  (dos ? "; remove the carriage returns at the line ends" : ""));
  }
  AETHER_TRY(read_header());
  AETHER_TRY(check_header());
  ++sections_;
  in_data_ = true;
  return Event::section;
}

Result<void> DbDumpReader::read_header() {
  section_ = {};
  print_ = has_format_ = has_keys_word_ = false;
  type_.clear();
  for (;;) {
    AETHER_TRY(read_line("HEADER=END"));
    const Bytes line = lines_.line();
    if (line == "HEADER=END") return {};
    const size_t equals = line.find('=');
    if (equals == Bytes::npos || equals == 0) {
      return lines_.error_at(
          1, "expected a header line NAME=VALUE or HEADER=END, found " + in_quotes(line, 24));
    }
    AETHER_TRY(take_header_word(line.substr(0, equals), line.substr(equals + 1)));
  }
}

/// Words that say how the file was stored (db_pagesize, h_nelem, mapsize, ...) do not concern us.
Result<void> DbDumpReader::take_header_word(std::string_view word, std::string_view value) {
  if (word == "format") {
    if (value != "bytevalue" && value != "print") {
      return lines_.error_at(
          8, "expected format=bytevalue or format=print, found " + in_quotes(value, 24));
    }
    has_format_ = true;
    print_ = value == "print";
  } else if (word == "database" || word == "subdatabase") {
    section_.database = value;
  } else if (word == "type") {
    type_ = value;
  } else if (word == "duplicates") {
    section_.duplicates = value == "1";
  } else if (word == "keys") {
    has_keys_word_ = value == "1";
  }
  return {};
}

Result<void> DbDumpReader::check_header() {
  if (!has_format_) {
    return lines_.error_at(0,
                           "the header has no format= line; expected format=bytevalue or "
                           "format=print before HEADER=END");
  }
  if ((type_ == "recno" || type_ == "queue" || type_ == "heap") && !has_keys_word_) {
    return lines_.error_at(0, "a database of type " + type_ +
                                  " is dumped without its keys; dump it again with db_dump -k");
  }
  return {};
}

Result<RowReader::Event> DbDumpReader::next_row() {
  AETHER_TRY_ASSIGN(const bool has_key, read_item(key_, "a key or DATA=END"));
  if (!has_key) {
    in_data_ = false;
    return next_section();
  }
  AETHER_TRY_ASSIGN(const bool has_value, read_item(value_, "the value of the key before"));
  if (!has_value) {
    return lines_.error_at(1, "expected the value of the key on the line before, found DATA=END");
  }
  row_ = {key_, value_};
  return Event::row;
}

/// Decodes the next line into `to`. False: it is DATA=END.
Result<bool> DbDumpReader::read_item(std::string& to, const char* what) {
  AETHER_TRY(read_line(what));
  const Bytes line = lines_.line();
  if (line == "DATA=END") return false;
  if (line.empty() || line[0] != ' ') {
    return lines_.error_at(1, std::string("expected ") + what +
                                  ", which begins with a space, found " +
                                  (line.empty() ? "an empty line" : in_quotes(line, 24)));
  }
  if (!lines_.line_was_ended()) {
    return Error(Code::invalid_argument, lines_.name() + ": ends in the middle of line " +
                                             with_commas(lines_.line_number()) +
                                             ": the file is cut off; make it again");
  }
  if (print_) {
    AETHER_TRY(decode_print(line.substr(1), to));
  } else {
    Result<std::string> bytes = from_hex(line.substr(1));
    if (!bytes) {
      const size_t wrong = line.find_first_not_of("0123456789abcdefABCDEF", 1);
      const uint64_t column = std::min(wrong, line.size()) + 1;
      return lines_.error_at(column, std::string(bytes.error().message()));
    }
    to = *std::move(bytes);
  }
  if (to.size() > kMaxValueBytes) {
    return Error(Code::too_large, lines_.name() + ", line " + with_commas(lines_.line_number()) +
                                      ": " + human_bytes(to.size()) +
                                      " are more than the largest value, " +
                                      human_bytes(kMaxValueBytes));
  }
  return true;
}

Result<void> DbDumpReader::decode_print(Bytes text, std::string& to) {
  to.clear();
  for (size_t at = 0; at < text.size();) {
    const size_t plain = std::min(text.find('\\', at), text.size());
    to.append(text.substr(at, plain - at));
    at = plain;
    if (at == text.size()) break;
    if (at + 1 < text.size() && text[at + 1] == '\\') {
      to += '\\';
      at += 2;
      continue;
    }
    const int high = at + 1 < text.size() ? hex_digit(text[at + 1]) : -1;
    const int low = at + 2 < text.size() ? hex_digit(text[at + 2]) : -1;
    if (high < 0 || low < 0) {
      // mdb_dump -p does not escape backslashes; guessing would corrupt data without a word.
      return lines_.error_at(at + 2,
                             "expected \\\\ or \\ and two hexadecimal digits; if the writer does "
                             "not escape backslashes, dump with format=bytevalue");
    }
    to += static_cast<char>(high << 4 | low);
    at += 3;
  }
  return {};
}

}  // namespace

std::unique_ptr<RowReader> make_db_dump_reader(LineReader lines) {
  return std::make_unique<DbDumpReader>(std::move(lines));
}

void append_db_dump_header(std::string& to, const std::string& database, bool print) {
  to += "VERSION=3\nformat=";
  to += print ? "print\n" : "bytevalue\n";
  if (!database.empty()) to += "database=" + database + "\n";
  to += "type=btree\nHEADER=END\n";
}

void append_db_dump_item(std::string& to, Bytes bytes, bool print) {
  to += ' ';
  if (!print) {
    append_hex(to, bytes);
  } else {
    for (const char c : bytes) {
      if (c == '\\') {
        to += "\\\\";
      } else if (is_printable_ascii(c)) {
        to += c;
      } else {
        to += '\\';
        append_hex(to, Bytes(&c, 1));
      }
    }
  }
  to += '\n';
}

void append_db_dump_end(std::string& to) { to += "DATA=END\n"; }

}  // namespace aether::cli
