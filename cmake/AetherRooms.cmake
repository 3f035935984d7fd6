# The rooms, and the two libraries made of them.

# In the order of the arrows: a room comes after every room that it may include (tools/layers.txt).
set(AETHER_ROOMS base os wal page buffer txn recovery index table lsm db capi)
set(AETHER_BELOW_base "")
set(AETHER_BELOW_os base)
set(AETHER_BELOW_wal base os)
set(AETHER_BELOW_page base)
set(AETHER_BELOW_buffer base os wal page)
set(AETHER_BELOW_txn base os wal page buffer)
set(AETHER_BELOW_recovery base os wal page buffer txn)
set(AETHER_BELOW_index base os wal page buffer txn recovery)
set(AETHER_BELOW_table base os wal page buffer txn recovery index)
set(AETHER_BELOW_lsm base os wal page buffer txn recovery index table)
set(AETHER_BELOW_db base os wal page buffer txn recovery index lsm table)
set(AETHER_BELOW_capi base os wal page buffer txn recovery index lsm table db)

set(aether_objects "")
foreach(room IN LISTS AETHER_ROOMS)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${room}/*.cpp")
  if(sources)
    add_library(aether_${room} OBJECT ${sources})
    target_link_libraries(aether_${room} PRIVATE aether_flags)
    if(AETHER_REACHED)
      target_compile_definitions(aether_${room} PRIVATE AETHER_REACHED_POINTS=1)
    endif()
    list(APPEND aether_objects "$<TARGET_OBJECTS:aether_${room}>")
  else()
    add_library(aether_${room} INTERFACE)  # Nothing in it yet, or headers only.
  endif()
endforeach()

add_library(aether SHARED ${aether_objects})
add_library(aether_static STATIC ${aether_objects})
set_target_properties(aether PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
set_target_properties(aether_static PROPERTIES OUTPUT_NAME aether)
foreach(library aether aether_static)
  target_include_directories(${library} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>" "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
  target_compile_features(${library} PUBLIC cxx_std_20)
  target_link_libraries(${library} PRIVATE $<BUILD_INTERFACE:aether_flags>
    Threads::Threads ${AETHER_URING_LIBRARY} ${AETHER_COMPRESSION_LIBRARIES})
  add_library(Aether::${library} ALIAS ${library})
endforeach()

# The simulated body of os/, and what stands beside the engine there: the oracle, which knows what it must answer. The
# program aether-sim, sim/program, is made of both.
file(GLOB sim_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/sim/*.cpp")
if(NOT AETHER_SIM)
  list(FILTER sim_sources EXCLUDE REGEX "/scheduler\\.cpp$")  # Nobody asks it there.
endif()
if(sim_sources)
  add_library(aether_simos OBJECT EXCLUDE_FROM_ALL ${sim_sources})
  target_link_libraries(aether_simos PRIVATE aether_flags)
  target_include_directories(aether_simos PRIVATE "${PROJECT_SOURCE_DIR}")
else()
  add_library(aether_simos INTERFACE)
endif()
file(GLOB oracle_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/sim/oracle/*.cpp")
add_library(aether_oracle STATIC EXCLUDE_FROM_ALL ${oracle_sources})
target_link_libraries(aether_oracle PRIVATE aether_flags)
target_include_directories(aether_oracle PRIVATE "${PROJECT_SOURCE_DIR}")
