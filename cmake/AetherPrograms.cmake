# Programs: the aether command, the simulator, the benches. All go to <build>/bin.

add_custom_target(aether_programs)  # What `make build` builds: programs and libraries, no tests.
add_dependencies(aether_programs aether aether_static)

if(AETHER_BUILD_APPS)
  file(GLOB_RECURSE cli_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/aether/*.cpp")
  if(cli_sources)
    find_path(AETHER_CLI11_INCLUDE CLI/CLI.hpp)
    if(NOT AETHER_CLI11_INCLUDE)
      message(FATAL_ERROR "CLI/CLI.hpp not found: install the Debian package libcli11-dev (or run "
                          "`make setup`), or configure with -DAETHER_BUILD_APPS=OFF.")
    endif()
    add_executable(aether_cli ${cli_sources})
    set_target_properties(aether_cli PROPERTIES OUTPUT_NAME aether)
    # Includes are written "apps/aether/...": apps/ itself would hide the public "aether/..." headers.
    target_include_directories(aether_cli PRIVATE "${PROJECT_SOURCE_DIR}")
    target_include_directories(aether_cli SYSTEM PRIVATE "${AETHER_CLI11_INCLUDE}")
    target_link_libraries(aether_cli PRIVATE aether_flags aether_static)
    add_dependencies(aether_programs aether_cli)
  endif()

  # The demo of `make demo`; it shares the command's progress line and number formats.
  file(GLOB demo_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/apps/demo/*.cpp")
  if(demo_sources)
    add_executable(aether-demo ${demo_sources} "${PROJECT_SOURCE_DIR}/apps/aether/progress.cpp"
                                               "${PROJECT_SOURCE_DIR}/apps/aether/text.cpp")
    target_include_directories(aether-demo PRIVATE "${PROJECT_SOURCE_DIR}")
    target_link_libraries(aether-demo PRIVATE aether_flags aether_static)
    add_dependencies(aether_programs aether-demo)
  endif()
endif()

file(GLOB sim_program CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/sim/program/*.cpp")
if(sim_program)
  add_executable(aether-sim ${sim_program})
  target_include_directories(aether-sim PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(aether-sim PRIVATE aether_flags aether_oracle aether_simos aether_static)
  add_dependencies(aether_programs aether-sim)
endif()

# Threads under the simulator's scheduler: only a build whose waiting asks it.
if(AETHER_SIM)
  file(GLOB sim_thread_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/sim/threads/*.cpp")
  add_executable(aether-sim-threads ${sim_thread_sources})
  target_include_directories(aether-sim-threads PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(aether-sim-threads PRIVATE aether_flags aether_simos aether_static)
  add_dependencies(aether_programs aether-sim-threads)
endif()

# What merge policies cost: tests know it too.
add_library(aether_lsm_model OBJECT EXCLUDE_FROM_ALL "${PROJECT_SOURCE_DIR}/bench/lsm_model/model.cpp")
target_link_libraries(aether_lsm_model PRIVATE aether_flags)
target_include_directories(aether_lsm_model PUBLIC "${PROJECT_SOURCE_DIR}/bench")

if(AETHER_BUILD_BENCH)
  find_path(AETHER_CLI11_INCLUDE CLI/CLI.hpp REQUIRED)

  # What the comparison programs share: clocks, processes, histograms, numbers.
  set(bench_shared "")
  foreach(unit drive histogram json numbers pauses process work_dir)
    list(APPEND bench_shared "${PROJECT_SOURCE_DIR}/bench/peers/${unit}.cpp")
  endforeach()
  add_library(aether_bench_shared OBJECT ${bench_shared})
  target_include_directories(aether_bench_shared PUBLIC "${PROJECT_SOURCE_DIR}/bench")
  target_link_libraries(aether_bench_shared PUBLIC aether_flags aether_static)

  # What is left of aether-peers without engines and main: its tests link it too.
  set(bench_peers "")
  foreach(unit data engine goals kv_workers memory_group report report_sections results txn_workers
               workload ycsb_workers)
    list(APPEND bench_peers "${PROJECT_SOURCE_DIR}/bench/peers/${unit}.cpp")
  endforeach()
  add_library(aether_bench_peers OBJECT ${bench_peers})
  target_link_libraries(aether_bench_peers PUBLIC aether_bench_shared)

  # A program that runs Aether beside peers. An adapter's source is always compiled; what it wraps is
  # compiled in where the peer (name:header:library) is installed.
  function(aether_add_comparison program)
    cmake_parse_arguments(ARG "" "" "SOURCES;PEERS" ${ARGN})
    list(REMOVE_ITEM ARG_SOURCES ${bench_shared} ${bench_peers})
    add_executable(${program} ${ARG_SOURCES})
    target_include_directories(${program} SYSTEM PRIVATE "${AETHER_CLI11_INCLUDE}")
    target_link_libraries(${program} PRIVATE aether_bench_shared)
    add_dependencies(aether_programs ${program})
    file(GLOB db_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/db/*.cpp")
    if(db_sources)  # Without the database room there is nothing behind the public API to link.
      target_compile_definitions(${program} PRIVATE AETHER_PEERS_HAVE_AETHER=1)
    endif()
    foreach(peer ${ARG_PEERS})
      string(REPLACE ":" ";" parts "${peer}")
      list(GET parts 0 name)
      list(GET parts 1 header)
      list(GET parts 2 library)
      string(TOUPPER "${name}" upper)
      find_library(AETHER_PEERS_${upper}_LIBRARY ${library})
      find_path(AETHER_PEERS_${upper}_INCLUDE ${header})
      if(AETHER_PEERS_${upper}_LIBRARY AND AETHER_PEERS_${upper}_INCLUDE)
        target_compile_definitions(${program} PRIVATE AETHER_PEERS_HAVE_${upper}=1)
        target_include_directories(${program} SYSTEM PRIVATE "${AETHER_PEERS_${upper}_INCLUDE}")
        target_link_libraries(${program} PRIVATE "${AETHER_PEERS_${upper}_LIBRARY}")
      else()
        message(STATUS "${program}: ${name} not found, its adapter will say so")
      endif()
    endforeach()
  endfunction()

  set(transactional_peers wiredtiger:wiredtiger.h:wiredtiger bdb:db.h:db-5.3 sqlite:sqlite3.h:sqlite3)
  file(GLOB_RECURSE peers_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/peers/*.cpp")
  aether_add_comparison(aether-peers SOURCES ${peers_sources}
                        PEERS lmdb:lmdb.h:lmdb rocksdb:rocksdb/db.h:rocksdb leveldb:leveldb/db.h:leveldb
                              ${transactional_peers})
  target_link_libraries(aether-peers PRIVATE aether_bench_peers)
  file(GLOB_RECURSE tpcc_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/tpcc/*.cpp")
  foreach(unit bdb_environment sqlite_connection wiredtiger_connection)
    list(APPEND tpcc_sources "${PROJECT_SOURCE_DIR}/bench/peers/${unit}.cpp")
  endforeach()
  aether_add_comparison(aether-tpcc SOURCES ${tpcc_sources} PEERS ${transactional_peers})
  file(GLOB contention_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/contention/*.cpp")
  aether_add_comparison(aether-contention SOURCES ${contention_sources})  # Aether against itself.

  file(GLOB durable_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/durable/*.cpp")
  aether_add_comparison(aether-durable SOURCES ${durable_sources})  # No engine: the disk alone.

  add_executable(aether-lsm-model "${PROJECT_SOURCE_DIR}/bench/lsm_model/main.cpp"
                                  "${PROJECT_SOURCE_DIR}/bench/lsm_model/measured.cpp")
  target_include_directories(aether-lsm-model SYSTEM PRIVATE "${AETHER_CLI11_INCLUDE}")
  target_link_libraries(aether-lsm-model PRIVATE aether_flags aether_lsm_model aether_static)
  add_dependencies(aether_programs aether-lsm-model)

  # The hot paths, counted by tools/hotpaths and timed by aether-micro.
  file(GLOB hot_path_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/hotpaths/*.cpp")
  list(REMOVE_ITEM hot_path_sources "${PROJECT_SOURCE_DIR}/bench/hotpaths/main.cpp")
  add_library(aether_hot_paths OBJECT ${hot_path_sources})
  target_include_directories(aether_hot_paths PUBLIC "${PROJECT_SOURCE_DIR}/bench")
  target_link_libraries(aether_hot_paths PUBLIC aether_flags aether_static)
  add_executable(aether-hotpaths "${PROJECT_SOURCE_DIR}/bench/hotpaths/main.cpp")
  target_link_libraries(aether-hotpaths PRIVATE aether_hot_paths)
  add_dependencies(aether_programs aether-hotpaths)

  # Filters of the LSM: bits and false positives, as a table.
  add_executable(aether-filters "${PROJECT_SOURCE_DIR}/bench/filters/main.cpp"
                                "${PROJECT_SOURCE_DIR}/bench/micro/key_sets.cpp")
  target_include_directories(aether-filters PRIVATE "${PROJECT_SOURCE_DIR}/bench")
  target_compile_definitions(aether-filters PRIVATE AETHER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_link_libraries(aether-filters PRIVATE aether_flags aether_static)
  add_dependencies(aether_programs aether-filters)

  file(GLOB micro_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/micro/*.cpp")
  find_package(benchmark QUIET CONFIG)
  if(micro_sources AND benchmark_FOUND)
    add_executable(aether-micro ${micro_sources})
    target_include_directories(aether-micro PRIVATE "${PROJECT_SOURCE_DIR}/bench")
    target_compile_definitions(aether-micro PRIVATE AETHER_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    target_link_libraries(aether-micro PRIVATE aether_flags aether_hot_paths benchmark::benchmark_main)
    # Ordered maps in memory to compare with, where they are installed.
    foreach(peer rocksdb:rocksdb/memtablerep.h:rocksdb cds:cds/container/skip_list_map_hp.h:cds)
      string(REPLACE ":" ";" parts "${peer}")
      list(GET parts 0 name)
      list(GET parts 1 header)
      list(GET parts 2 library)
      string(TOUPPER "${name}" upper)
      find_library(AETHER_MICRO_${upper}_LIBRARY ${library})
      find_path(AETHER_MICRO_${upper}_INCLUDE ${header})
      if(AETHER_MICRO_${upper}_LIBRARY AND AETHER_MICRO_${upper}_INCLUDE)
        target_compile_definitions(aether-micro PRIVATE AETHER_MICRO_HAVE_${upper}=1)
        target_include_directories(aether-micro SYSTEM PRIVATE "${AETHER_MICRO_${upper}_INCLUDE}")
        target_link_libraries(aether-micro PRIVATE "${AETHER_MICRO_${upper}_LIBRARY}")
      else()
        message(STATUS "aether-micro: ${name} not found, its maps are left out")
      endif()
    endforeach()
  endif()
endif()
