#include "buffer/data_file.h"

#include <cstring>
#include <new>
#include <utility>

#include "aether/version.h"
#include "base/assert.h"
#include "base/format_version.h"
#include "base/reached.h"
#include "page/page_header.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kMagic = 0x3150'4752'4854'4541;  // "AETHRGP1"

/// Page 0: says whose file this is, so that a foreign `data` is refused before anything is read from it.
struct FileHeader {
  page::PageHeader page;
  uint64_t magic = kMagic;
  uint32_t format_version = kFormatVersion;
  uint32_t page_bytes = 0;
};
static_assert(sizeof(FileHeader) == 56);

constexpr std::align_val_t kAlignment{os::kDirectAlignment};
constexpr uint64_t kGrowthMin = 256;    // Pages: small environments stay small.
constexpr uint64_t kGrowthMax = 65536;  // Pages: a step must not take long.

}  // namespace

DataFile::DataFile(std::unique_ptr<os::File> file, uint32_t page_bytes, uint64_t environment_id,
                   uint64_t capacity_pages) noexcept
    : file_(std::move(file)),
      page_bytes_(page_bytes),
      environment_id_(environment_id),
      capacity_pages_(capacity_pages) {}

Result<std::unique_ptr<DataFile>> DataFile::create(const std::string& path, uint32_t page_bytes,
                                                   uint64_t environment_id, os::Os& os) {
  AETHER_TRY_ASSIGN(
      auto file,
      os.open(path, {.write = true, .create = true, .exclusive = false, .direct = true}));
  AETHER_TRY(file->truncate(0));
  AETHER_TRY(file->allocate(0, uint64_t{kGrowthMin} * page_bytes));
  AlignedBuffer page(page_bytes);
  auto& header = *new (page.data()) FileHeader();
  header.page.kind = page::PageKind::file_header;
  header.page_bytes = page_bytes;
  page::seal(page.data(), page_bytes, environment_id);
  AETHER_TRY(file->write_at(0, page.data(), page_bytes));
  AETHER_TRY(file->sync());
  return std::unique_ptr<DataFile>(
      new DataFile(std::move(file), page_bytes, environment_id, kGrowthMin));
}

Result<std::unique_ptr<DataFile>> DataFile::open(const std::string& path, uint32_t page_bytes,
                                                 uint64_t environment_id, bool write, os::Os& os) {
  AETHER_TRY_ASSIGN(
      auto file,
      os.open(path, {.write = write, .create = false, .exclusive = false, .direct = true}));
  AETHER_TRY_ASSIGN(const uint64_t bytes, file->size());
  if (bytes < page_bytes) {
    return Error(Code::corruption,
                 path + ": " + std::to_string(bytes) +
                     " bytes are too few for the file's header page: the file was "
                     "truncated; restore it from a backup");
  }
  auto data = std::unique_ptr<DataFile>(
      new DataFile(std::move(file), page_bytes, environment_id, bytes / page_bytes));
  AlignedBuffer page(page_bytes);
  AETHER_TRY(data->read(kNoPage, page.data()));
  FileHeader header;
  std::memcpy(static_cast<void*>(&header), page.data(), sizeof header);
  if (header.magic != kMagic || header.page.kind != page::PageKind::file_header) {
    return Error(Code::corruption, path + ": not an Aether data file");
  }
  AETHER_TRY(base::check_format_version(path, header.format_version));
  if (header.page_bytes != page_bytes) {
    return Error(Code::corruption, path + ": the file has pages of " +
                                       std::to_string(header.page_bytes) + " bytes, CONTROL says " +
                                       std::to_string(page_bytes));
  }
  return data;
}

Result<void> DataFile::read_raw(PageId id, void* page) {
  AETHER_TRY_ASSIGN(const uint64_t got, file_->read_at(raw(id) * page_bytes_, page, page_bytes_));
  if (got < page_bytes_) std::memset(static_cast<std::byte*>(page) + got, 0, page_bytes_ - got);
  return {};
}

Result<void> DataFile::read(PageId id, void* page) {
  AETHER_TRY(read_raw(id, page));
  return check(id, page);
}

Result<void> DataFile::check(PageId id, const void* page) {
  Result<void> checked = page::check(page, page_bytes_, environment_id_, id);
  if (!checked) return std::move(checked).error().with_context(file_->path());
  if (tags_ == nullptr) return {};
  AETHER_TRY_ASSIGN(const bool newest, tags_->matches(id, page));
  if (newest) [[likely]]
    return {};
  AETHER_REACHED("tags.old_version_found");
  return Error(Code::corruption,
               file_->path() + ": page " + std::to_string(raw(id)) +
                   " of the data file: it is whole, but not the version that was written last (a "
                   "write was lost or went elsewhere, or the file is an old copy); restore it from "
                   "a backup");
}

Result<void> DataFile::prepare_to_note(PageId first, uint64_t count) {
  return tags_ == nullptr ? Result<void>() : tags_->prepare(first, count);
}

Result<void> DataFile::note_written(PageId first, const void* pages, uint64_t count) {
  if (tags_ == nullptr) return {};
  for (uint64_t i = 0; i < count; ++i) {
    AETHER_TRY(
        tags_->set(PageId{raw(first) + i}, static_cast<const std::byte*>(pages) + i * page_bytes_));
  }
  return {};
}

Result<void> DataFile::note_replaced(PageId id, const void* page) {
  return tags_ == nullptr ? Result<void>() : tags_->replace(id, page);
}

Result<void> DataFile::read_or_repair(PageId id, void* page) {
  Result<void> got = read(id, page);
  if (got || got.error().code() != Code::corruption || !repair_) return got;
  if (Result<void> repaired = repair_(id); !repaired) {
    AETHER_REACHED("data.damaged_page_not_repaired");
    return std::move(got).error().with_context(std::string(repaired.error().message()));
  }
  AETHER_REACHED("data.damaged_page_repaired");
  return read(id, page);
}

Result<bool> DataFile::was_written(PageId id) {
  if (tags_ == nullptr) return false;
  AETHER_TRY_ASSIGN(const PageTag tag, tags_->get(id));
  return tag > PageTags::kUnwritten;
}

Result<bool> DataFile::was_there_at_checkpoint(PageId id, const void* page) {
  return tags_ == nullptr ? Result<bool>(true) : tags_->was_there(id, page);
}

Result<void> DataFile::note_reserved(PageId first, uint64_t count) {
  return tags_ == nullptr ? Result<void>() : tags_->reserve(first, count);
}

Result<void> DataFile::forget_versions(PageId first, uint64_t count) {
  return tags_ == nullptr ? Result<void>() : tags_->forget(first, count);
}

Result<void> DataFile::write(PageId first, const void* pages, uint64_t count) {
  AETHER_ASSERT(raw(first) != 0);
  return file_->write_at(raw(first) * page_bytes_, pages, count * page_bytes_);
}

Result<void> DataFile::sync() { return file_->sync(); }

Result<void> DataFile::ensure_capacity(uint64_t pages) {
  if (pages <= capacity_pages()) return {};
  os::LockGuard lock(growth_mutex_);
  const uint64_t now = capacity_pages();
  if (pages <= now) return {};
  uint64_t step = now / 8;
  if (step < kGrowthMin) step = kGrowthMin;
  if (step > kGrowthMax) step = kGrowthMax;
  const uint64_t target = pages > now + step ? pages : now + step;
  if (tags_ != nullptr) AETHER_TRY(tags_->ensure_capacity(pages));
  Result<void> grown = grow(now, target);
  // The step was a convenience: on a nearly full file system take just what is needed.
  if (!grown && target > pages && grown.error().code() == Code::no_space) {
    AETHER_REACHED("data.grown_by_what_is_needed");
    grown = grow(now, pages);
  }
  return grown;
}

Result<void> DataFile::grow(uint64_t from, uint64_t to) {
  const uint64_t bytes = (to - from) * page_bytes_;
  if (leave_free_ != 0) {
    AETHER_TRY_ASSIGN(const uint64_t left, os_->free_bytes(file_->path()));
    if (left < leave_free_ || left - leave_free_ < bytes) {
      AETHER_REACHED("data.growth_refused");
      return Error(Code::no_space,
                   file_->path() + ": to grow by " + std::to_string(bytes) +
                       " bytes would leave less than the " + std::to_string(leave_free_) +
                       " on the file system that the log needs to go on: free space on the file "
                       "system, or remove rows, then try again");
    }
  }
  AETHER_TRY(file_->allocate(from * page_bytes_, bytes));
  capacity_pages_.store(to, std::memory_order_relaxed);
  return {};
}

Result<void> DataFile::refresh_capacity() {
  AETHER_TRY_ASSIGN(const uint64_t bytes, file_->size());
  capacity_pages_.store(bytes / page_bytes_, std::memory_order_relaxed);
  return {};
}

AlignedBuffer::AlignedBuffer(uint64_t bytes) : size_(bytes) {
  const uint64_t rounded = (bytes + os::kDirectAlignment - 1) & ~uint64_t{os::kDirectAlignment - 1};
  data_ = static_cast<std::byte*>(::operator new(rounded, kAlignment));
  std::memset(data_, 0, rounded);
}

AlignedBuffer::AlignedBuffer(AlignedBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

AlignedBuffer& AlignedBuffer::operator=(AlignedBuffer&& other) noexcept {
  if (this != &other) {
    ::operator delete(data_, kAlignment);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

AlignedBuffer::~AlignedBuffer() { ::operator delete(data_, kAlignment); }

}  // namespace aether::buffer
