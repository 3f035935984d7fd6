#include "base/trace.h"

#if defined(AETHER_TRACE)

#include <atomic>

namespace aether::base {
namespace {

std::atomic<TraceSink> current_sink{nullptr};

}  // namespace

void set_trace_sink(TraceSink sink) noexcept { current_sink.store(sink); }

void trace_event(const char* name, std::initializer_list<TraceField> fields) {
  const TraceSink sink = current_sink.load();
  if (sink == nullptr) return;
  std::string line = name;
  for (const TraceField& field : fields) {
    line.append(" ").append(field.name).append("=");
    if (!field.is_list) {
      line.append(std::to_string(field.one));
      continue;
    }
    for (size_t i = 0; i < field.many.size(); ++i) {
      if (i != 0) line.append(",");
      line.append(std::to_string(field.many[i]));
    }
  }
  sink(line);
}

}  // namespace aether::base

#endif
