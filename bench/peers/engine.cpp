#include "engine.h"

namespace aether::bench {
namespace {

Answer visit_each(Session& session, std::span<const Bytes> keys, BatchVisitor visitor) {
  for (size_t i = 0; i < keys.size(); ++i) {
    const Answer answer = session.visit(keys[i], [&](Bytes value) { visitor(i, &value); });
    if (answer == Answer::not_found) {
      visitor(i, nullptr);
    } else if (answer != Answer::ok) {
      return answer;
    }
  }
  return Answer::ok;
}

}  // namespace

Answer Session::multi_get(std::span<const Bytes> keys, BatchVisitor visitor) {
  return visit_each(*this, keys, visitor);
}

Answer Session::multi_get_in_snapshot(std::span<const Bytes> keys, BatchVisitor visitor) {
  if (const Answer begun = begin_snapshot(); begun != Answer::ok) return begun;
  const Answer answer = visit_each(*this, keys, visitor);
  end_snapshot();
  return answer;
}

}  // namespace aether::bench
