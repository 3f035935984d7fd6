// The live channel, both ends: a client that sends anything in pieces of any size gets one answer of the documented form;
// and a client that gets anything says what is wrong with it, or has a document. What the command makes of documents
// (JSON, members by name) is tried on the same bytes.
#include <algorithm>
#include <charconv>

#include "apps/aether/json_fields.h"
#include "db/env_impl.h"
#include "db/live.h"
#include "db/live_client.h"
#include "db/live_protocol.h"
#include "fuzz/support/input.h"
#include "fuzz/support/memory_os.h"
#include "fuzz/support/target.h"
#include "sim/sim_os.h"

namespace aether::fuzz {
namespace {

/// Sends what the fuzzer has, in pieces; keeps what it is sent.
class FuzzedConnection final : public os::Connection {
 public:
  FuzzedConnection(std::string_view bytes, uint8_t piece, std::string& received)
      : rest_(bytes), piece_(piece), received_(received) {}
  Result<uint64_t> read(void* data, uint64_t size, uint64_t) override {
    const uint64_t got = std::min({size, rest_.size(), size_t{piece_} + 1});
    std::copy_n(rest_.data(), got, static_cast<char*>(data));
    rest_.remove_prefix(got);
    return got;
  }
  Result<void> write(const void* data, uint64_t size, uint64_t) override {
    received_.append(static_cast<const char*>(data), size);
    return {};
  }

 private:
  std::string_view rest_;
  const uint8_t piece_;
  std::string& received_;
};

/// One who connects, or is connected to; then nobody.
class LiveOs final : public MemoryOs {
 public:
  LiveOs(std::string_view bytes, uint8_t piece) : bytes_(bytes), piece_(piece) {}
  std::string received;

  Result<std::unique_ptr<os::Listener>> listen(const std::string&) override {
    return std::unique_ptr<os::Listener>(std::make_unique<OneClient>(*this));
  }
  Result<std::unique_ptr<os::Connection>> connect(const std::string&, uint64_t) override {
    return connection();
  }

 private:
  class OneClient final : public os::Listener {
   public:
    explicit OneClient(LiveOs& os) : os_(os) {}
    Result<std::unique_ptr<os::Connection>> accept() override {
      if (served_) return Code::closed;
      served_ = true;
      return os_.connection();
    }
    void stop() noexcept override {}

   private:
    LiveOs& os_;
    bool served_ = false;
  };
  std::unique_ptr<os::Connection> connection() {
    return std::make_unique<FuzzedConnection>(bytes_, piece_, received);
  }

  std::string_view bytes_;
  uint8_t piece_;
};

/// "AETHER/1 STATUS LENGTH\n" and a JSON object of LENGTH bytes.
void require_answer(const std::string& answer) {
  const size_t line_end = answer.find('\n');
  FUZZ_REQUIRE_SAYING(line_end != std::string::npos && line_end < db::kLiveHeadBytesMax, answer);
  const std::string_view line = std::string_view(answer).substr(0, line_end);
  FUZZ_REQUIRE_SAYING(line.starts_with("AETHER/1 "), answer);
  const std::string_view digits = line.substr(line.rfind(' ') + 1);
  uint64_t bytes = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), bytes);
  FUZZ_REQUIRE_SAYING(answer.size() - line_end - 1 == bytes, answer);
  FUZZ_REQUIRE_SAYING(cli::JsonFields::read(answer.substr(line_end + 1)), answer);
}

void look_at_document(const std::string& text) {
  const Result<cli::JsonFields> fields = cli::JsonFields::read(text);
  if (!fields) return;
  for (const cli::JsonFields::Field& field : fields->all()) {
    static_cast<void>(fields->text(field.name));
    static_cast<void>(fields->bytes(field.name));
    static_cast<void>(fields->number(field.name));
    static_cast<void>(fields->object(field.name).has_value());
    if (field.kind == cli::JsonKind::array) static_cast<void>(fields->elements(field.name));
  }
}

db::EnvImpl& environment() {
  static sim::SimOs& os = *new sim::SimOs;
  static db::EnvImpl& env = *[] {
    auto opened = db::EnvImpl::open("/env",
                                    {.pool_bytes = 512 * KiB,
                                     .log_streams = 1,
                                     .log_segment_bytes = 256 * KiB,
                                     .log_bytes_max = 1 * MiB,
                                     .background_threads = false},
                                    os);
    FUZZ_REQUIRE(opened);
    return std::move(opened)->release();
  }();
  return env;
}

}  // namespace

std::vector<std::string> seeds() {
  std::vector<std::string> all;
  for (const std::string line :
       {"AETHER/1 ping json\n", "AETHER/1 stat\n", "AETHER/1 deadlock json\n", "AETHER/2 ping\n",
        "AETHER/1 nothing\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"}) {
    all.push_back(InputWriter().byte(0).byte(255).raw(line).bytes());
    all.push_back(InputWriter().byte(0).byte(1).raw(line).bytes());
  }
  for (const std::string answer :
       {"AETHER/1 ok 13\n{\"pid\":4711.5}", "AETHER/1 busy 20\n{\"error\":\"busy\",\"a\":1}",
        "AETHER/1 ok 41\n{\"a\":{\"b\":[1,2]},\"c\":\"\\u0000\",\"c_hex\":\"00ff\"}",
        "AETHER/1 ok 99999999999\n"}) {
    all.push_back(InputWriter().byte(1).byte(255).raw(answer).bytes());
  }
  return all;
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  using namespace aether::fuzz;
  Input input(data, size);
  const bool is_client = input.byte() % 2 == 1;
  const uint8_t piece = input.byte();
  const std::string_view bytes = input.rest();
  LiveOs os(bytes, piece);
  if (is_client) {
    const Result<std::string> document = db::ask_live(os, "/env", "ping");
    if (document) {
      FUZZ_REQUIRE(document->size() <= bytes.size());
      look_at_document(*document);
    }
    look_at_document(std::string(bytes));
    return 0;
  }
  const auto live = db::Live::listen(environment(), os);
  FUZZ_REQUIRE(live);
  FUZZ_REQUIRE((*live)->start());
  require_answer(os.received);
  return 0;
}
