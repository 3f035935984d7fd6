// The open matrix: what may have become of an environment while nobody had it open, each case a test of its own. Opening
// gives the documented refusal, which names the place, and leaves every byte as it was; or it opens, and then nothing is
// missing that was acknowledged.
#include <algorithm>

#include "aether/version.h"
#include "integration/open_matrix_fixture.h"

namespace aether::matrix {
namespace {

using Kind = Expected::Kind;

class OpenMatrix : public testing::TestWithParam<Case> {
 protected:
  void read_everything(DbEnv& env, const small::SmallEnv& truth, bool may_be_damaged) {
    uint64_t damaged = 0;
    for (const auto& [name, rows] : truth.rows) {
      Result<KvStore> store = env.open_store(name, {.create = false});
      if (!store) {
        EXPECT_TRUE(may_be_damaged && store.error().code() == Code::corruption)
            << store.error().message();
        ++damaged;
        continue;
      }
      for (const auto& [key, value] : rows) {
        const Result<std::string> got = store->get(key);
        if (got) {
          EXPECT_TRUE(*got == value) << key;
          continue;
        }
        ++damaged;
        EXPECT_EQ(got.error().code(), Code::corruption) << got.error().message();
        EXPECT_THAT(std::string(got.error().message()), testing::HasSubstr("page "));
      }
    }
    EXPECT_EQ(damaged > 0, may_be_damaged) << damaged << " rows cannot be read";
  }

  void try_open(const Place& place, bool read_only, const Expected& expected) {
    SCOPED_TRACE(read_only ? "for reading" : "for writing");
    EnvOptions options = small::options();
    options.pool_bytes = 8 * MiB;  // For pages of any size.
    options.read_only = read_only;
    options.create = false;
    const std::map<std::string, std::string> before = place.content();
    Result<std::unique_ptr<DbEnv>> env = DbEnv::open(place.home.string(), options);
    if (expected.kind == Kind::refused) {
      ASSERT_FALSE(env) << "it opened";
      EXPECT_EQ(env.error().code(), expected.code) << env.error().message();
      EXPECT_THAT(std::string(env.error().message()), testing::HasSubstr(expected.says));
      const bool same = place.content() == before;
      EXPECT_TRUE(same) << "something was changed";
      return;
    }
    ASSERT_TRUE(env) << env.error().message();
    read_everything(**env, environment(place.state), expected.kind == Kind::damage_reported);
    if (read_only) {
      EXPECT_TRUE((*env)->close());
      const bool same = place.content() == before;
      EXPECT_TRUE(same) << "something was changed";
    }
  }
};

TEST_P(OpenMatrix, Case) {
  const Case& c = GetParam();
  Place place;
  place.state = c.state;
  write_files(environment(c.state), place.home);
  c.change(place);
  if (HasFatalFailure()) return;
  try_open(place, true, c.reading);
  try_open(place, false, c.writing);
}

// --- the cases -------------------------------------------------------------------------------------------------

class Cases {
 public:
  std::vector<Case> all;

  /// For a closed environment and for a crashed one.
  void add(const std::string& name, const std::function<void(Place&)>& change,
           const Expected& of_closed, const Expected& of_crashed) {
    all.push_back({name + "_closed", State::closed, change, of_closed, of_closed});
    all.push_back(
        {name + "_crashed", State::crashed, change, of_crashed,
         of_crashed.kind == Kind::refused && refuses_first_ ? of_crashed : needs_recovery()});
  }
  void add(const std::string& name, const std::function<void(Place&)>& change,
           const Expected& of_both) {
    add(name, change, of_both, of_both);
  }
  /// The refusals of what follows come before the look at whether recovery is needed, or after it.
  void refuse_before_recovery(bool first) { refuses_first_ = first; }
  void add_one(const std::string& name, State state, const std::function<void(Place&)>& change,
               const Expected& writing, const Expected& reading) {
    all.push_back({name, state, change, writing, reading});
  }

 private:
  bool refuses_first_ = true;
};

void add_control(Cases& cases) {
  const auto patch = [&](const std::string& name, uint64_t offset, const std::string& bytes,
                         const Expected& expected) {
    cases.add(
        "control_" + name, [=](Place& p) { patch_control(p, offset, bytes); }, expected);
  };
  const Expected no_slot = refused(Code::corruption, "neither slot is valid");
  for (const uint32_t version : {0u, kFormatVersion + 1, kFormatVersion + 2, 1000u, ~0u}) {
    patch("version_" + std::to_string(version), 16, little(version),
          refused(Code::unsupported, "format version " + std::to_string(version)));
  }
  for (const uint32_t bytes : {0u, 1u, 512u, 2048u, 4095u, 4097u, 12288u, 131072u, ~0u})
    patch("page_bytes_" + std::to_string(bytes), 20, little(bytes), no_slot);
  // Possible, but not those of the data file: its first page has another checksum.
  for (const uint32_t bytes : {8192u, 65536u})
    patch("page_bytes_" + std::to_string(bytes), 20, little(bytes),
          refused(Code::corruption, "/data"));
  for (const uint64_t bytes : {uint64_t{0}, uint64_t{4096}, 64 * KiB + 1, 96 * KiB, 2 * GiB,
                               uint64_t{1} << 40, uint64_t{1} << 63})
    patch("segment_bytes_" + std::to_string(bytes), 40, little(bytes), no_slot);
  for (const uint32_t streams : {0u, 9u, 255u, ~0u})
    patch("streams_" + std::to_string(streams), 48, little(streams), no_slot);
  for (const uint32_t fences : {185u, 10000u, ~0u})
    patch("fences_" + std::to_string(fences), 100, little(fences), no_slot);
  patch("magic", 8, "OTHERCTL", no_slot);
  patch("another_environments_id", 32, little(uint64_t{42}), refused(Code::corruption, "/data"));
  cases.add(
      "control_big_endian",
      [](Place& p) {
        std::string file = read_all(p / "CONTROL");
        for (uint64_t slot = 0; slot < file.size(); slot += kSlotBytes) {
          for (uint64_t word = slot; word < slot + kSlotBytes; word += 8)
            std::reverse(file.begin() + static_cast<int64_t>(word),
                         file.begin() + static_cast<int64_t>(word) + 8);
        }
        write_all(p / "CONTROL", file);
      },
      no_slot);
}

void add_cut_files(Cases& cases) {
  const auto cut = [](const std::string& name, uint64_t bytes) {
    return [=](Place& p) { fs::resize_file(p / name, bytes); };
  };
  for (const uint64_t bytes : {0u, 1u, 100u}) {
    cases.add("control_of_" + std::to_string(bytes), cut("CONTROL", bytes),
              refused(Code::corruption, "neither slot is valid"));
  }
  // One slot is enough, and what is cut off of it may be zeros. Here it is the one that the close has written, and of a
  // crashed one the older.
  for (const uint64_t bytes : {4096u, 16383u, 16384u}) {
    const std::string name = "control_of_" + std::to_string(bytes);
    cases.add_one(name + "_closed", State::closed, cut("CONTROL", bytes), sound(), sound());
    cases.add_one(name + "_crashed", State::crashed, cut("CONTROL", bytes), sound(),
                  needs_recovery());
  }
  for (const uint64_t bytes : {20000u, 32767u})
    cases.add("control_of_" + std::to_string(bytes), cut("CONTROL", bytes), sound());
  for (const uint64_t bytes : {0u, 1u, 4095u})
    cases.add("data_of_" + std::to_string(bytes), cut("data", bytes),
              refused(Code::corruption, "/data"));
  // Of a crashed one the double-write area has the nodes of the last checkpoint, but not the large values.
  cases.refuse_before_recovery(false);
  for (const uint64_t bytes : {4096u, 4097u, 8191u, 8192u}) {
    cases.add("data_of_" + std::to_string(bytes), cut("data", bytes),
              refused(Code::corruption, "page "), damage_reported());
  }
  cases.refuse_before_recovery(true);
  for (const uint64_t bytes : {0u, 1u, 4095u, 4096u, 100000u})
    cases.add("doublewrite_of_" + std::to_string(bytes), cut("doublewrite", bytes), sound());
  // Of a closed environment no segment is read; of a crashed one all that is durable must be there.
  for (const uint64_t bytes : {0u, 1u, 4095u, 4096u, 8192u}) {
    const std::string name = "segment_of_" + std::to_string(bytes);
    const auto change = [=](Place& p) { fs::resize_file(p.segment(), bytes); };
    cases.refuse_before_recovery(false);
    cases.add(name, change, sound(), refused(Code::corruption, "/log/"));
    cases.refuse_before_recovery(true);
  }
}

void add_missing(Cases& cases) {
  const auto remove = [](const std::string& name) {
    return [=](Place& p) { fs::remove_all(p / name); };
  };
  cases.add_one("no_control_closed", State::closed, remove("CONTROL"),
                refused(Code::not_found, "has no CONTROL"),
                refused(Code::not_found, "has no CONTROL"));
  cases.add_one("no_control_crashed", State::crashed, remove("CONTROL"),
                refused(Code::not_found, "has no CONTROL"),
                refused(Code::not_found, "has no CONTROL"));
  cases.add("no_data", remove("data"), refused(Code::corruption, "/data"));
  cases.add("no_doublewrite", remove("doublewrite"), sound());
  cases.add_one("no_log_closed", State::closed, remove("log"), refused(Code::corruption, "/log"),
                sound());
  cases.add_one("no_log_crashed", State::crashed, remove("log"), refused(Code::corruption, "/log"),
                needs_recovery());
  cases.add_one("no_lock_closed", State::closed, remove("LOCK"), sound(),
                refused(Code::unsupported, "LOCK is missing"));
  cases.add_one("no_lock_crashed", State::crashed, remove("LOCK"), sound(),
                refused(Code::unsupported, "LOCK is missing"));
  cases.refuse_before_recovery(false);
  cases.add(
      "no_segments",
      [](Place& p) {
        for (const fs::path& segment : p.segments()) fs::remove(segment);
      },
      sound(), refused(Code::corruption, "/log"));
  cases.add(
      "no_first_segment", [](Place& p) { fs::remove(p.segment()); }, sound(),
      refused(Code::corruption, "/log"));
  cases.refuse_before_recovery(true);
}

/// From another environment, or from the same one earlier.
void add_swapped(Cases& cases) {
  const auto from = [](const small::SmallEnv& (*source)(State), const std::string& name) {
    return [=](Place& p) {
      Place other;
      other.state = p.state;
      write_files(source(p.state), other.home);
      fs::copy_file(other / name, p / name, fs::copy_options::overwrite_existing);
    };
  };
  cases.add("others_control", from(another, "CONTROL"), refused(Code::corruption, "/data"));
  cases.add("others_data", from(another, "data"), refused(Code::corruption, "/data"));
  cases.add("others_doublewrite", from(another, "doublewrite"), sound());
  const auto others_segments = [](Place& p) {
    Place other;
    other.state = p.state;
    write_files(another(p.state), other.home);
    for (const fs::path& segment : other.segments())
      fs::copy_file(segment, p.home / "log" / segment.filename(),
                    fs::copy_options::overwrite_existing);
  };
  cases.refuse_before_recovery(false);
  cases.add("others_segments", others_segments, sound(),
            refused(Code::corruption, "belongs to another environment"));
  cases.refuse_before_recovery(true);
  // The files of a crashed environment beside the CONTROL of an earlier, closed life of it.
  cases.add_one(
      "control_of_an_earlier_life", State::reopened,
      [](Place& p) {
        Place closed;
        write_files(environment(State::closed), closed.home);
        fs::copy_file(closed / "CONTROL", p / "CONTROL", fs::copy_options::overwrite_existing);
      },
      refused(Code::corruption, "CONTROL knows nothing after epoch"),
      refused(Code::corruption, "CONTROL knows nothing after epoch"));
}

void add_strange_segments(Cases& cases) {
  const auto also = [](const std::string& name, const std::string& bytes) {
    return [=](Place& p) { write_all(p.home / "log" / name, bytes); };
  };
  const std::string zeros(256 * KiB, '\0');
  // Names that are no segment's, and segments that were never begun.
  for (const std::string name :
       {"notes.txt", "0000000000000009.LOG", "9.log", "000000000000000g.log"})
    cases.add("beside_the_log_" + name, also(name, "precious"), sound());
  cases.add("empty_segment", also("0000000000000009.log", ""), sound());
  cases.add("zero_segment", also("0000000000000009.log", zeros), sound());
  cases.add("garbage_segment", also("0000000000000009.log", std::string(256 * KiB, 'x')), sound());
  // No segment can have such a number: the next one's place would not fit 64 bits.
  cases.refuse_before_recovery(false);
  for (const std::string name :
       {"ffffffffffffffff.log", "0fffffffffffffff.log", "7000000000000000.log"}) {
    const auto change = also(name, zeros);
    cases.add_one("segment_" + name + "_closed", State::closed, change,
                  refused(Code::corruption, name), sound());
    cases.add_one("segment_" + name + "_crashed", State::crashed, change,
                  refused(Code::corruption, name), needs_recovery());
  }
  cases.refuse_before_recovery(true);
}

void add_newer_parts(Cases& cases) {
  const auto page = [](uint64_t id, uint64_t offset, const std::string& bytes) {
    return [=](Place& p) { patch_page(p, id, offset, bytes); };
  };
  cases.add("data_version_newer", page(0, 48, little(kFormatVersion + 1)),
            refused(Code::unsupported, "format version " + std::to_string(kFormatVersion + 1)));
  cases.add("data_page_bytes", page(0, 52, little(8192u)), refused(Code::corruption, "/data"));
  cases.add("data_magic", page(0, 40, "OTHERPG1"),
            refused(Code::corruption, "not an Aether data file"));
  cases.add("data_flags", page(0, 29, "\1"), refused(Code::unsupported, "newer"));
  cases.add("data_kind", page(0, 28, "\7"), refused(Code::corruption, "/data"));
  cases.refuse_before_recovery(false);
  cases.add("map_flags", page(1, 29, "\1"), refused(Code::unsupported, "newer"), sound());
  cases.add("catalogue_flags", page(2, 29, "\2"), refused(Code::unsupported, "newer"), sound());
  cases.add_one(
      "segment_version_2", State::crashed,
      [](Place& p) {
        std::string file = read_all(p.segment());
        base::store(file.data() + 16, 2u);
        base::store(file.data(), base::checksum(file.data() + 8, 4088, environment_id(p)));
        write_all(p.segment(), file);
      },
      refused(Code::unsupported, "has format 2"), needs_recovery());
  cases.refuse_before_recovery(true);
}

/// Where the environment is, and what is there instead.
void add_places(Cases& cases) {
  cases.add(
      "moved",
      [](Place& p) {
        fs::rename(p.home, p.directory / "moved");
        p.home = p.directory / "moved";
      },
      sound());
  cases.add(
      "through_a_link",
      [](Place& p) {
        fs::create_directory_symlink(p.home, p.directory / "link");
        p.home = p.directory / "link";
      },
      sound());
  cases.add(
      "with_a_slash", [](Place& p) { p.home += "/"; }, sound());
  const auto empty = [](Place& p) { fs::remove_all(p.home); };
  cases.add("nothing", empty, refused(Code::not_found, "no such directory"));
  cases.add(
      "empty_directory",
      [](Place& p) {
        fs::remove_all(p.home);
        fs::create_directory(p.home);
      },
      refused(Code::not_found, "is not an Aether environment"));
  cases.add(
      "strange_directory",
      [](Place& p) {
        fs::remove_all(p.home);
        fs::create_directory(p.home);
        write_all(p / "thesis.tex", "precious");
      },
      refused(Code::not_found, "thesis.tex"));
  cases.add(
      "a_file",
      [](Place& p) {
        fs::remove_all(p.home);
        write_all(p.home, "a file");
      },
      refused(Code::invalid_argument, "is not a directory"));
  cases.add(
      "link_to_nothing",
      [](Place& p) {
        fs::create_symlink("nowhere", p.directory / "link");
        p.home = p.directory / "link";
      },
      refused(Code::not_found, "No such file"));
  // Files are not followed through links: who can make one could have any file of the user's written.
  for (const std::string name : {"CONTROL", "data"}) {
    cases.add(
        "link_for_" + name,
        [=](Place& p) {
          fs::rename(p / name, p.directory / "elsewhere");
          fs::create_symlink(p.directory / "elsewhere", p / name);
        },
        refused(Code::io_error, name));
    cases.add(
        "directory_for_" + name,
        [=](Place& p) {
          fs::remove(p / name);
          fs::create_directory(p / name);
        },
        refused(Code::invalid_argument, name));
  }
  cases.add(
      "link_for_LOCK",
      [](Place& p) {
        write_all(p.directory / "victim", "precious");
        fs::remove(p / "LOCK");
        fs::create_symlink(p.directory / "victim", p / "LOCK");
      },
      refused(Code::io_error, "LOCK"));
}

std::vector<Case> make_cases() {
  Cases cases;
  cases.add(
      "untouched", [](Place&) {}, sound());
  add_control(cases);
  add_cut_files(cases);
  add_missing(cases);
  add_swapped(cases);
  add_strange_segments(cases);
  add_newer_parts(cases);
  add_places(cases);
  return cases.all;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  std::string name = info.param.name;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Every, OpenMatrix, testing::ValuesIn(make_cases()), name_of);

}  // namespace
}  // namespace aether::matrix
