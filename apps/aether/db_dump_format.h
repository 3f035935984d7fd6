/// Writes Berkeley DB's portable dump text (VERSION=3), the form that db_load reads.
///
/// Only header words that every reader knows are written: db_load refuses the others.
/// Source   The manual pages of db_dump and db_load, Berkeley DB 5.3.
#pragma once

#include <string>

#include "aether/options.h"

namespace aether::cli {

/// Appends the header. An empty `database` leaves that line out.
void append_db_dump_header(std::string& to, const std::string& database, bool print);
/// Appends the line of one key or one value.
void append_db_dump_item(std::string& to, Bytes bytes, bool print);
void append_db_dump_end(std::string& to);

}  // namespace aether::cli
