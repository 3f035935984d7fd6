// The rows as bytes (docs/formats/manifest.md).
#include "base/bytes.h"
#include "lsm/manifest.h"
#include "lsm/store_configuration.h"

namespace aether::lsm {
namespace {

constexpr uint8_t kFormat = 1;
constexpr uint8_t kConfigurationFormat = 2;
constexpr uint8_t kMergeOfOneFormat = 2;  ///< Of a merge with a single input; the others stay 1.
constexpr uint8_t kNumbersFormat = 2;     ///< 1 has no counts of bytes written.
/// What a store of format 1 was made with: all that its rows could hold.
constexpr uint32_t kInlineValueBytesBefore = 32 * KiB;
constexpr uint32_t kBitFractions = 16;  ///< Bits a key are kept in sixteenths.
/// More would be no key of a run, no run reference and no merge; it bounds what damaged bytes make us allocate, too.
constexpr uint32_t kTextBytesMax = 128 * KiB;

class Writer {
 public:
  explicit Writer(uint8_t format = kFormat) { put(format); }
  template <typename T>
  Writer& put(T value) {
    const size_t at = bytes_.size();
    bytes_.resize(at + sizeof(T));
    base::store(bytes_.data() + at, value);
    return *this;
  }
  Writer& put_text(Bytes text) {
    put(static_cast<uint32_t>(text.size()));
    bytes_.append(text);
    return *this;
  }
  Writer& put_list(const std::vector<uint64_t>& list) {
    put(static_cast<uint32_t>(list.size()));
    for (const uint64_t each : list) put(each);
    return *this;
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

Error damaged(const char* row, const char* what) {
  std::string message = "lsm manifest: ";
  message += row;
  message += ": ";
  message += what;
  return {Code::corruption, std::move(message)};
}

class Reader {
 public:
  Reader(const char* row, Bytes bytes) : row_(row), in_(bytes) {}

  Result<void> check_format(uint8_t newest = kFormat) {
    format_ = in_.read<uint8_t>();
    if (!in_.ok() || format_ == 0) return damaged(row_, "it has no format number");
    if (format_ > newest) {
      return Error(Code::unsupported,
                   "lsm manifest: a row of a newer format; open the environment with the "
                   "version that wrote it");
    }
    return {};
  }
  uint8_t format() const noexcept { return format_; }
  template <typename T>
  void read(T& value) {
    value = in_.read<T>();
  }
  void read_text(std::string& text) {
    const auto size = in_.read<uint32_t>();
    is_too_long_ = is_too_long_ || size > kTextBytesMax;
    if (!is_too_long_) text = in_.read_bytes(size);
  }
  void read_list(std::vector<uint64_t>& list) {
    const auto count = in_.read<uint32_t>();
    is_too_long_ = is_too_long_ || count > in_.remaining() / sizeof(uint64_t);
    if (is_too_long_) return;
    list.resize(count);
    for (uint64_t& each : list) each = in_.read<uint64_t>();
  }
  Result<void> finish() const {
    if (is_too_long_ || !in_.ok()) return damaged(row_, "it is cut off");
    if (in_.remaining() != 0) return damaged(row_, "there are bytes behind its end");
    return {};
  }
  Error wrong(const char* what) const { return damaged(row_, what); }

 private:
  const char* row_;
  base::ByteReader in_;
  uint8_t format_ = 0;
  bool is_too_long_ = false;
};

}  // namespace

std::string ManifestRun::encode() const {
  return Writer()
      .put(run.id)
      .put(run.bytes)
      .put(run.entries)
      .put(run.tombstones)
      .put(run.newest_writer)
      .put(oldest_generation)
      .put(newest_generation)
      .put(earliest_expiry_ms)
      .put_text(reference)
      .put_text(run.smallest_key)
      .put_text(run.largest_key)
      .take();
}

Result<ManifestRun> ManifestRun::decode(Bytes bytes) {
  Reader in("a run", bytes);
  AETHER_TRY(in.check_format());
  ManifestRun row;
  in.read(row.run.id);
  in.read(row.run.bytes);
  in.read(row.run.entries);
  in.read(row.run.tombstones);
  in.read(row.run.newest_writer);
  in.read(row.oldest_generation);
  in.read(row.newest_generation);
  in.read(row.earliest_expiry_ms);
  in.read_text(row.reference);
  in.read_text(row.run.smallest_key);
  in.read_text(row.run.largest_key);
  AETHER_TRY(in.finish());
  if (row.run.id == 0) return in.wrong("its run has no id");
  if (row.run.largest_key < row.run.smallest_key) return in.wrong("its keys end before they begin");
  if (row.run.tombstones > row.run.entries) return in.wrong("it has more tombstones than entries");
  if (row.newest_generation < row.oldest_generation) {
    return in.wrong("its generations end before they begin");
  }
  return row;
}

std::string ManifestMerge::encode() const {
  return Writer(inputs.size() == 1 ? kMergeOfOneFormat : kFormat)
      .put(output_age)
      .put(due)
      .put(bytes)
      .put(bytes_read)
      .put_list(inputs)
      .put_list(rewritten)
      .put(static_cast<uint8_t>(has_parts))
      .put_text(last_key)
      .take();
}

Result<ManifestMerge> ManifestMerge::decode(Bytes bytes) {
  Reader in("a merge", bytes);
  AETHER_TRY(in.check_format(kMergeOfOneFormat));
  ManifestMerge row;
  uint8_t has_parts = 0;
  in.read(row.output_age);
  in.read(row.due);
  in.read(row.bytes);
  in.read(row.bytes_read);
  in.read_list(row.inputs);
  in.read_list(row.rewritten);
  in.read(has_parts);
  in.read_text(row.last_key);
  AETHER_TRY(in.finish());
  if (has_parts > 1) return in.wrong("it neither has parts nor none");
  row.has_parts = has_parts == 1;
  if (!row.has_parts && !row.last_key.empty()) return in.wrong("it has a last key and no parts");
  const bool is_of_one = in.format() == kMergeOfOneFormat;
  const bool has_inputs = is_of_one ? row.inputs.size() == 1 : row.inputs.size() > 1;
  if (!has_inputs || row.rewritten.empty()) return in.wrong("it merges nothing");
  for (size_t i = 1; i < row.inputs.size(); ++i) {
    if (row.inputs[i] <= row.inputs[i - 1]) return in.wrong("its inputs are out of order");
  }
  if (row.output_age != row.inputs.front())
    return in.wrong("its output is not in the place of its inputs");
  return row;
}

std::string ManifestNumbers::encode() const {
  return Writer(kNumbersFormat)
      .put(next_run_id)
      .put(next_merge)
      .put(next_age)
      .put(flushed_below)
      .put(accepted_bytes)
      .put(flushed_gsn)
      .put(log_bytes)
      .put(flush_bytes)
      .put(merge_bytes)
      .take();
}

Result<ManifestNumbers> ManifestNumbers::decode(Bytes bytes) {
  Reader in("the numbers", bytes);
  AETHER_TRY(in.check_format(kNumbersFormat));
  ManifestNumbers row;
  in.read(row.next_run_id);
  in.read(row.next_merge);
  in.read(row.next_age);
  in.read(row.flushed_below);
  in.read(row.accepted_bytes);
  in.read(row.flushed_gsn);
  if (in.format() > 1) {
    in.read(row.log_bytes);
    in.read(row.flush_bytes);
    in.read(row.merge_bytes);
  }
  AETHER_TRY(in.finish());
  if (row.next_run_id == 0 || row.next_merge == 0 || row.next_age == 0 || row.flushed_below == 0) {
    return in.wrong("they begin with 1");
  }
  return row;
}

std::string encode(const StoreConfiguration& configuration) {
  const RunOptions& run = configuration.run;
  return Writer(kConfigurationFormat)
      .put(configuration.nursery_bytes)
      .put(static_cast<uint8_t>(configuration.nursery))
      .put(static_cast<uint8_t>(run.codec))
      .put(static_cast<int32_t>(run.zstd_level))
      .put(run.dictionary_bytes)
      .put(run.block_bytes)
      .put(
          static_cast<uint8_t>(configuration.has_filter ? configuration.filter.kind : FilterKind{}))
      .put(static_cast<uint32_t>(configuration.filter.bits_per_key * kBitFractions))
      .put(configuration.inline_value_bytes)
      .take();
}

Result<StoreConfiguration> decode_configuration(Bytes bytes) {
  Reader in("the configuration", bytes);
  AETHER_TRY(in.check_format(kConfigurationFormat));
  StoreConfiguration row;
  row.inline_value_bytes = kInlineValueBytesBefore;
  uint8_t nursery = 0;
  uint8_t codec = 0;
  uint8_t filter = 0;
  int32_t zstd_level = 0;
  uint32_t filter_bits = 0;
  in.read(row.nursery_bytes);
  in.read(nursery);
  in.read(codec);
  in.read(zstd_level);
  in.read(row.run.dictionary_bytes);
  in.read(row.run.block_bytes);
  in.read(filter);
  in.read(filter_bits);
  if (in.format() >= 2) in.read(row.inline_value_bytes);
  AETHER_TRY(in.finish());
  row.nursery = static_cast<IndexKind>(nursery);
  row.run.codec = static_cast<Compression>(codec);
  row.run.zstd_level = zstd_level;
  row.has_filter = filter != 0;
  if (row.has_filter) row.filter.kind = static_cast<FilterKind>(filter);
  row.filter.bits_per_key = static_cast<double>(filter_bits) / kBitFractions;
  if (!check(row)) return in.wrong("an option is out of its bounds");
  return row;
}

Result<void> check(const StoreConfiguration& configuration) {
  const auto wrong = [](const char* what) { return Error(Code::invalid_argument, what); };
  const RunOptions& run = configuration.run;
  const FilterOptions& filter = configuration.filter;
  if (configuration.nursery_bytes < 16 * KiB || configuration.nursery_bytes > 4 * GiB)
    return wrong("LsmOptions::nursery_bytes must be from 16 KiB to 4 GiB");
  if (configuration.nursery != IndexKind::skiplist && configuration.nursery != IndexKind::rax)
    return wrong("LsmOptions::nursery must be an index in memory: skiplist or rax");
  if (run.codec > Compression::zstd) return wrong("LsmOptions::compression is none that is known");
  if (run.zstd_level < -7 || run.zstd_level > 19)
    return wrong("LsmOptions::zstd_level must be from -7 to 19");
  if (run.dictionary_bytes > 1 * MiB)
    return wrong("LsmOptions::dictionary_bytes must be at most 1 MiB");
  if (run.block_bytes < 4 * KiB || run.block_bytes > 64 * KiB)
    return wrong("LsmOptions::block_bytes must be from 4 to 64 KiB");
  if (configuration.inline_value_bytes < 128 || configuration.inline_value_bytes > 32 * KiB)
    return wrong("LsmOptions::inline_value_bytes must be from 128 bytes to 32 KiB");
  if (!configuration.has_filter) return {};
  if (filter.kind < FilterKind::bloom || filter.kind > FilterKind::surf)
    return wrong("LsmOptions::filter is none that is known");
  if (!(filter.bits_per_key >= 1 && filter.bits_per_key <= 40))
    return wrong("LsmOptions::filter_bits must be from 1 to 40");
  return {};
}

std::string encode(const PolicyOptions& policy) {
  return Writer()
      .put(static_cast<uint8_t>(policy.kind))
      .put(policy.size_ratio)
      .put(policy.runs_per_level)
      .put(policy.runs_at_bottom)
      .put(policy.runs_max)
      .put(policy.expected_bytes)
      .take();
}

Result<PolicyOptions> decode_policy(Bytes bytes) {
  Reader in("the policy", bytes);
  AETHER_TRY(in.check_format());
  PolicyOptions policy;
  uint8_t kind = 0;
  in.read(kind);
  in.read(policy.size_ratio);
  in.read(policy.runs_per_level);
  in.read(policy.runs_at_bottom);
  in.read(policy.runs_max);
  in.read(policy.expected_bytes);
  AETHER_TRY(in.finish());
  policy.kind = static_cast<PolicyKind>(kind);
  if (!lsm::check(policy)) return in.wrong("no policy has these options");
  return policy;
}

}  // namespace aether::lsm
