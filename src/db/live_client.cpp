#include "db/live_client.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>

#include "base/printable.h"
#include "db/live_protocol.h"

namespace aether::db {
namespace {

constexpr uint64_t kPartBytes = 64 * KiB;

struct Head {
  std::string status;
  uint64_t body_bytes = 0;
};

Error strange_answer(const std::string& home, std::string_view line) {
  return Error(Code::unsupported, live_path(home) + ": '" + base::printable(line.substr(0, 64)) +
                                      "' is no answer of " + kLiveWord +
                                      ": use the release of the process that has it open");
}

/// "AETHER/1 STATUS LENGTH"
Result<Head> parse_head(const std::string& home, std::string_view line) {
  const std::string prefix = std::string(kLiveWord) + " ";
  const size_t status_end = line.rfind(' ');
  if (!line.starts_with(prefix) || status_end < prefix.size()) return strange_answer(home, line);
  Head head{.status = std::string(line.substr(prefix.size(), status_end - prefix.size()))};
  const std::string_view digits = line.substr(status_end + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(),
                                            head.body_bytes);
  if (error != std::errc() || end != digits.data() + digits.size() ||
      head.body_bytes > kLiveAnswerBytesMax) {
    return strange_answer(home, line);
  }
  return head;
}

Code code_of(std::string_view word) {
  for (auto number = static_cast<uint8_t>(Code::not_found);
       number <= static_cast<uint8_t>(Code::failed); ++number) {
    if (word == to_string(static_cast<Code>(number))) return static_cast<Code>(number);
  }
  return Code::unsupported;
}

}  // namespace

Result<std::string> ask_live(os::Os& os, const std::string& home, std::string_view verb,
                             uint64_t timeout_ns) {
  AETHER_TRY_ASSIGN(const std::unique_ptr<os::Connection> server,
                    os.connect(live_path(home), timeout_ns));
  std::string request = kLiveWord;
  request.append(" ").append(verb).append(" json\n");
  AETHER_TRY(server->write(request.data(), request.size(), timeout_ns));

  std::string text;
  const auto part = std::make_unique<std::array<char, kPartBytes>>();
  const auto read_more = [&]() -> Result<void> {
    AETHER_TRY_ASSIGN(const uint64_t got, server->read(part->data(), part->size(), timeout_ns));
    if (got == 0) {
      return Error(Code::closed, live_path(home) + ": the process has closed the environment");
    }
    text.append(part->data(), got);
    return {};
  };
  while (text.find('\n') == std::string::npos) {
    if (text.size() > kLiveHeadBytesMax) return strange_answer(home, text);
    AETHER_TRY(read_more());
  }
  AETHER_TRY_ASSIGN(const Head head, parse_head(home, text.substr(0, text.find('\n'))));
  text.erase(0, text.find('\n') + 1);
  while (text.size() < head.body_bytes) AETHER_TRY(read_more());
  text.resize(head.body_bytes);
  if (head.status == "ok") return text;
  return Error(code_of(head.status),
               "the process that has " + home + " open answers: " + base::printable(text));
}

}  // namespace aether::db
