# Compiler flags and the libraries from outside. Everything of ours links `aether_flags`, which is never
# exported: what a user compiles is not subject to our warnings.

if(PROJECT_IS_TOP_LEVEL)
  if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
  endif()
  # -g1 keeps line tables: a stack trace or a profile from the field names the line, at little size.
  set(CMAKE_CXX_FLAGS_RELEASE "-O3 -g1 -DNDEBUG")
  set(CMAKE_CXX_FLAGS_RELWITHDEBINFO "-O2 -g1 -fno-omit-frame-pointer")
  set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
  set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
  set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
  set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
  find_program(AETHER_CCACHE ccache)
  if(AETHER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
    set(CMAKE_CXX_COMPILER_LAUNCHER "${AETHER_CCACHE}")
  endif()
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # The same objects go into the static and the shared library.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)

add_library(aether_flags INTERFACE)
target_compile_options(aether_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  # g++ 12 at -O3 warns of "literal" + std::string (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
  $<$<BOOL:${AETHER_WERROR}>:-Werror>
  # Position independent code may otherwise not inline across functions that a preload could replace.
  $<$<CXX_COMPILER_ID:GNU>:-fno-semantic-interposition>
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety>)

if(AETHER_NATIVE)
  target_compile_options(aether_flags INTERFACE -march=native)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  target_compile_options(aether_flags INTERFACE -march=x86-64-v2)  # SSE4.2 (for CRC32C), POPCNT, CX16.
endif()

if(AETHER_TRACE)
  target_compile_definitions(aether_flags INTERFACE AETHER_TRACE=1)
endif()
if(AETHER_SIM)
  target_compile_definitions(aether_flags INTERFACE AETHER_SIM=1)
endif()
if(AETHER_CHECKED)
  target_compile_definitions(aether_flags INTERFACE AETHER_CHECKED=1)
endif()

if(AETHER_SANITIZE STREQUAL "address")
  set(sanitizer_flags -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_compile_definitions(aether_flags INTERFACE AETHER_ASAN=1)
  if(AETHER_FUZZ)
    list(APPEND sanitizer_flags -fsanitize=fuzzer-no-link)  # Its coverage, in everything; only targets link it.
  endif()
elseif(AETHER_SANITIZE STREQUAL "thread")
  set(sanitizer_flags -fsanitize=thread)
  target_compile_definitions(aether_flags INTERFACE AETHER_TSAN=1)
  # g++ says of every atomic_thread_fence that ThreadSanitizer does not model it.
  target_compile_options(aether_flags INTERFACE $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
elseif(AETHER_SANITIZE)
  message(FATAL_ERROR "AETHER_SANITIZE is '${AETHER_SANITIZE}'; it takes 'address' or 'thread'.")
endif()
if(AETHER_SANITIZE)
  target_compile_options(aether_flags INTERFACE ${sanitizer_flags} -fno-omit-frame-pointer)
  target_link_options(aether_flags INTERFACE ${sanitizer_flags})
endif()

# --- Libraries from outside -------------------------------------------------------------------------

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

find_path(AETHER_XXHASH_INCLUDE xxhash.h)
if(NOT AETHER_XXHASH_INCLUDE)
  message(FATAL_ERROR "xxhash.h not found: install the Debian package libxxhash-dev (or run `make setup`).")
endif()

set(AETHER_COMPRESSION_LIBRARIES lz4 zstd)
find_path(AETHER_LZ4_INCLUDE lz4.h)
find_path(AETHER_ZSTD_INCLUDE zdict.h)
if(NOT AETHER_LZ4_INCLUDE OR NOT AETHER_ZSTD_INCLUDE)
  message(FATAL_ERROR "lz4.h or zdict.h not found: install the Debian packages liblz4-dev and libzstd-dev (or run `make setup`).")
endif()

# Without liburing, files are read and written by threads with pread and pwrite.
set(AETHER_URING_LIBRARY "")
find_package(PkgConfig QUIET)
if(PkgConfig_FOUND)
  pkg_check_modules(AETHER_URING QUIET liburing)
endif()
if(AETHER_URING_FOUND)
  set(AETHER_URING_LIBRARY uring)
  target_compile_definitions(aether_flags INTERFACE AETHER_HAVE_URING=1)
  target_include_directories(aether_flags SYSTEM INTERFACE ${AETHER_URING_INCLUDE_DIRS})
  target_link_directories(aether_flags INTERFACE ${AETHER_URING_LIBRARY_DIRS})
else()
  message(STATUS "liburing not found: files go through pread and pwrite")
endif()

target_include_directories(aether_flags INTERFACE "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src")
target_link_libraries(aether_flags INTERFACE Threads::Threads ${AETHER_URING_LIBRARY} ${AETHER_COMPRESSION_LIBRARIES})
