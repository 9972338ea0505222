# SPDX-License-Identifier: Apache-2.0
# `cmake --install`: headers, the two targets, the find modules they need, the programs,
# the licence.
include(CMakePackageConfigHelpers)
set(_packkit_cmake_dir ${CMAKE_INSTALL_LIBDIR}/cmake/packkit)

install(DIRECTORY include/packkit DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS packkit EXPORT packkitTargets)
install(EXPORT packkitTargets NAMESPACE packkit:: DESTINATION ${_packkit_cmake_dir})
if(PACKKIT_HAVE_TORCH)
  install(TARGETS packkit_torch EXPORT packkitTorchTargets)
  install(EXPORT packkitTorchTargets NAMESPACE packkit:: DESTINATION ${_packkit_cmake_dir})
endif()
configure_package_config_file(cmake/packkitConfig.cmake.in packkitConfig.cmake
  INSTALL_DESTINATION ${_packkit_cmake_dir})
write_basic_package_version_file(packkitConfigVersion.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES
  ${CMAKE_CURRENT_BINARY_DIR}/packkitConfig.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/packkitConfigVersion.cmake
  cmake/FindLibTorch.cmake cmake/FindNCCL.cmake
  DESTINATION ${_packkit_cmake_dir})
install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
get_property(_programs GLOBAL PROPERTY PACKKIT_PROGRAMS)
if(_programs)
  install(TARGETS ${_programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
