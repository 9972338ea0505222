# SPDX-License-Identifier: Apache-2.0
# How packkit's own programs and tests are compiled. Users of the headers get none of this.

find_program(PACKKIT_CCACHE ccache)
if(PACKKIT_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Precompiled headers and ccache agree only when time stamps are left out of the comparison.
  set(CMAKE_CXX_COMPILER_LAUNCHER
    ${CMAKE_COMMAND} -E env
    CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
    ${PACKKIT_CCACHE})
endif()

add_library(packkit_build_flags INTERFACE)
target_compile_options(packkit_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${PACKKIT_WERROR}>:-Werror>)
# GCC 12 warns of overlaps in std::string's operator+ that cannot happen (its bug 105651).
target_compile_options(packkit_build_flags INTERFACE
  $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>)
# The LibTorch wheel and Debian carry different fmt libraries: header-only keeps them apart.
target_compile_definitions(packkit_build_flags INTERFACE FMT_HEADER_ONLY=1)
# packkit_add_program(<name> <source>...): an executable that `cmake --install` installs. All of
# them are in the global property PACKKIT_PROGRAMS.
function(packkit_add_program name)
  add_executable(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE packkit_build_flags)
  set_property(GLOBAL APPEND PROPERTY PACKKIT_PROGRAMS ${name})
endfunction()
if(PACKKIT_SANITIZE)
  target_compile_options(packkit_build_flags INTERFACE
    -fsanitize=${PACKKIT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(packkit_build_flags INTERFACE -fsanitize=${PACKKIT_SANITIZE})
  target_compile_definitions(packkit_build_flags INTERFACE PACKKIT_ASSERTIONS=1)
endif()
