# SPDX-License-Identifier: Apache-2.0
# cmake -DEXAMPLES_DIR=<examples> -P check_examples.cmake
#
# Example programs share examples/common and nothing else: a file of examples/X includes, in quotes,
# files of examples/X and of examples/common, a file of examples/common only files of
# examples/common. Nobody uses what packkit keeps for itself (packkit::detail, <packkit/…/detail/…>).
cmake_minimum_required(VERSION 3.25)

# Instantiates the kernels of the LibTorch layer once for all files of the trainer.
set(_instantiations "train/model/cpu_kernels\\.[ch]pp")
set(_faults)
file(GLOB_RECURSE _files RELATIVE ${EXAMPLES_DIR}
  ${EXAMPLES_DIR}/*.hpp ${EXAMPLES_DIR}/*.cpp ${EXAMPLES_DIR}/*.inl)
foreach(_file IN LISTS _files)
  string(REGEX MATCH "^[^/]+" _program ${_file})
  cmake_path(GET _file PARENT_PATH _folder)
  file(STRINGS ${EXAMPLES_DIR}/${_file} _lines)
  set(_number 0)
  foreach(_line IN LISTS _lines)
    math(EXPR _number "${_number} + 1")
    if(_line MATCHES "^[ \t]*#[ \t]*include[ \t]*\"([^\"]+)\"")
      set(_included ${CMAKE_MATCH_1})
      set(_allowed FALSE)
      foreach(_from IN ITEMS ${_folder} ${_program} common)
        string(REGEX REPLACE "^common/" "" _below_common ${_included})
        if(_from STREQUAL "common" AND NOT _below_common STREQUAL _included)
          set(_path ${EXAMPLES_DIR}/common/${_below_common})
        elseif(NOT _from STREQUAL "common" OR _program STREQUAL "common")
          set(_path ${EXAMPLES_DIR}/${_from}/${_included})
        else()
          continue()
        endif()
        cmake_path(NORMAL_PATH _path)
        if(EXISTS ${_path})
          string(FIND ${_path} ${EXAMPLES_DIR}/${_program}/ _own)
          string(FIND ${_path} ${EXAMPLES_DIR}/common/ _common)
          if(_own EQUAL 0 OR _common EQUAL 0)
            set(_allowed TRUE)
          endif()
        endif()
      endforeach()
      if(NOT _allowed)
        list(APPEND _faults "${_file}:${_number}: may not include \"${_included}\"")
      endif()
    endif()
    if(_line MATCHES "packkit::detail::|lt::detail|<packkit/([a-z_]+/)*detail/"
        AND NOT (_line MATCHES "<packkit/torch/|lt::detail" AND _file MATCHES "^${_instantiations}$"))
      list(APPEND _faults "${_file}:${_number}: reaches into packkit: ${_line}")
    endif()
  endforeach()
endforeach()

if(_faults)
  list(JOIN _faults "\n" _faults)
  message(FATAL_ERROR "${_faults}")
endif()
list(LENGTH _files _count)
message(STATUS "${_count} files of example programs include only their own and the common ones")
