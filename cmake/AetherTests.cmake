# Tests. Labels: the kind (unit, property, conformance, integration, isolation, crash), and the room where there is one:
#   ctest -L wal        one room          ctest -L crash      one kind
#   ctest -R Concurrent what the thread sanitizer runs (suites with Concurrent in their name)

find_package(GTest 1.12 REQUIRED CONFIG)
find_package(rapidcheck QUIET CONFIG)
include(GoogleTest)

# What the sanitizers run: unit and property tests; programs with a suite named *Concurrent*.
add_custom_target(aether_asan_tests)
add_custom_target(aether_tsan_tests)
set(test_timeout 300)
if(AETHER_SANITIZE)
  set(test_timeout 900)
endif()

# A test file may say what it needs in a comment of its own: `ctest: timeout=900` (seconds),
# `ctest: serial` (nothing else beside it: it measures time).
function(aether_wishes out_timeout out_serial)
  set(timeout ${test_timeout})
  set(serial FALSE)
  foreach(file IN LISTS ARGN)
    file(STRINGS "${file}" wishes REGEX "^(//|#) ctest:")
    if(wishes MATCHES "timeout=([0-9]+)" AND CMAKE_MATCH_1 GREATER timeout)
      set(timeout ${CMAKE_MATCH_1})
    endif()
    if(wishes MATCHES "serial")
      set(serial TRUE)
    endif()
  endforeach()
  set(${out_timeout} ${timeout} PARENT_SCOPE)
  set(${out_serial} ${serial} PARENT_SCOPE)
endfunction()

# aether_test(<target> KIND <kind> LABELS <label>... SOURCES <file>... LINK <library>...)
function(aether_test target)
  cmake_parse_arguments(ARG "" "KIND" "LABELS;SOURCES;LINK" ${ARGN})
  aether_wishes(timeout serial ${ARG_SOURCES})
  add_executable(${target} ${ARG_SOURCES})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests")
  target_compile_definitions(${target} PRIVATE AETHER_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                               AETHER_BIN_DIR="${PROJECT_BINARY_DIR}/bin")
  # A test's own code runs little and is compiled four times in CI: the compiler is to be quick with it. At -O1 g++ 12 does not
  # see that an optional is only read where it has a value.
  target_compile_options(${target} PRIVATE $<$<NOT:$<CONFIG:Debug>>:-O1>
                                           $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  target_link_libraries(${target} PRIVATE aether_flags ${ARG_LINK}
    GTest::gmock GTest::gtest GTest::gtest_main)
  if(rapidcheck_FOUND)
    target_compile_definitions(${target} PRIVATE AETHER_HAVE_RAPIDCHECK=1)
    target_link_libraries(${target} PRIVATE rapidcheck)
  endif()
  # A program that is not built yet is no error before its tests are asked for.
  gtest_discover_tests(${target} TEST_PREFIX "${target}." DISCOVERY_TIMEOUT 60 DISCOVERY_MODE PRE_TEST
    PROPERTIES TIMEOUT ${timeout} RUN_SERIAL ${serial})
  # gtest_discover_tests takes a list of labels apart (CMake 3.25), so they are set once ctest knows the tests.
  set(labels_file "${PROJECT_BINARY_DIR}/${target}_labels.cmake")
  file(WRITE "${labels_file}" "if(${target}_TESTS)\n"
    "  set_tests_properties(\${${target}_TESTS} PROPERTIES LABELS \"${ARG_LABELS}\")\nendif()\n")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES "${labels_file}")

  if(ARG_KIND MATCHES "^(unit|property|conformance)$")
    add_dependencies(aether_asan_tests ${target})
  endif()
  foreach(source IN LISTS ARG_SOURCES)
    file(STRINGS "${source}" concurrent REGEX "TEST[A-Z_]*\\(.*Concurrent" LIMIT_COUNT 1)
    if(concurrent)
      add_dependencies(aether_tsan_tests ${target})
      break()
    endif()
  endforeach()
endfunction()

foreach(room IN LISTS AETHER_ROOMS)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/${room}/*_test.cpp")
  if(sources)
    set(linked aether_${room})
    foreach(below IN LISTS AETHER_BELOW_${room})
      list(APPEND linked aether_${below})
    endforeach()
    # The simulated files stand in for os, so rooms above os may test against them.
    if("os" IN_LIST AETHER_BELOW_${room})
      list(APPEND linked aether_simos)
    endif()
    aether_test(unit_${room} KIND unit LABELS unit ${room} SOURCES ${sources} LINK ${linked})
  endif()
endforeach()

if(TARGET unit_lsm)  # What policies cost is told by the model of bench/lsm_model.
  target_link_libraries(unit_lsm PRIVATE aether_lsm_model)
endif()

# The rooms outside src/: the simulator and the command.
file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/sim/*_test.cpp")
if(sources)
  aether_test(unit_sim KIND unit LABELS unit sim SOURCES ${sources} LINK aether_simos aether_static)
endif()
file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/apps/*_test.cpp")
if(sources AND TARGET aether_cli)
  file(GLOB_RECURSE tested CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/aether/*.cpp")
  list(FILTER tested EXCLUDE REGEX "/main\\.cpp$")
  aether_test(unit_apps KIND unit LABELS unit apps SOURCES ${sources} ${tested} LINK aether_static)
  target_include_directories(unit_apps PRIVATE "${PROJECT_SOURCE_DIR}/apps/aether")
  target_include_directories(unit_apps SYSTEM PRIVATE "${AETHER_CLI11_INCLUDE}")
endif()

file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/bench/*_test.cpp")
if(sources AND TARGET aether_bench_peers)
  aether_test(unit_bench KIND bench LABELS unit bench SOURCES ${sources}
              LINK aether_bench_peers aether_bench_shared aether_static)
endif()

# What tests/crash/preload_test.cpp puts in front of the C library.
enable_language(C)
add_library(preload_shim MODULE "${PROJECT_SOURCE_DIR}/tests/crash/preload_shim.c")
set_target_properties(preload_shim PROPERTIES C_STANDARD 11 C_EXTENSIONS ON C_VISIBILITY_PRESET hidden)
target_compile_options(preload_shim PRIVATE -Wall -Wextra -Wshadow -Wconversion)
target_link_libraries(preload_shim PRIVATE ${CMAKE_DL_LIBS} Threads::Threads)

# One program per *_test.cpp, named by the file, with what else the folder has linked into each; and
# scripts, run with bash against the built programs.
foreach(kind property conformance integration isolation crash)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/*_test.cpp")
  file(GLOB shared CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/*.cpp")
  list(FILTER shared EXCLUDE REGEX "_test\\.cpp$")
  set(linked aether_oracle aether_simos aether_static)
  if(shared)
    add_library(tests_${kind} OBJECT EXCLUDE_FROM_ALL ${shared})
    target_link_libraries(tests_${kind} PRIVATE aether_flags)
    target_include_directories(tests_${kind} PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests")
    list(PREPEND linked tests_${kind})
  endif()
  foreach(source IN LISTS sources)
    cmake_path(GET source STEM name)
    aether_test(${name} KIND ${kind} LABELS ${kind} SOURCES ${source} LINK ${linked})
    if(name STREQUAL "preload_test")
      add_dependencies(${name} preload_shim)
      target_compile_definitions(${name} PRIVATE AETHER_PRELOAD_SHIM="$<TARGET_FILE:preload_shim>")
    endif()
    if(TARGET aether_cli)
      add_dependencies(${name} aether_cli)  # A test may start the command as a child process.
    endif()
  endforeach()

  file(GLOB scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/${kind}/*.sh")
  foreach(script IN LISTS scripts)
    cmake_path(GET script STEM name)
    aether_wishes(timeout serial "${script}")
    add_test(NAME ${kind}.${name} COMMAND bash "${script}")
    set_tests_properties(${kind}.${name} PROPERTIES LABELS "${kind}" SKIP_RETURN_CODE 77
      TIMEOUT ${timeout} RUN_SERIAL ${serial}
      ENVIRONMENT "AETHER_BIN=${PROJECT_BINARY_DIR}/bin;SOURCE_DIR=${PROJECT_SOURCE_DIR};BUILD_DIR=${PROJECT_BINARY_DIR};CXX=${CMAKE_CXX_COMPILER}")
  endforeach()
endforeach()

# The simulator's own runs, short: `ctest -L sim`.
if(TARGET aether-sim)
  file(GLOB scripts CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/sim/*.sh")
  foreach(script IN LISTS scripts)
    cmake_path(GET script STEM name)
    add_test(NAME sim.${name} COMMAND bash "${script}")
    set_tests_properties(sim.${name} PROPERTIES LABELS "sim" TIMEOUT ${test_timeout}
      ENVIRONMENT "AETHER_BIN=${PROJECT_BINARY_DIR}/bin")
  endforeach()
endif()

# Records what the engine does, for spec/run: `aether_record_trace SEED OPERATIONS LIVES FILE`.
if(AETHER_TRACE)
  add_executable(aether_record_trace "${PROJECT_SOURCE_DIR}/spec/trace/record.cpp")
  target_include_directories(aether_record_trace PRIVATE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(aether_record_trace PRIVATE aether_flags aether_oracle aether_simos aether_static)
endif()

# Programs in C: the C interface, from where it is used. Each works in a fresh directory that it is given.
file(GLOB c_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/integration/*_test.c")
foreach(source IN LISTS c_tests)
  cmake_path(GET source STEM name)
  add_executable(${name} ${source})
  set_target_properties(${name} PROPERTIES C_STANDARD 99 C_STANDARD_REQUIRED ON C_EXTENSIONS OFF)
  target_link_libraries(${name} PRIVATE aether_flags aether_static)
  add_test(NAME integration.${name} COMMAND "${CMAKE_COMMAND}"
    "-DPROGRAM=$<TARGET_FILE:${name}>" "-DWORK=${PROJECT_BINARY_DIR}/c_tests/${name}"
    -P "${PROJECT_SOURCE_DIR}/cmake/RunExample.cmake")
  set_tests_properties(integration.${name} PROPERTIES LABELS "integration;capi" TIMEOUT 120)
endforeach()

# Examples: the docs quote them, so they must run. Each works in a fresh directory that it is given.
file(GLOB examples CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/examples/*.cpp")
foreach(source IN LISTS examples)
  cmake_path(GET source STEM name)
  add_executable(example_${name} ${source})
  target_link_libraries(example_${name} PRIVATE aether_flags aether_static)
  add_test(NAME example.${name} COMMAND "${CMAKE_COMMAND}"
    "-DPROGRAM=$<TARGET_FILE:example_${name}>" "-DWORK=${PROJECT_BINARY_DIR}/examples/${name}"
    -P "${PROJECT_SOURCE_DIR}/cmake/RunExample.cmake")
  set_tests_properties(example.${name} PROPERTIES LABELS "integration;example" TIMEOUT 120)
endforeach()

if(EXISTS "${PROJECT_SOURCE_DIR}/tools/tidy")
  find_package(Python3 QUIET COMPONENTS Interpreter)
  if(Python3_FOUND)
    add_test(NAME tidy COMMAND "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tools/tidy"
      --no-headers)  # Headers alone are compiled by CI and by `make tidy`: that takes minutes.
    set_tests_properties(tidy PROPERTIES LABELS "unit;tidy" TIMEOUT 300)
  endif()
endif()
