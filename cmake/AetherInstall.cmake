# `cmake --install`: headers, both libraries, the command, a CMake package and a pkg-config file.

include(CMakePackageConfigHelpers)
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Aether")

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/aether" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}"
  FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")
install(TARGETS aether aether_static EXPORT AetherTargets)
install(EXPORT AetherTargets NAMESPACE Aether:: DESTINATION "${package_dir}")
foreach(program aether_cli aether-sim)
  if(TARGET ${program})
    install(TARGETS ${program} RUNTIME)
  endif()
endforeach()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/AetherConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/AetherConfig.cmake" INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/AetherConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)  # Before 1.0 a minor version may change the interface.
install(FILES "${PROJECT_BINARY_DIR}/AetherConfig.cmake" "${PROJECT_BINARY_DIR}/AetherConfigVersion.cmake"
  DESTINATION "${package_dir}")

set(AETHER_PC_LIBS_PRIVATE "-lstdc++ -pthread")
foreach(library IN LISTS AETHER_COMPRESSION_LIBRARIES)
  string(APPEND AETHER_PC_LIBS_PRIVATE " -l${library}")
endforeach()
if(AETHER_URING_LIBRARY)
  string(APPEND AETHER_PC_LIBS_PRIVATE " -l${AETHER_URING_LIBRARY}")
endif()
# The file finds its prefix from its own place, so that an installed tree can be moved.
cmake_path(SET pc_dir NORMALIZE "/${CMAKE_INSTALL_LIBDIR}/pkgconfig")
cmake_path(RELATIVE_PATH pc_dir BASE_DIRECTORY "/" OUTPUT_VARIABLE pc_depth)
string(REGEX REPLACE "[^/]+" ".." AETHER_PC_TO_PREFIX "${pc_depth}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/aether.pc.in" "${PROJECT_BINARY_DIR}/aether.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/aether.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
