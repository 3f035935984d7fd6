#include "lsm/filter/header.h"

#include <string>

#include "base/assert.h"
#include "base/checksum.h"

namespace aether::lsm {
namespace {

uint64_t checksum_of(std::string_view bytes) noexcept {
  return base::checksum(bytes.data() + 8, bytes.size() - 8, FilterHeader::kMagic);
}

}  // namespace

void seal_filter(std::string& bytes) noexcept {
  AETHER_ASSERT(bytes.size() >= FilterHeader::kBytes);
  auto header = base::load<FilterHeader>(bytes.data());
  header.magic = FilterHeader::kMagic;
  header.format = FilterHeader::kFormat;
  header.bytes = bytes.size();
  base::store(bytes.data(), header);
  base::store(bytes.data(), checksum_of(bytes));
}

Result<FilterHeader> read_filter_header(std::string_view bytes) {
  if (bytes.size() < FilterHeader::kBytes) return damaged_filter("shorter than a header");
  const auto header = base::load<FilterHeader>(bytes.data());
  if (header.magic != FilterHeader::kMagic) return damaged_filter("these bytes are none");
  if (header.bytes != bytes.size()) return damaged_filter("it has another size than it says");
  if (header.checksum != checksum_of(bytes)) return damaged_filter("its checksum is wrong");
  if (header.format != FilterHeader::kFormat) {
    std::string message = "filter: format ";
    message.append(std::to_string(header.format)).append(", this release reads format 1");
    return Error(Code::unsupported, std::move(message));
  }
  if (header.reserved != 0) return damaged_filter("a byte that must be zero is not");
  return header;
}

}  // namespace aether::lsm
