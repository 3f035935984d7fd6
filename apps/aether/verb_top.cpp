// top: the runs of an environment's stores, drawn again and again while another process works with it.

#include <algorithm>
#include <map>
#include <utility>

#include "apps/aether/json_fields.h"
#include "apps/aether/progress.h"
#include "apps/aether/signals.h"
#include "apps/aether/text.h"
#include "apps/aether/towers.h"
#include "apps/aether/verbs.h"
#include "os/os.h"

namespace aether::cli {
namespace {

/// What the rates are reckoned from.
struct Before {
  uint64_t time_ns = 0;
  double put_bytes = 0;
  double written_bytes = 0;
};

class Picture {
 public:
  explicit Picture(const TopOptions& options) : options_(options) {}

  Result<std::string> of(std::string_view document, uint64_t now_ns) {
    std::string text;
    bool has_runs = false;
    AETHER_TRY_ASSIGN(const JsonFields all, JsonFields::read(document));
    for (const std::string_view element : all.elements("stores")) {
      AETHER_TRY_ASSIGN(const JsonFields store, JsonFields::read(element));
      if (store.text("index") != "lsm") continue;
      const std::string name = store.bytes("name");
      if (options_.store && *options_.store != name) continue;
      AETHER_TRY_ASSIGN(const std::string towers,
                        towers_of(store, rates_of(name, store, now_ns), output_width()));
      text.append(has_runs ? "\n" : "").append(towers);
      has_runs = true;
    }
    if (!has_runs) {
      return Error(Code::not_found, options_.store
                                        ? "no store " + in_quotes(*options_.store) + " of kind lsm"
                                        : std::string("no store of kind lsm"));
    }
    return text;
  }

 private:
  TowerRates rates_of(const std::string& name, const JsonFields& store, uint64_t now_ns) {
    const Before now{now_ns, store.number("put_bytes"), store.number("run_bytes_written")};
    TowerRates rates;
    const auto [before, is_new] = before_.try_emplace(name, now);
    const double seconds = static_cast<double>(now_ns - before->second.time_ns) / 1e9;
    if (!is_new && seconds > 0) {  // Less than before: it was opened anew meanwhile.
      rates.put_bytes = std::max(0.0, now.put_bytes - before->second.put_bytes) / seconds;
      rates.written_bytes = std::max(0.0, now.written_bytes - before->second.written_bytes) /
                            seconds;
    }
    before->second = now;
    return rates;
  }

  const TopOptions& options_;
  std::map<std::string, Before> before_;
};

Result<void> show(Session& session, Picture& picture, const std::string& document, bool is_first) {
  std::string text;
  if (session.format() == Format::json) {
    text.append(document).append("\n");
  } else {
    AETHER_TRY_ASSIGN(text, picture.of(document, os::production().monotonic_ns()));
    // On a terminal each picture stands where the one before stood.
    text.insert(0, output_is_terminal() ? "\x1b[H\x1b[J" : is_first ? "" : "\n");
  }
  AETHER_TRY(session.out().write(text));
  return session.out().flush();
}

/// False: somebody wishes an end.
bool wait(uint64_t nanoseconds) {
  constexpr uint64_t kStepNs = 20'000'000;
  for (uint64_t passed = 0; passed < nanoseconds && !stop_requested(); passed += kStepNs) {
    os::production().sleep_ns(std::min(kStepNs, nanoseconds - passed));
  }
  return !stop_requested();
}

}  // namespace

Result<ExitCode> run_top(Session& session, const TopOptions& options) {
  Picture picture(options);
  for (uint64_t shown = 0; shown < options.count; ++shown) {
    if (shown > 0 && !wait(options.every_ms * 1'000'000)) break;
    Result<std::string> document = session.ask_live("stat");
    if (!document && document.error().code() != Code::not_found) {
      if (shown == 0) return std::move(document).error();
      break;  // It has been closed while it was asked.
    }
    if (!document && shown > 0) break;
    if (document) {
      AETHER_TRY(show(session, picture, *document, shown == 0));
      continue;
    }
    // Nobody has it open: how it lies there, once.
    AETHER_TRY_ASSIGN(const std::string at_rest, session.stat_document());
    AETHER_TRY(show(session, picture, at_rest, true));
    break;
  }
  return ExitCode::ok;
}

}  // namespace aether::cli
