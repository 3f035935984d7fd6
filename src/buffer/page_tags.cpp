#include "buffer/page_tags.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "aether/version.h"
#include "base/assert.h"
#include "base/bytes.h"
#include "base/checksum.h"
#include "base/format_version.h"
#include "base/no_memory.h"
#include "base/reached.h"
#include "buffer/data_file.h"

namespace aether::buffer {
namespace {

constexpr uint64_t kMagic = 0x3147'4154'4854'4541;  // "AETHTAG1"
constexpr uint64_t kBlockBytes = 4096;
constexpr uint64_t kCopies = 2;
constexpr uint64_t
    kGroupBlocks = 16;  ///< As many first copies lie side by side, then their second ones.
constexpr uint64_t kFirstGroup = kCopies * kBlockBytes;
constexpr uint64_t kFileHeader = ~uint64_t{0};  ///< Stands for a block number.
constexpr uint64_t kFirstSequence = 1;          ///< Of the header that `create` writes.
constexpr uint64_t kPortionBlocks = 1024;       ///< Written with one pair of syncs.

/// The beginning of a block, and all there is in the file's header.
struct BlockHeader {
  uint64_t checksum = 0;  ///< Of the rest of the 4096 bytes.
  uint64_t magic = kMagic;
  uint64_t sequence = 0;  ///< Of the write.
  uint64_t number = 0;
  uint64_t block_count = 0;     ///< File header only: no block from this one on was ever written.
  uint32_t format_version = 0;  ///< File header only.
  uint32_t reserved[5] = {};
};
static_assert(sizeof(BlockHeader) == 64);
static_assert(sizeof(BlockHeader) + PageTags::kPagesPerBlock * sizeof(PageTag) == kBlockBytes);

uint64_t offset_of(uint64_t number, uint64_t copy) noexcept {
  if (number == kFileHeader) return copy * kBlockBytes;
  const uint64_t group = number / kGroupBlocks;
  return kFirstGroup +
         ((group * kCopies + copy) * kGroupBlocks + number % kGroupBlocks) * kBlockBytes;
}

uint64_t file_bytes(uint64_t block_count) noexcept {
  return kFirstGroup +
         (block_count + kGroupBlocks - 1) / kGroupBlocks * kGroupBlocks * kCopies * kBlockBytes;
}

void seal(std::byte* image, uint64_t environment_id) noexcept {
  base::store(image, base::checksum(image + sizeof(uint64_t), kBlockBytes - sizeof(uint64_t),
                                    environment_id));
}

bool is_sound(const std::byte* image, uint64_t environment_id, uint64_t number) noexcept {
  const auto header = base::load<BlockHeader>(image);
  return header.magic == kMagic && header.number == number &&
         header.checksum == base::checksum(image + sizeof(uint64_t), kBlockBytes - sizeof(uint64_t),
                                           environment_id);
}

bool is_zero(const std::byte* image) noexcept {
  return image[0] == std::byte{0} && std::memcmp(image, image + 1, kBlockBytes - 1) == 0;
}

std::string name_of(uint64_t number) {
  return number == kFileHeader ? std::string("the header") : "block " + std::to_string(number);
}

void encode_header(std::byte* to, uint64_t environment_id, uint64_t sequence,
                   uint64_t block_count) noexcept {
  std::memset(to, 0, kBlockBytes);
  BlockHeader header;
  header.sequence = sequence;
  header.number = kFileHeader;
  header.block_count = block_count;
  header.format_version = kFormatVersion;
  base::store(to, header);
  seal(to, environment_id);
}

}  // namespace

/// The newer sound copy of a block; sequence 0 and no bytes: it was never written.
struct PageTags::Image {
  AlignedBuffer bytes{kCopies * kBlockBytes};
  const std::byte* newest = nullptr;
  bool same = false;        ///< Both copies are sound and say the same.
  uint64_t first_copy = 0;  ///< To be overwritten first.
};

PageTags::PageTags(std::unique_ptr<os::File> file, uint64_t environment_id, uint64_t sequence,
                   uint64_t newest, uint64_t header_first_copy, uint64_t block_count) noexcept
    : file_(std::move(file)),
      environment_id_(environment_id),
      sequence_(sequence),
      newest_(newest),
      header_first_copy_(header_first_copy),
      block_count_(block_count),
      capacity_bytes_(file_bytes(block_count)) {}

PageTags::~PageTags() = default;

Result<void> PageTags::create(const std::string& path, uint64_t environment_id, os::Os& os) {
  AETHER_TRY_ASSIGN(
      auto file,
      os.open(path, {.write = true, .create = true, .exclusive = false, .direct = true}));
  AETHER_TRY(file->truncate(0));
  AETHER_TRY(file->allocate(0, file_bytes(1)));
  AlignedBuffer headers(kCopies * kBlockBytes);
  encode_header(headers.data(), environment_id, kFirstSequence, 0);
  encode_header(headers.data() + kBlockBytes, environment_id, kFirstSequence, 0);
  AETHER_TRY(file->write_at(0, headers.data(), headers.size()));
  return file->sync();
}

Result<PageTags::Image> PageTags::read_image(os::File& file, uint64_t environment_id,
                                             uint64_t number) {
  Image image;
  uint64_t sound = 0;
  bool damaged = false;
  for (uint64_t copy = 0; copy < kCopies; ++copy) {
    std::byte* to = image.bytes.data() + copy * kBlockBytes;
    AETHER_TRY_ASSIGN(const uint64_t got, file.read_at(offset_of(number, copy), to, kBlockBytes));
    std::memset(to + got, 0, kBlockBytes - got);
    if (!is_sound(to, environment_id, number)) {
      damaged = damaged || number == kFileHeader || !is_zero(to);
      continue;
    }
    ++sound;
    const bool newer = image.newest == nullptr ||
                       base::load<BlockHeader>(to).sequence >
                           base::load<BlockHeader>(image.newest).sequence;
    if (!newer) continue;
    image.newest = to;
    image.first_copy = 1 - copy;
  }
  // A first write that was torn: the other copy was zero, and nothing was known.
  const bool torn_first = number != kFileHeader && sound == 0 &&
                          (is_zero(image.bytes.data()) ||
                           is_zero(image.bytes.data() + kBlockBytes));
  if (sound == 0 && damaged && !torn_first) {
    return Error(Code::corruption, file.path() + ": of " + name_of(number) +
                                       " neither copy is whole: restore the environment from a "
                                       "backup");
  }
  if (torn_first && damaged) AETHER_REACHED("tags.torn_first_write");
  if (sound == 1 && damaged) AETHER_REACHED("tags.one_copy_left");
  image.same = sound == kCopies &&
               std::memcmp(image.bytes.data(), image.bytes.data() + kBlockBytes, kBlockBytes) == 0;
  return image;
}

Result<std::unique_ptr<PageTags>> PageTags::open(const std::string& path, uint64_t environment_id,
                                                 bool write, uint64_t sequence, os::Os& os) {
  AETHER_TRY_ASSIGN(
      auto file,
      os.open(path, {.write = write, .create = false, .exclusive = false, .direct = true}));
  AETHER_TRY_ASSIGN(const Image image, read_image(*file, environment_id, kFileHeader));
  const auto header = base::load<BlockHeader>(image.newest);
  AETHER_TRY(base::check_format_version(path, header.format_version));
  AETHER_TRY_ASSIGN(const uint64_t size, file->size());
  constexpr uint64_t kBlocksMax = kFanout * kFanout;
  if (header.block_count > kBlocksMax || size < file_bytes(header.block_count)) {
    return Error(Code::corruption, path + ": " + std::to_string(size) + " bytes are too few for " +
                                       std::to_string(header.block_count) +
                                       " blocks: the file was cut off; restore the environment "
                                       "from a backup");
  }
  if (header.sequence < sequence) {
    return Error(Code::corruption,
                 path + ": its newest write is number " + std::to_string(header.sequence) +
                     ", CONTROL knows of number " + std::to_string(sequence) +
                     ": it is an old copy, or a write was lost; restore the environment from a "
                     "backup");
  }
  return std::unique_ptr<PageTags>(new PageTags(std::move(file), environment_id,
                                                std::max(sequence, kFirstSequence), header.sequence,
                                                image.first_copy, header.block_count));
}

PageTag PageTags::of(const void* page) noexcept {
  const auto tag = static_cast<PageTag>(base::load<uint64_t>(page));
  return tag > kUnwritten ? tag : tag + 2;
}

PageTags::Block* PageTags::find(PageId id) const noexcept {
  const uint64_t number = raw(id) / kPagesPerBlock;
  if (number >= kFanout * kFanout) return nullptr;
  const Directory* directory = directories_[number / kFanout].load(std::memory_order_acquire);
  if (directory == nullptr) return nullptr;
  return directory->blocks[number % kFanout].load(std::memory_order_acquire);
}

/// Null: so far out that nothing is kept.
Result<PageTags::Block*> PageTags::block_of(PageId id) {
  if (Block* block = find(id)) return block;
  const uint64_t number = raw(id) / kPagesPerBlock;
  if (number >= kFanout * kFanout) return static_cast<Block*>(nullptr);
  os::LockGuard lock(mutex_);
  if (Block* block = find(id)) return block;
  auto block = std::make_unique<Block>();
  AETHER_TRY(load(number, *block));
  std::atomic<Directory*>& place = directories_[number / kFanout];
  Directory* directory = place.load(std::memory_order_relaxed);
  if (directory == nullptr) {
    directory = own_directories_.emplace_back(std::make_unique<Directory>()).get();
    place.store(directory, std::memory_order_release);
  }
  Block* const result = own_blocks_.emplace_back(std::move(block)).get();
  directory->blocks[number % kFanout].store(result, std::memory_order_release);
  return result;
}

Result<void> PageTags::load(uint64_t number, Block& block) {
  if (number >= block_count_) return {};
  AETHER_TRY_ASSIGN(const Image image, read_image(*file_, environment_id_, number));
  if (image.newest == nullptr) return {};
  for (uint32_t i = 0; i < kPagesPerBlock; ++i) {
    const auto tag = base::load<PageTag>(image.newest + sizeof(BlockHeader) + i * sizeof(PageTag));
    // Of a life that had not been written then, and may have been since.
    if (tag != kUnwritten) block.tags[i].store(tag, std::memory_order_relaxed);
  }
  // One copy was not written when the last process ended, or has rotted.
  if (!image.same) block.changed.store(true, std::memory_order_relaxed);
  block.first_copy.store(image.first_copy, std::memory_order_relaxed);
  return {};
}

Result<bool> PageTags::matches(PageId id, const void* page) {
  AETHER_TRY_ASSIGN(Block * block, block_of(id));
  if (block == nullptr) return true;
  std::atomic<PageTag>& place = block->tags[raw(id) % kPagesPerBlock];
  PageTag known = place.load(std::memory_order_acquire);
  if (known == kUnwritten) return true;
  const PageTag found = of(page);
  if (known != kUnknown) [[likely]]
    return known == found;
  // A writer that is faster knows better.
  AETHER_REACHED("tags.learned_when_read");
  if (place.compare_exchange_strong(known, found)) block->changed.store(true);
  return true;
}

Result<bool> PageTags::was_there(PageId id, const void* page) {
  const uint64_t number = raw(id) / kPagesPerBlock;
  {
    os::LockGuard lock(mutex_);
    if (number >= block_count_) return true;
  }
  AETHER_TRY_ASSIGN(const Image image, read_image(*file_, environment_id_, number));
  if (image.newest == nullptr) return true;
  const auto tag = base::load<PageTag>(image.newest + sizeof(BlockHeader) +
                                       raw(id) % kPagesPerBlock * sizeof(PageTag));
  return tag <= kUnwritten || tag == of(page);
}

Result<void> PageTags::prepare(PageId first, uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) AETHER_TRY(block_of(PageId{raw(first) + i}));
  return {};
}

Result<void> PageTags::set(PageId id, const void* page) { return put(id, 1, of(page)); }

Result<void> PageTags::replace(PageId id, const void* page) {
  AETHER_TRY_ASSIGN(Block * block, block_of(id));
  if (block == nullptr) return {};
  std::atomic<PageTag>& place = block->tags[raw(id) % kPagesPerBlock];
  PageTag known = place.load(std::memory_order_acquire);
  while (known > kUnwritten && !place.compare_exchange_weak(known, of(page))) {
  }
  block->changed.store(true);
  return {};
}

Result<void> PageTags::reserve(PageId first, uint64_t count) {
  return put(first, count, kUnwritten);
}

Result<void> PageTags::put(PageId first, uint64_t count, PageTag tag) {
  for (uint64_t i = 0; i < count; ++i) {
    const PageId id{raw(first) + i};
    AETHER_TRY_ASSIGN(Block * block, block_of(id));
    if (block == nullptr) return {};
    std::atomic<PageTag>& place = block->tags[raw(id) % kPagesPerBlock];
    if (place.load(std::memory_order_relaxed) == tag) continue;
    place.store(tag, std::memory_order_release);
    block->changed.store(true);  // After the tag: `write` looks the other way round.
  }
  return {};
}

Result<void> PageTags::forget(PageId first, uint64_t count) {
  {
    // Of what is not in the file nothing is known, whatever the log says that there should be.
    os::LockGuard lock(mutex_);
    const bool known = raw(first) / kPagesPerBlock < block_count_ || find(first) != nullptr ||
                       find(PageId{raw(first) + count - 1}) != nullptr;
    if (!known) return {};
  }
  return put(first, count, kUnknown);
}

Result<PageTag> PageTags::get(PageId id) {
  AETHER_TRY_ASSIGN(const Block* block, block_of(id));
  return block == nullptr ? kUnknown
                          : block->tags[raw(id) % kPagesPerBlock].load(std::memory_order_acquire);
}

Result<void> PageTags::ensure_capacity(uint64_t pages) {
  const uint64_t bytes = file_bytes(
      std::min(kFanout * kFanout, (pages + kPagesPerBlock - 1) / kPagesPerBlock));
  os::LockGuard lock(mutex_);
  if (bytes <= capacity_bytes_) return {};
  AETHER_TRY(file_->allocate(capacity_bytes_, bytes - capacity_bytes_));
  AETHER_TRY(file_->sync());  // No header may name blocks that a crash cuts off.
  capacity_bytes_ = bytes;
  return {};
}

// --- Writing ---------------------------------------------------------------------------------------------

/// Numbers of changed blocks, ascending; they count as unchanged from now on.
std::vector<uint64_t> PageTags::take_changed(uint64_t most) {
  std::vector<uint64_t> numbers;
  numbers.reserve(most);  // Whose mark is taken is in the list.
  for (uint64_t i = 0; i < kFanout; ++i) {
    const Directory* directory = directories_[i].load(std::memory_order_acquire);
    if (directory == nullptr) continue;
    for (uint64_t j = 0; j < kFanout && numbers.size() < most; ++j) {
      Block* block = directory->blocks[j].load(std::memory_order_acquire);
      if (block == nullptr || !block->changed.exchange(false)) continue;
      numbers.push_back(i * kFanout + j);
    }
  }
  return numbers;
}

void PageTags::encode(uint64_t number, std::byte* to, uint64_t sequence) const noexcept {
  BlockHeader header;
  header.sequence = sequence;
  header.number = number;
  base::store(to, header);
  const Block* block = find(PageId{number * kPagesPerBlock});
  AETHER_ASSERT(block != nullptr);
  for (uint32_t i = 0; i < kPagesPerBlock; ++i) {
    base::store(to + sizeof header + i * sizeof(PageTag),
                block->tags[i].load(std::memory_order_acquire));
  }
  seal(to, environment_id_);
}

Result<void> PageTags::write(FunctionRef<Result<void>()> sync_data) {
  const uint64_t sequence = ++newest_;
  bool wrote = false;
  for (;;) {
    const std::vector<uint64_t> numbers = take_changed(kPortionBlocks);
    if (numbers.empty()) break;
    // What could not be written, for want of memory say, is for the next time.
    base::Unless mark_again([&]() noexcept {
      for (const uint64_t number : numbers)
        find(PageId{number * kPagesPerBlock})->changed.store(true);
    });
    AETHER_TRY(write_portion(numbers, sequence, sync_data));
    mark_again.dismiss();
    wrote = true;
    if (numbers.size() < kPortionBlocks) break;
  }
  if (wrote) sequence_.store(sequence);
  return {};
}

/// One copy of each, synced, then the other one, synced: at any moment one of them is whole.
Result<void> PageTags::write_portion(const std::vector<uint64_t>& numbers, uint64_t sequence,
                                     FunctionRef<Result<void>()> sync_data) {
  AlignedBuffer images((numbers.size() + 1) * kBlockBytes);
  {
    os::LockGuard lock(mutex_);
    block_count_ = std::max(block_count_, numbers.back() + 1);
    encode_header(images.data(), environment_id_, sequence, block_count_);
  }
  AETHER_TRY(ensure_capacity((numbers.back() + 1) * kPagesPerBlock));
  for (size_t i = 0; i < numbers.size(); ++i)
    encode(numbers[i], images.data() + (i + 1) * kBlockBytes, sequence);
  // What the tags are of may have been written without a sync; a tag must not survive what its page does not.
  AETHER_TRY(sync_data());
  for (uint64_t pass = 0; pass < kCopies; ++pass)
    AETHER_TRY(write_copy(numbers, images.data(), pass));
  return {};
}

Result<void> PageTags::write_copy(const std::vector<uint64_t>& numbers, std::byte* images,
                                  uint64_t pass) {
  const auto place_of = [&](uint64_t number) {
    const Block* block = find(PageId{number * kPagesPerBlock});
    return offset_of(number, block->first_copy.load(std::memory_order_relaxed) ^ pass);
  };
  AETHER_TRY(
      file_->write_at(offset_of(kFileHeader, header_first_copy_ ^ pass), images, kBlockBytes));
  for (size_t begin = 0; begin < numbers.size();) {
    size_t end = begin + 1;  // Neighbours in the file go in one write.
    while (end < numbers.size() &&
           place_of(numbers[end]) == place_of(numbers[end - 1]) + kBlockBytes)
      ++end;
    AETHER_TRY(file_->write_at(place_of(numbers[begin]), images + (begin + 1) * kBlockBytes,
                               (end - begin) * kBlockBytes));
    begin = end;
  }
  return file_->sync();
}

uint64_t PageTags::file_blocks() {
  os::LockGuard lock(mutex_);
  return 1 + block_count_;
}

Result<void> PageTags::check_blocks(uint64_t first, uint64_t count, std::vector<BadCopy>& bad) {
  AlignedBuffer images(kCopies * kBlockBytes);
  for (uint64_t block = first; block < first + count; ++block) {
    const uint64_t number = block == 0 ? kFileHeader : block - 1;
    bool sound[kCopies] = {};
    for (uint64_t copy = 0; copy < kCopies; ++copy) {
      std::byte* image = images.data() + copy * kBlockBytes;
      AETHER_TRY_ASSIGN(const uint64_t got,
                        file_->read_at(offset_of(number, copy), image, kBlockBytes));
      std::memset(image + got, 0, kBlockBytes - got);
      sound[copy] = is_sound(image, environment_id_, number);
    }
    const auto add = [&](uint64_t copy, const char* what) {
      bad.push_back({block, copy,
                     file_->path() + ": copy " + std::to_string(copy) + " of " + name_of(number) +
                         " is " + what});
    };
    if (!sound[0] && !sound[1]) {
      const bool is_empty = number != kFileHeader && is_zero(images.data()) &&
                            is_zero(images.data() + kBlockBytes);
      for (uint64_t copy = 0; copy < kCopies && !is_empty; ++copy) add(copy, "damaged");
    } else if (sound[0] != sound[1]) {
      add(sound[0] ? 1 : 0, "damaged; the other one is used");
    } else if (is_settled(number) &&
               std::memcmp(images.data(), images.data() + kBlockBytes, kBlockBytes) != 0) {
      const bool second_is_older = base::load<BlockHeader>(images.data()).sequence >
                                   base::load<BlockHeader>(images.data() + kBlockBytes).sequence;
      add(second_is_older ? 1 : 0, "older than the other one (a lost write)");
    }
  }
  return {};
}

/// Must its copies be the same? Until a block is read after a crash, they need not be.
bool PageTags::is_settled(uint64_t number) const noexcept {
  if (number == kFileHeader) return false;
  const Block* block = find(PageId{number * kPagesPerBlock});
  return block != nullptr && !block->changed.load();
}

Result<void> PageTags::write_anew(const BadCopy& copy) {
  // The header goes with whatever block is written.
  const uint64_t number = copy.block == 0 ? 0 : copy.block - 1;
  AETHER_TRY_ASSIGN(Block * block, block_of(PageId{number * kPagesPerBlock}));
  if (block == nullptr) return {};
  if (copy.block == 0) {
    header_first_copy_ = copy.copy;
  } else {
    block->first_copy.store(copy.copy, std::memory_order_relaxed);
  }
  block->changed.store(true);
  return {};
}

}  // namespace aether::buffer
