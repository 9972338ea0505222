# SPDX-License-Identifier: Apache-2.0
# cmake -DINCLUDE_DIR=<include> -P check_includes.cmake
#
# Core headers (packkit/*.hpp, packkit/detail/*.hpp) include the standard library and other
# core headers, nothing else; packkit/torch includes LibTorch beside them, but no library of
# the example programs; packkit/packkit.hpp includes every core header of packkit/.
cmake_minimum_required(VERSION 3.25)

set(_opt_in packkit/eigen.hpp packkit/format.hpp)  # adapters a user asks for by name
set(_faults)

function(check_file file allowed)
  file(STRINGS ${INCLUDE_DIR}/${file} _lines)
  set(_number 0)
  foreach(_line IN LISTS _lines)
    math(EXPR _number "${_number} + 1")
    if(_line MATCHES "^[ \t]*#[ \t]*include[ \t]*([<\"][^>\"]*[>\"])"
        AND NOT CMAKE_MATCH_1 MATCHES "${allowed}")
      string(REGEX MATCH "[<\"][^>\"]*[>\"]" _included "${_line}")
      list(APPEND _faults "${file}:${_number}: may not include ${_included}")
    endif()
  endforeach()
  set(_faults "${_faults}" PARENT_SCOPE)
endfunction()

set(_standard "<[a-z0-9_]+>")
# Two headers use the processor and the kernel, under #if, where these are there.
set(_guarded_cache_line "<emmintrin\\.h>")
set(_guarded_large_array "<sys/mman\\.h>")
set(_core "<packkit/(detail/)?[a-z0-9_]+\\.hpp>")
set(_torch "<packkit/torch/((detail/)?[a-z0-9_]+\\.hpp|detail/[a-z0-9_]+\\.inl)>")
set(_libtorch "<(torch|ATen|c10|nccl\\.h|cuda_runtime|immintrin\\.h|malloc\\.h|unistd\\.h|sys/)[^>]*>")

file(GLOB _core_headers RELATIVE ${INCLUDE_DIR}
  ${INCLUDE_DIR}/packkit/*.hpp ${INCLUDE_DIR}/packkit/detail/*.hpp)
foreach(_file IN LISTS _core_headers)
  if(NOT _file IN_LIST _opt_in)
    get_filename_component(_stem ${_file} NAME_WE)
    set(_guarded ${_core})
    if(DEFINED _guarded_${_stem} AND _file MATCHES "^packkit/detail/")
      set(_guarded ${_guarded_${_stem}})
    endif()
    check_file(${_file} "^(${_standard}|${_core}|${_guarded})$")
  endif()
endforeach()
file(GLOB_RECURSE _torch_headers RELATIVE ${INCLUDE_DIR}
  ${INCLUDE_DIR}/packkit/torch/*.hpp ${INCLUDE_DIR}/packkit/torch/*.inl)
foreach(_file IN LISTS _torch_headers)
  check_file(${_file} "^(${_standard}|${_core}|${_torch}|${_libtorch})$")
endforeach()

file(READ ${INCLUDE_DIR}/packkit/packkit.hpp _all)
file(GLOB _public RELATIVE ${INCLUDE_DIR} ${INCLUDE_DIR}/packkit/*.hpp)
list(REMOVE_ITEM _public packkit/packkit.hpp ${_opt_in})
foreach(_file IN LISTS _public)
  string(FIND "${_all}" "#include <${_file}>" _at)
  if(_at EQUAL -1)
    list(APPEND _faults "packkit/packkit.hpp lacks ${_file}")
  endif()
endforeach()

if(_faults)
  list(JOIN _faults "\n" _faults)
  message(FATAL_ERROR "${_faults}")
endif()
list(LENGTH _core_headers _count)
message(STATUS "${_count} core headers include nothing above them")
