#include "lsm/expiry_times.h"

#include <utility>

#include "base/bytes.h"

namespace aether::lsm {
namespace {

constexpr uint8_t kFormat = 1;

Error damaged(const char* what) {
  std::string message = "times of expiry: ";
  message += what;
  return {Code::corruption, std::move(message)};
}

template <typename T>
void append(std::string& to, T value) {
  const size_t at = to.size();
  to.resize(at + sizeof(T));
  base::store(to.data() + at, value);
}

uint64_t share_of(uint64_t amount, uint64_t over, uint64_t step) noexcept {
  return static_cast<uint64_t>(static_cast<double>(amount) * static_cast<double>(over) /
                               static_cast<double>(step));
}

}  // namespace

void ExpiryTimes::add(uint64_t expiry_ms, uint64_t bytes) {
  Amount& amount = steps_[expiry_ms >> shift_];
  ++amount.entries;
  amount.bytes += bytes;
  while (steps_.size() > kStepsMax) make_steps_longer();
}

void ExpiryTimes::make_steps_longer() {
  std::map<uint64_t, Amount> longer;
  for (const auto& [step, amount] : steps_) {
    Amount& sum = longer[step >> 1];
    sum.entries += amount.entries;
    sum.bytes += amount.bytes;
  }
  steps_ = std::move(longer);
  ++shift_;
}

ExpiryTimes::Amount ExpiryTimes::all() const noexcept {
  Amount sum;
  for (const auto& [step, amount] : steps_) {
    sum.entries += amount.entries;
    sum.bytes += amount.bytes;
  }
  return sum;
}

ExpiryTimes::Amount ExpiryTimes::expired(uint64_t now_ms) const noexcept {
  Amount sum;
  const uint64_t step_ms = uint64_t{1} << shift_;
  for (const auto& [step, amount] : steps_) {
    const uint64_t begin = step << shift_;
    if (begin > now_ms) break;
    const uint64_t over = now_ms - begin + 1;  // What expires at `now_ms` has.
    const bool is_over = now_ms - begin >= step_ms - 1;
    sum.entries += is_over ? amount.entries : share_of(amount.entries, over, step_ms);
    sum.bytes += is_over ? amount.bytes : share_of(amount.bytes, over, step_ms);
  }
  return sum;
}

uint64_t ExpiryTimes::time_of(uint64_t bytes) const noexcept {
  uint64_t sum = 0;
  for (const auto& [step, amount] : steps_) {
    sum += amount.bytes;
    // The last moment of a step: of one that is not over nobody knows which of its entries have expired.
    if (sum >= bytes) return (step << shift_) + ((uint64_t{1} << shift_) - 1);
  }
  return ~uint64_t{0};
}

std::string ExpiryTimes::encode() const {
  std::string bytes;
  append(bytes, kFormat);
  append(bytes, shift_);
  append(bytes, static_cast<uint16_t>(steps_.size()));
  for (const auto& [step, amount] : steps_) {
    append(bytes, step);
    append(bytes, amount.entries);
    append(bytes, amount.bytes);
  }
  return bytes;
}

Result<ExpiryTimes> ExpiryTimes::decode(Bytes bytes) {
  base::ByteReader in(bytes);
  const auto format = in.read<uint8_t>();
  if (!in.ok() || format == 0) return damaged("they have no format number");
  if (format > kFormat) {
    return Error(Code::unsupported,
                 "times of expiry of a newer format; open the environment with the "
                 "version that wrote it");
  }
  ExpiryTimes times;
  times.shift_ = in.read<uint8_t>();
  const auto count = in.read<uint16_t>();
  if (!in.ok() || times.shift_ > kShiftMax || count == 0 || count > kStepsMax)
    return damaged("steps that there are not");
  uint64_t entries_left = ~uint64_t{0};
  uint64_t bytes_left = ~uint64_t{0};
  for (uint16_t i = 0; i < count; ++i) {
    const auto step = in.read<uint64_t>();
    Amount amount;
    amount.entries = in.read<uint64_t>();
    amount.bytes = in.read<uint64_t>();
    if (!in.ok()) return damaged("they are cut off");
    const bool is_in_order = times.steps_.empty() || times.steps_.rbegin()->first < step;
    if (!is_in_order || step > ~uint64_t{0} >> times.shift_) return damaged("a step out of order");
    if (amount.entries == 0 || amount.entries > entries_left || amount.bytes > bytes_left)
      return damaged("a step of none, or of too many");
    entries_left -= amount.entries;
    bytes_left -= amount.bytes;
    times.steps_.emplace_hint(times.steps_.end(), step, amount);
  }
  if (in.remaining() != 0) return damaged("there are bytes behind their end");
  return times;
}

}  // namespace aether::lsm
