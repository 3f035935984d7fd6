# Fuzz targets: fuzz/fuzz_<name>.cpp, one for each parser and format (fuzz/README.md).
#
# AETHER_FUZZ (preset asan, clang): programs with libFuzzer, in <build>/bin/fuzz_<name>.
# With the tests: replay_<name>, the same target under any compiler, as the test fuzz.<name>.

# Mutations that each replay runs after its seeds and regressions: about a second.
set(fuzz_mutations_default 20000)
set(fuzz_mutations_api 2000)
set(fuzz_mutations_catalogue 6000)
set(fuzz_mutations_open 400)
set(fuzz_mutations_live 4000)
set(fuzz_mutations_run 6000)

# Targets of the command's own formats link its readers.
set(fuzz_cli_sources "")
foreach(unit db_dump_format json_fields json_reader jsonl_reader row_reader signals stream text tsv_reader)
  list(APPEND fuzz_cli_sources "${PROJECT_SOURCE_DIR}/apps/aether/${unit}.cpp")
endforeach()
set(fuzz_sources_exchange ${fuzz_cli_sources})
set(fuzz_sources_live ${fuzz_cli_sources})

file(GLOB fuzz_support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/support/*.cpp")
list(REMOVE_ITEM fuzz_support "${PROJECT_SOURCE_DIR}/fuzz/support/replay_main.cpp"
                              "${PROJECT_SOURCE_DIR}/fuzz/support/libfuzzer_seeds.cpp")
add_library(fuzz_support OBJECT EXCLUDE_FROM_ALL ${fuzz_support})
target_link_libraries(fuzz_support PRIVATE aether_flags)
target_include_directories(fuzz_support PRIVATE "${PROJECT_SOURCE_DIR}")

# aether_fuzz_program(<program> <name> <source>): a target with the support that every one has.
function(aether_fuzz_program program name source)
  add_executable(${program} ${source} ${fuzz_sources_${name}} ${ARGN})
  target_include_directories(${program} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_definitions(${program} PRIVATE
    FUZZ_REGRESSIONS="${PROJECT_SOURCE_DIR}/fuzz/regressions/${name}")
  target_link_libraries(${program} PRIVATE aether_flags fuzz_support aether_simos aether_static)
endfunction()

file(GLOB fuzz_targets CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/fuzz/fuzz_*.cpp")
add_custom_target(aether_fuzzers)
foreach(source IN LISTS fuzz_targets)
  cmake_path(GET source STEM stem)
  string(REPLACE "fuzz_" "" name "${stem}")
  if(AETHER_FUZZ)
    aether_fuzz_program(${stem} ${name} "${source}" "${PROJECT_SOURCE_DIR}/fuzz/support/libfuzzer_seeds.cpp")
    target_link_options(${stem} PRIVATE -fsanitize=fuzzer)
    add_dependencies(aether_fuzzers ${stem})
  endif()
  if(AETHER_BUILD_TESTS)
    set(mutations ${fuzz_mutations_default})
    if(DEFINED fuzz_mutations_${name})
      set(mutations ${fuzz_mutations_${name}})
    endif()
    aether_fuzz_program(replay_${name} ${name} "${source}" "${PROJECT_SOURCE_DIR}/fuzz/support/replay_main.cpp")
    target_compile_definitions(replay_${name} PRIVATE FUZZ_MUTATIONS=${mutations})
    add_test(NAME fuzz.${name} COMMAND replay_${name})
    set_tests_properties(fuzz.${name} PROPERTIES LABELS "fuzz" TIMEOUT 300
      WORKING_DIRECTORY "${PROJECT_BINARY_DIR}")
  endif()
endforeach()
