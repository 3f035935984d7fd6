/// Steps of the engine as events, for checking real runs against the specifications (spec/README.md).
///
/// Compiled in with the option AETHER_TRACE only; else an event is nothing, its operands are not evaluated. An event
/// says what one step was given and what it did, never the state around it: the specification infers that.
///
///   AETHER_TRACE_EVENT("durable", {"plv", values, count});
///
/// Threads   Any. Events are ordered by where they stand: inside the latch, turn or mutex that makes their step one.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#if defined(AETHER_TRACE)

namespace aether::base {

/// A named number, or a named list of them.
struct TraceField {
  TraceField(const char* field_name, uint64_t number) : name(field_name), one(number) {}
  TraceField(const char* field_name, std::span<const uint64_t> list)
      : name(field_name), many(list), is_list(true) {}
  const char* name;
  uint64_t one = 0;
  std::span<const uint64_t> many;
  bool is_list = false;
};

/// Takes one event: "name field=1 list=1,2,3". Null: events go nowhere.
using TraceSink = void (*)(const std::string& line);
void set_trace_sink(TraceSink sink) noexcept;
void trace_event(const char* name, std::initializer_list<TraceField> fields);

}  // namespace aether::base

#define AETHER_TRACE_EVENT(...) ::aether::base::trace_event(__VA_ARGS__)
#else
#define AETHER_TRACE_EVENT(...) static_cast<void>(0)
#endif
