# SPDX-License-Identifier: Apache-2.0
#[[
FindNCCL
--------
NCCL as a system library, in a CUDA toolkit, or in the nvidia-nccl wheel (which has only
`libnccl.so.2`). Looked for in NCCL_ROOT, the CUDA toolkit, and `<source>/.deps`.

Target: `NCCL::NCCL`. Sets `NCCL_FOUND`, `NCCL_VERSION`.
]]
file(GLOB _nccl_wheels "${CMAKE_CURRENT_LIST_DIR}/../.deps/*/nvidia/nccl")
set(_nccl_hints ${NCCL_ROOT} $ENV{NCCL_ROOT} ${_nccl_wheels} ${CUDAToolkit_TARGET_DIR}
  ${CUDAToolkit_LIBRARY_ROOT})
find_path(NCCL_INCLUDE_DIR nccl.h HINTS ${_nccl_hints} ${CUDAToolkit_INCLUDE_DIRS}
  PATH_SUFFIXES include)
find_library(NCCL_LIBRARY NAMES nccl libnccl.so.2 HINTS ${_nccl_hints} ${CUDAToolkit_LIBRARY_DIR}
  PATH_SUFFIXES lib lib64)
mark_as_advanced(NCCL_INCLUDE_DIR NCCL_LIBRARY)
if(NCCL_INCLUDE_DIR)
  file(STRINGS "${NCCL_INCLUDE_DIR}/nccl.h" _nccl_lines
    REGEX "#define NCCL_(MAJOR|MINOR|PATCH) ")
  string(REGEX REPLACE ".*MAJOR +([0-9]+).*MINOR +([0-9]+).*PATCH +([0-9]+).*" "\\1.\\2.\\3"
    NCCL_VERSION "${_nccl_lines}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(NCCL REQUIRED_VARS NCCL_LIBRARY NCCL_INCLUDE_DIR
  VERSION_VAR NCCL_VERSION)
if(NCCL_FOUND AND NOT TARGET NCCL::NCCL)
  add_library(NCCL::NCCL SHARED IMPORTED)
  set_target_properties(NCCL::NCCL PROPERTIES IMPORTED_LOCATION "${NCCL_LIBRARY}")
  target_include_directories(NCCL::NCCL SYSTEM INTERFACE "${NCCL_INCLUDE_DIR}")
  target_compile_definitions(NCCL::NCCL INTERFACE USE_C10D_NCCL)
endif()
