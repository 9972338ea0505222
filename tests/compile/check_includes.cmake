# SPDX-License-Identifier: Apache-2.0
# cmake -DINCLUDE_DIR=<include> -P check_includes.cmake
#
# Core headers (all below packkit/ but packkit/torch) include the standard library and other
# core headers, nothing else; packkit/torch includes LibTorch beside them, but no library of
# the example programs. packkit/FOLDER.hpp includes every header of packkit/FOLDER that is not
# in a detail folder, and packkit/packkit.hpp every header that lies in packkit/ itself.
cmake_minimum_required(VERSION 3.25)

set(_opt_in packkit/eigen.hpp packkit/format.hpp)  # adapters a user asks for by name
set(_faults)

function(check_file file allowed refused)
  file(STRINGS ${INCLUDE_DIR}/${file} _lines)
  set(_number 0)
  foreach(_line IN LISTS _lines)
    math(EXPR _number "${_number} + 1")
    if(_line MATCHES "^[ \t]*#[ \t]*include[ \t]*([<\"][^>\"]*[>\"])")
      set(_included "${CMAKE_MATCH_1}")
      if(NOT _included MATCHES "${allowed}" OR _included MATCHES "${refused}")
        list(APPEND _faults "${file}:${_number}: may not include ${_included}")
      endif()
    endif()
  endforeach()
  set(_faults "${_faults}" PARENT_SCOPE)
endfunction()

set(_standard "<[a-z0-9_]+>")
# Two headers use the processor and the kernel, under #if, where these are there.
set(_guarded_cache_line "<emmintrin\\.h>")
set(_guarded_large_array "<sys/mman\\.h>")
set(_core "<packkit/([a-z0-9_]+/)*[a-z0-9_]+\\.hpp>")
set(_torch "<packkit/torch/([a-z0-9_]+/)*[a-z0-9_]+\\.(hpp|inl)>")
set(_libtorch "<(torch|ATen|c10|nccl\\.h|cuda_runtime|immintrin\\.h|malloc\\.h|unistd\\.h|sys/)[^>]*>")

file(GLOB_RECURSE _core_headers RELATIVE ${INCLUDE_DIR} ${INCLUDE_DIR}/packkit/*.hpp)
list(FILTER _core_headers EXCLUDE REGEX "^packkit/torch/")
foreach(_file IN LISTS _core_headers)
  if(NOT _file IN_LIST _opt_in)
    get_filename_component(_stem ${_file} NAME_WE)
    set(_guarded ${_core})
    if(DEFINED _guarded_${_stem} AND _file MATCHES "^packkit/detail/memory/")
      set(_guarded ${_guarded_${_stem}})
    endif()
    check_file(${_file} "^(${_standard}|${_core}|${_guarded})$" "^<packkit/torch/")
  endif()
endforeach()
file(GLOB_RECURSE _torch_headers RELATIVE ${INCLUDE_DIR}
  ${INCLUDE_DIR}/packkit/torch/*.hpp ${INCLUDE_DIR}/packkit/torch/*.inl)
foreach(_file IN LISTS _torch_headers)
  check_file(${_file} "^(${_standard}|${_core}|${_torch}|${_libtorch})$" "^$")
endforeach()

# check_umbrella(<header> <header>...): the first includes all others.
function(check_umbrella umbrella)
  set(_all "")
  if(EXISTS ${INCLUDE_DIR}/${umbrella})
    file(READ ${INCLUDE_DIR}/${umbrella} _all)
  endif()
  foreach(_file IN LISTS ARGN)
    string(FIND "${_all}" "#include <${_file}>" _at)
    if(_at EQUAL -1)
      list(APPEND _faults "${umbrella} lacks ${_file}")
    endif()
  endforeach()
  set(_faults "${_faults}" PARENT_SCOPE)
endfunction()

file(GLOB _flat RELATIVE ${INCLUDE_DIR} ${INCLUDE_DIR}/packkit/*.hpp)
# packkit/multipack.hpp is another name of a header of packkit/packing.
list(REMOVE_ITEM _flat packkit/packkit.hpp packkit/multipack.hpp ${_opt_in})
check_umbrella(packkit/packkit.hpp ${_flat})
file(GLOB _folders RELATIVE ${INCLUDE_DIR} ${INCLUDE_DIR}/packkit/*)
foreach(_folder IN LISTS _folders)
  if(IS_DIRECTORY ${INCLUDE_DIR}/${_folder} AND NOT _folder STREQUAL "packkit/detail")
    file(GLOB_RECURSE _parts RELATIVE ${INCLUDE_DIR} ${INCLUDE_DIR}/${_folder}/*.hpp)
    list(FILTER _parts EXCLUDE REGEX "/detail/")
    set(_umbrella ${_folder}.hpp)
    if(_folder STREQUAL "packkit/torch")
      set(_umbrella packkit/torch/torch.hpp)
      list(REMOVE_ITEM _parts ${_umbrella})
    endif()
    check_umbrella(${_umbrella} ${_parts})
  endif()
endforeach()

if(_faults)
  list(JOIN _faults "\n" _faults)
  message(FATAL_ERROR "${_faults}")
endif()
list(LENGTH _core_headers _count)
message(STATUS "${_count} core headers include nothing above them")
