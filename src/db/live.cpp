#include "db/live.h"

#include <algorithm>
#include <array>
#include <utility>

#include "aether/version.h"
#include "base/json_writer.h"
#include "base/no_memory.h"
#include "base/printable.h"
#include "db/documents.h"
#include "db/env_impl.h"
#include "db/live_protocol.h"

namespace aether::db {
namespace {

constexpr uint64_t kClientNs = 2'000'000'000;  // For a request to come, and for an answer to go.

/// What a verb may look at.
struct Asked {
  EnvImpl& env;
  LiveVerify& verify;
  uint64_t uptime_ns = 0;
};

struct Verb {
  std::string_view name;
  Result<std::string> (*document)(const Asked& asked);
};

Result<std::string> ping(const Asked& asked) {
  EnvImpl& env = asked.env;
  std::string text;
  base::JsonWriter(text)
      .begin_object()
      .member("pid", env.os().process_id())
      .member("uuid", env.uuid())
      .member("version", kVersion)
      .member("format_version", uint64_t{kFormatVersion})
      .member("uptime_seconds", static_cast<double>(asked.uptime_ns) / 1e9)
      .end_object();
  return text;
}

constexpr std::array kVerbs = {
    Verb{"ping", ping},
    Verb{"stat",
         [](const Asked& asked) -> Result<std::string> {
           return stats_document(asked.env.stats());
         }},
    Verb{"deadlock",
         [](const Asked& asked) -> Result<std::string> { return locks_document(asked.env); }},
    Verb{"verify", [](const Asked& asked) -> Result<std::string> { return asked.verify.start(); }},
    Verb{"verify_state",
         [](const Asked& asked) -> Result<std::string> { return asked.verify.look(); }},
};

/// The first word of `text`, which is cut off it together with the space behind it.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

Error bad_request(const std::string& what) { return Error(Code::invalid_argument, what); }

std::string error_document(const Error& error) {
  std::string text;
  base::JsonWriter(text)
      .begin_object()
      .member("error", to_string(error.code()))
      .member("message", base::printable(error.message()))
      .end_object();
  return text;
}

}  // namespace

Live::Live(EnvImpl& env, os::Os& os, std::unique_ptr<os::Listener> listener)
    : env_(env),
      os_(os),
      since_ns_(os.monotonic_ns()),
      verify_(env, os),
      listener_(std::move(listener)) {}

Result<std::unique_ptr<Live>> Live::listen(EnvImpl& env, os::Os& os) {
  AETHER_TRY_ASSIGN(std::unique_ptr<os::Listener> listener, os.listen(live_path(env.home())));
  return std::unique_ptr<Live>(new Live(env, os, std::move(listener)));
}

Result<void> Live::start() {
  AETHER_TRY_ASSIGN(thread_, os_.spawn("aether-live", [this] { run(); }));
  return {};
}

Live::~Live() {
  listener_->stop();
  if (thread_) thread_->join();
}

void Live::run() {
  for (os::Backoff backoff;;) {
    const Result<std::unique_ptr<os::Connection>> client = base::or_no_memory(
        [&] { return listener_->accept(); });
    if (!client && client.error().code() == Code::no_memory) {
      backoff.wait();
      continue;
    }
    if (!client)
      return;  // Stopped; or the system refuses to wait, and then there is nothing to wait for.
    // Without memory for an answer the client gets none.
    static_cast<void>(base::if_memory_allows([&] { serve(**client); }));
    backoff = os::Backoff();
  }
}

void Live::serve(os::Connection& client) {
  const Result<std::string> request = read_request(client);
  Result<std::string> document = request ? answer(*request) : request.error().clone();
  if (document && document->size() > kLiveAnswerBytesMax) {
    document = Error(Code::too_large, "the answer has " + std::to_string(document->size()) +
                                          " bytes: more than " +
                                          std::to_string(kLiveAnswerBytesMax));
  }
  const std::string status = document ? "ok" : to_string(document.error().code());
  const std::string body = document ? *std::move(document) : error_document(document.error());
  std::string text = kLiveWord;
  text.append(" ").append(status).append(" ").append(std::to_string(body.size())).append("\n");
  text += body;
  // Who does not want to read it need not.
  static_cast<void>(client.write(text.data(), text.size(), kClientNs).has_value());
}

/// The line, without its end.
Result<std::string> Live::read_request(os::Connection& client) {
  const uint64_t begun = os_.monotonic_ns();
  std::string line;
  std::array<char, kLiveRequestBytesMax> part;
  while (line.size() < kLiveRequestBytesMax) {
    const uint64_t passed = os_.monotonic_ns() - begun;
    const uint64_t left = passed < kClientNs ? kClientNs - passed : 0;
    AETHER_TRY_ASSIGN(const uint64_t got,
                      client.read(part.data(), kLiveRequestBytesMax - line.size(), left));
    if (got == 0) return bad_request("the request has no line end");
    line.append(part.data(), got);
    const size_t end = line.find('\n');
    if (end == std::string::npos) continue;
    if (end + 1 != line.size()) return bad_request("there is something behind the request's line");
    line.pop_back();
    return line;
  }
  return bad_request("a request has " + std::to_string(kLiveRequestBytesMax) + " bytes at most");
}

Result<std::string> Live::answer(std::string_view request) {
  const std::string_view word = take_word(request);
  if (word != kLiveWord) {
    return Error(Code::unsupported, "this environment's process speaks " + std::string(kLiveWord) +
                                        ", the request begins with '" +
                                        std::string(word.substr(0, 32)) +
                                        "': use the same release for both");
  }
  const std::string_view name = take_word(request);
  if (!request.empty() && request != "json") {
    return Error(Code::unsupported, "behind the verb comes nothing, or json");
  }
  const auto verb = std::find_if(kVerbs.begin(), kVerbs.end(),
                                 [&](const Verb& candidate) { return candidate.name == name; });
  if (verb != kVerbs.end()) return verb->document({env_, verify_, os_.monotonic_ns() - since_ns_});
  std::string known;
  for (const Verb& candidate : kVerbs)
    known.append(known.empty() ? "" : ", ").append(candidate.name);
  return Error(Code::unsupported,
               "no verb '" + std::string(name.substr(0, 32)) + "'; there are: " + known);
}

}  // namespace aether::db
