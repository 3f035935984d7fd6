#include "numbers.h"

#include <algorithm>
#include <cstdio>

namespace aether::bench {

std::string format(const char* pattern, double number) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, number);
  return text;
}

std::string rate(double per_second) {
  if (per_second >= 9.995e5) return format("%.2fM", per_second / 1e6);
  if (per_second >= 9995) return format("%.0fK", per_second / 1e3);
  if (per_second >= 999.5) return format("%.1fK", per_second / 1e3);
  return format(per_second >= 99.5 ? "%.0f" : "%.3g", per_second);
}

std::string micros(double us) {
  if (us >= 9995) return format("%.0fm", us / 1e3);
  if (us >= 9.995) return format("%.0f", us);
  return format("%.2f", us);
}

double median(std::vector<double> numbers) {
  std::sort(numbers.begin(), numbers.end());
  const size_t middle = numbers.size() / 2;
  return numbers.size() % 2 == 1 ? numbers[middle] : (numbers[middle - 1] + numbers[middle]) / 2;
}

}  // namespace aether::bench
