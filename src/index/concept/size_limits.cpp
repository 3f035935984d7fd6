#include "index/concept/size_limits.h"

#include <new>

namespace aether::index {
namespace {

void append(std::string& text, std::initializer_list<std::string_view> parts) {
  for (const std::string_view part : parts) text += part;
}

/// The error with the message that `write` puts together; without memory for that, the code says it.
template <typename Write>
Error error_with(Code code, Write write) {
  try {
    std::string text;
    write(text);
    return {code, std::move(text)};
  } catch (const std::bad_alloc&) {
    return code;
  }
}

}  // namespace

Result<void> check_sizes(const char* index, Bytes key, Bytes value, uint64_t key_bytes_max) {
  if (key.size() > key_bytes_max) {
    return error_with(Code::too_large, [&](std::string& text) {
      append(text, {"a key of ", std::to_string(key.size()), " bytes: the ", index,
                    " takes keys up to ", std::to_string(key_bytes_max)});
    });
  }
  if (value.size() > kMaxValueBytes) {
    return error_with(Code::too_large, [&](std::string& text) {
      append(text, {"a value of ", std::to_string(value.size()), " bytes: the ", index,
                    " takes values up to ", std::to_string(kMaxValueBytes)});
    });
  }
  return {};
}

Error bound_reached(const char* index, uint64_t used, uint64_t max,
                    const base::EpochStats& epochs) {
  return error_with(Code::no_memory, [&](std::string& text) {
    append(text,
           {"the ", index, " holds ", std::to_string(used), " bytes of its ", std::to_string(max)});
    if (epochs.retired_bytes != 0) {
      append(text, {", ", std::to_string(epochs.retired_bytes), " of them removed already"});
    }
    if (epochs.pinned != 0 && epochs.oldest_epoch < epochs.epoch) {
      append(text, {" and held back by a reader since epoch ", std::to_string(epochs.oldest_epoch),
                    " of ", std::to_string(epochs.epoch)});
    }
    text += ": remove keys, let cursors rest, or raise memory_bytes_max";
  });
}

}  // namespace aether::index
