#include "aether/retry.h"

#include <algorithm>
#include <string>

#include "base/no_memory.h"
#include "db/env_impl.h"

namespace aether::detail {
namespace {

constexpr uint64_t kNanosecondsPerMicrosecond = 1'000;
constexpr uint64_t kNanosecondsPerMillisecond = 1'000'000;

bool worth_another(Code code) noexcept {
  return code == Code::conflict || code == Code::deadlock || code == Code::busy;
}

}  // namespace

Retries::Retries(DbEnv& env, const RetryPolicy& policy)
    : env_(env),
      policy_(policy),
      begin_ns_(env.impl().os().monotonic_ns()),
      wait_ns_(std::min(policy.wait_us_first, policy.wait_us_max) * kNanosecondsPerMicrosecond) {}

std::optional<Error> Retries::give_up_or_wait(Error error) {
  os::Os& os = env_.impl().os();
  ++attempts_;
  const uint64_t wait_ns = os.random() % (wait_ns_ + 1);
  bool give_up = !worth_another(error.code()) || attempts_ >= policy_.attempts_max;
  if (!give_up && policy_.budget_ms != 0) {
    const uint64_t next_ns = os.monotonic_ns() - begin_ns_ + wait_ns;
    give_up = next_ns / kNanosecondsPerMillisecond >= policy_.budget_ms;
  }
  if (give_up) {
    if (attempts_ == 1) return error;
    std::string after;
    const auto say = [&] { after = "after " + std::to_string(attempts_) + " attempts"; };
    if (!base::if_memory_allows(say)) return error;
    return std::move(error).with_context(after);
  }
  os.sleep_ns(wait_ns);
  wait_ns_ = std::min(2 * wait_ns_, policy_.wait_us_max * kNanosecondsPerMicrosecond);
  return std::nullopt;
}

}  // namespace aether::detail
