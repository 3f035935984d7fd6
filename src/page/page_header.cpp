#include "page/page_header.h"

#include <cstring>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/planted.h"

namespace aether::page {
namespace {

constexpr uint32_t kChecksumBytes = sizeof(uint64_t);

uint64_t checksum_of(const void* page, uint32_t page_bytes, uint64_t environment_id) noexcept {
  return base::checksum(static_cast<const std::byte*>(page) + kChecksumBytes,
                        page_bytes - kChecksumBytes, environment_id);
}

Error damaged(PageId expected, const std::string& what) {
  return Error(Code::corruption,
               "page " + std::to_string(raw(expected)) + " of the data file: " + what);
}

bool known(PageKind kind) noexcept {
  switch (kind) {
    case PageKind::file_header:
    case PageKind::space_map:
    case PageKind::btree_inner:
    case PageKind::btree_leaf:
    case PageKind::overflow: return true;
  }
  return false;
}

}  // namespace

void seal(void* page, uint32_t page_bytes, uint64_t environment_id) noexcept {
  base::store(page, checksum_of(page, page_bytes, environment_id));
}

Result<void> check(const void* page, uint32_t page_bytes, uint64_t environment_id,
                   PageId expected) {
  const auto header = base::load<PageHeader>(page);
  if (header.checksum != checksum_of(page, page_bytes, environment_id) &&
      !AETHER_PLANTED("page.accept_torn")) {
    if (is_zero(page, page_bytes)) {
      return damaged(expected, "it was never written (every byte is zero)");
    }
    return damaged(expected,
                   "its checksum is wrong (a torn or damaged page, or one of another environment); "
                   "restore it from a backup");
  }
  if (header.page_id != expected) {
    return damaged(expected, "it holds page " + std::to_string(raw(header.page_id)) +
                                 " (a misdirected write); restore it from a backup");
  }
  if (header.flags != 0) {
    return Error(Code::unsupported,
                 "page " + std::to_string(raw(expected)) + " of the data file has flags " +
                     std::to_string(header.flags) +
                     ", which a newer format defines; open it with a newer version of Aether");
  }
  if (!known(header.kind)) {
    return damaged(expected,
                   "its kind, " + std::to_string(static_cast<int>(header.kind)) + ", is unknown");
  }
  if (header.reserved != 0) return damaged(expected, "its reserved bytes are not zero");
  return {};
}

bool is_zero(const void* page, uint32_t page_bytes) noexcept {
  // All bytes equal their neighbour, and the first is zero.
  const auto* bytes = static_cast<const std::byte*>(page);
  return page_bytes == 0 ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes, bytes + 1, page_bytes - 1) == 0);
}

}  // namespace aether::page
