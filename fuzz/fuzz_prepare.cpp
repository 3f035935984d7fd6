// What a prepared transaction has left in the log: decoded from any bytes; and what decodes is written back as it was.
#include "fuzz/support/input.h"
#include "fuzz/support/target.h"
#include "txn/prepare_record.h"

namespace aether::fuzz {
namespace {

txn::PrepareRecord sample(size_t gid_bytes, size_t freed, size_t locks) {
  txn::PrepareRecord record;
  record.gid.assign(gid_bytes, 'g');
  record.prepared_at_ns = 1'700'000'000'000'000'000;
  for (size_t i = 0; i < freed; ++i)
    record.freed.push_back({static_cast<uint32_t>(100000 + i), 0, 7 + i});
  for (size_t i = 0; i < locks; ++i) {
    const std::string key = "key" + std::to_string(i);
    record.locks.push_back({txn::OwnedLockName(txn::LockName::key(3, key)), txn::LockMode::x});
  }
  return record;
}

}  // namespace

std::vector<std::string> seeds() {
  return {txn::encode(sample(1, 0, 0)), txn::encode(sample(128, 1, 0)),
          txn::encode(sample(138, 0, 1)), txn::encode(sample(5, 3, 4))};
}

}  // namespace aether::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace aether;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result<txn::PrepareRecord> record = txn::decode_prepare_record(bytes);
  if (record) FUZZ_REQUIRE(txn::encode(*record) == bytes);
  return 0;
}
