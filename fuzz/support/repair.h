/// Edits a small environment's files in place, and makes the checksums right that cover an edit, so that a fuzzer gets behind
/// them: docs/formats has each.
///
/// Threads   One.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "sim/sim_os.h"

namespace aether::fuzz {

/// The kinds of file whose bytes are trusted only by their checksums.
enum class FileKind : uint8_t { data, log, control, doublewrite };

struct Edit {
  FileKind kind = FileKind::data;
  uint64_t unit = 0;  ///< Which 4096 bytes of those that hold something; any number.
  uint64_t at = 0;    ///< Where in it; any number.
  std::string_view bytes;
  bool repair = false;
};

class Editor {
 public:
  /// `os` is a copy of a small environment, nothing of it open.
  explicit Editor(sim::SimOs& os);

  void apply(const Edit& edit);
  /// Replaces page `page` of the data file by `bytes`, sealed, with its tag: it is the version that was written last.
  void replace_page(uint64_t page, std::string bytes);
  uint64_t environment_id() const noexcept { return environment_id_; }

 private:
  std::string read(const std::string& path, uint64_t offset, uint64_t size);
  void write(const std::string& path, uint64_t offset, std::string_view bytes);
  void edit_data(const Edit& edit);
  void edit_log(const Edit& edit);
  void edit_control(const Edit& edit);
  void edit_doublewrite(const Edit& edit);
  void make_tag_right(uint64_t page, const std::string& bytes);

  sim::SimOs& os_;
  uint64_t environment_id_ = 0;
  uint64_t segment_bytes_ = 0;
  uint64_t tags_sequence_ = 0;
  std::string segment_;  ///< The one that recovery reads.
};

}  // namespace aether::fuzz
