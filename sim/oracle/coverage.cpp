#include "sim/oracle/coverage.h"

#include <utility>

namespace aether::oracle {

Coverage::Coverage() : all_(base::reached_points()) {
  for (const base::ReachedPoint* point : all_) seen_.push_back(point->times.load());
}

std::string Coverage::enter(const std::string& circumstance) {
  settle();
  return std::exchange(now_, circumstance);
}

void Coverage::settle() {
  std::vector<uint64_t>* times = nullptr;
  for (size_t i = 0; i < all_.size(); ++i) {
    const uint64_t now = all_[i]->times.load(std::memory_order_relaxed);
    if (now == seen_[i]) continue;
    if (times == nullptr) {
      times = &times_[now_];
      times->resize(all_.size());
    }
    (*times)[i] += now - seen_[i];
    seen_[i] = now;
  }
}

std::map<std::string, Coverage::Point> Coverage::points() {
  settle();
  std::map<std::string, Point> points;
  for (const base::ReachedPoint* each : all_) {
    const std::string_view path(each->file);
    const size_t src = path.rfind("src/");
    points[each->name].file = path.substr(src == std::string_view::npos ? 0 : src);
  }
  for (const auto& [circumstance, times] : times_) {
    for (size_t i = 0; i < all_.size(); ++i) {
      if (times[i] == 0) continue;
      Point& point = points[all_[i]->name];
      point.times += times[i];
      point.under[circumstance] += times[i];
    }
  }
  return points;
}

}  // namespace aether::oracle
