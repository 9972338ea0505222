# SPDX-License-Identifier: Apache-2.0
# Fuzz targets of the readers of files. Each one's stored inputs (corpus/<name>/) are replayed as
# the test `fuzz.<name>` by every compiler; with clang and -DPACKKIT_FUZZ=ON there is a libFuzzer
# program fuzz_<name> besides, to look for more:
#   fuzz_<name> -max_total_time=300 FOLDER_FOR_FINDS tests/fuzz/corpus/<name>
option(PACKKIT_FUZZ "libFuzzer programs (clang)" OFF)
if(PACKKIT_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "PACKKIT_FUZZ needs clang: -DCMAKE_CXX_COMPILER=clang++-19, best with "
      "-DPACKKIT_SANITIZE=address,undefined")
  endif()
  # All our own targets report their coverage.
  target_compile_options(packkit_build_flags INTERFACE -fsanitize=fuzzer-no-link)
  target_link_options(packkit_build_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# packkit_add_fuzzer(<name> SOURCES <file>... [LIBRARIES <target>...])
function(packkit_add_fuzzer name)
  cmake_parse_arguments(FUZZ "" "" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(replay_${name} replay.cpp ${FUZZ_SOURCES})
  target_link_libraries(replay_${name} PRIVATE ${FUZZ_LIBRARIES} packkit_build_flags)
  set_target_properties(replay_${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR})
  add_test(NAME fuzz.${name}
    COMMAND replay_${name} ${CMAKE_CURRENT_SOURCE_DIR}/corpus/${name})
  set_tests_properties(fuzz.${name} PROPERTIES LABELS fuzz TIMEOUT 300)
  if(PACKKIT_FUZZ)
    add_executable(fuzz_${name} ${FUZZ_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE ${FUZZ_LIBRARIES} packkit_build_flags)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  endif()
endfunction()
