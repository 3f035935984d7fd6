#include "base/inline_vector.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace aether::base {
namespace {

using Short = InlineVector<int, 4>;

void expect_same(const Short& vector, const std::vector<int>& model) {
  ASSERT_EQ(std::vector<int>(vector.data(), vector.data() + vector.size()), model);
  ASSERT_EQ(vector.empty(), model.empty());
}

// Beside a vector, through growth, moves both ways between short and long ones, and their reuse.
TEST(InlineVector, IsAVector) {
  std::mt19937_64 random(1);
  Short vectors[2];
  std::vector<int> models[2];
  for (int i = 0; i < 20000; ++i) {
    const size_t one = random() % 2;
    Short& vector = vectors[one];
    std::vector<int>& model = models[one];
    std::vector<int> values(random() % 7);
    for (int& value : values) value = static_cast<int>(random() % 100);
    switch (random() % 6) {
      case 0:
        vector.push_back(i);
        model.push_back(i);
        break;
      case 1:
        vector.append(values.data(), values.size());
        model.insert(model.end(), values.begin(), values.end());
        break;
      case 2:
        vector.assign(values.data(), values.size());
        model = values;
        break;
      case 3: {
        const size_t size = random() % (model.size() + 1);
        vector.shorten(size);
        model.resize(size);
        break;
      }
      case 4:
        vectors[one] = std::move(vectors[1 - one]);
        models[one] = std::move(models[1 - one]);
        models[1 - one].clear();
        break;
      default: {
        Short moved(std::move(vector));
        expect_same(vector, {});
        vector = std::move(moved);
      }
    }
    for (size_t each : {0U, 1U})
      ASSERT_NO_FATAL_FAILURE(expect_same(vectors[each], models[each])) << i;
    if (!model.empty()) {
      ASSERT_EQ(vector.back(), model.back());
    }
  }
}

}  // namespace
}  // namespace aether::base
