# SPDX-License-Identifier: Apache-2.0
#[[
FindLibTorch
------------
LibTorch as it lies in a PyTorch wheel, in a downloaded LibTorch archive, or in a Python
environment. The wheel's own TorchConfig.cmake insists on a CUDA toolkit; this module needs only
the headers and `libtorch_cpu.so`, `libc10.so`.

Looked for in: LIBTORCH_ROOT (variable or environment), Torch_DIR, CMAKE_PREFIX_PATH, and
`<source>/.deps/torch`. Gloo's headers (Debian: libgloo-dev) are needed for type names only.

Targets: `LibTorch::LibTorch`, and `LibTorch::CUDA` where `libtorch_cuda.so` is present.
Sets `LibTorch_FOUND`, `LibTorch_VERSION`, `LibTorch_LIBRARY_DIRS`.
]]
set(_libtorch_hints "")
foreach(_root IN ITEMS "${LIBTORCH_ROOT}" "$ENV{LIBTORCH_ROOT}")
  if(_root)
    list(APPEND _libtorch_hints "${_root}" "${_root}/torch")
  endif()
endforeach()
if(Torch_DIR)
  list(APPEND _libtorch_hints "${Torch_DIR}/../../..")
endif()
foreach(_prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND _libtorch_hints "${_prefix}" "${_prefix}/torch")
endforeach()
list(APPEND _libtorch_hints
  "${CMAKE_CURRENT_LIST_DIR}/../.deps/torch/torch"
  "${CMAKE_CURRENT_SOURCE_DIR}/.deps/torch/torch")

find_path(LibTorch_INCLUDE_DIR ATen/ATen.h HINTS ${_libtorch_hints} PATH_SUFFIXES include)
if(LibTorch_INCLUDE_DIR)
  get_filename_component(_libtorch_root "${LibTorch_INCLUDE_DIR}" DIRECTORY)
endif()
find_library(LibTorch_CPU_LIBRARY torch_cpu HINTS "${_libtorch_root}" ${_libtorch_hints}
  PATH_SUFFIXES lib)
find_library(LibTorch_C10_LIBRARY c10 HINTS "${_libtorch_root}" ${_libtorch_hints}
  PATH_SUFFIXES lib)
find_library(LibTorch_CUDA_LIBRARY torch_cuda HINTS "${_libtorch_root}" PATH_SUFFIXES lib)
find_library(LibTorch_C10_CUDA_LIBRARY c10_cuda HINTS "${_libtorch_root}" PATH_SUFFIXES lib)
find_path(LibTorch_GLOO_INCLUDE_DIR gloo/algorithm.h)
mark_as_advanced(LibTorch_INCLUDE_DIR LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY
  LibTorch_CUDA_LIBRARY LibTorch_C10_CUDA_LIBRARY LibTorch_GLOO_INCLUDE_DIR)

foreach(_header IN ITEMS torch/headeronly/version.h torch/version.h)
  if(LibTorch_INCLUDE_DIR AND EXISTS "${LibTorch_INCLUDE_DIR}/${_header}")
    file(STRINGS "${LibTorch_INCLUDE_DIR}/${_header}" _lines
      REGEX "#define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    if(_lines)
      string(REGEX REPLACE ".*MAJOR ([0-9]+).*" "\\1" _major "${_lines}")
      string(REGEX REPLACE ".*MINOR ([0-9]+).*" "\\1" _minor "${_lines}")
      string(REGEX REPLACE ".*PATCH ([0-9]+).*" "\\1" _patch "${_lines}")
      set(LibTorch_VERSION "${_major}.${_minor}.${_patch}")
      break()
    endif()
  endif()
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_CPU_LIBRARY LibTorch_C10_LIBRARY LibTorch_INCLUDE_DIR
    LibTorch_GLOO_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE "set LIBTORCH_ROOT to a folder with include/ATen and lib/libtorch_cpu.so \
(cmake/quickstart.sh fetches one into .deps/torch), and install libgloo-dev")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  # The wheel leaves the CUDA runtime and CUPTI in folders of their own.
  get_filename_component(_libtorch_lib "${LibTorch_CPU_LIBRARY}" DIRECTORY)
  set(LibTorch_LIBRARY_DIRS "${_libtorch_lib}")
  file(GLOB _libtorch_nvidia "${_libtorch_root}/../nvidia/*/lib")
  foreach(_dir IN LISTS _libtorch_nvidia)
    get_filename_component(_dir "${_dir}" ABSOLUTE)
    list(APPEND LibTorch_LIBRARY_DIRS "${_dir}")
  endforeach()

  add_library(LibTorch::c10 SHARED IMPORTED)
  set_target_properties(LibTorch::c10 PROPERTIES IMPORTED_LOCATION "${LibTorch_C10_LIBRARY}")
  add_library(LibTorch::LibTorch SHARED IMPORTED)
  set_target_properties(LibTorch::LibTorch PROPERTIES
    IMPORTED_LOCATION "${LibTorch_CPU_LIBRARY}")
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
    "${LibTorch_INCLUDE_DIR}" "${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  # The gloo folder is /usr/include on Debian, which must never be passed as a system include.
  if(NOT LibTorch_GLOO_INCLUDE_DIR IN_LIST CMAKE_CXX_IMPLICIT_INCLUDE_DIRECTORIES)
    target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
      "${LibTorch_GLOO_INCLUDE_DIR}")
  endif()
  target_compile_definitions(LibTorch::LibTorch INTERFACE USE_DISTRIBUTED USE_C10D_GLOO)
  # at::parallel_for is a template: without OpenMP in its caller it runs on one thread. LibTorch
  # brings the same libgomp.so.1 that the compiler links.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(LibTorch::LibTorch INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fopenmp>)
    target_link_options(LibTorch::LibTorch INTERFACE -fopenmp)
  endif()
  target_link_libraries(LibTorch::LibTorch INTERFACE LibTorch::c10)
  foreach(_dir IN LISTS LibTorch_LIBRARY_DIRS)
    target_link_options(LibTorch::LibTorch INTERFACE
      "LINKER:-rpath,${_dir}" "LINKER:-rpath-link,${_dir}")
  endforeach()
  if(LibTorch_CUDA_LIBRARY AND LibTorch_C10_CUDA_LIBRARY)
    add_library(LibTorch::c10_cuda SHARED IMPORTED)
    set_target_properties(LibTorch::c10_cuda PROPERTIES
      IMPORTED_LOCATION "${LibTorch_C10_CUDA_LIBRARY}")
    add_library(LibTorch::CUDA SHARED IMPORTED)
    set_target_properties(LibTorch::CUDA PROPERTIES
      IMPORTED_LOCATION "${LibTorch_CUDA_LIBRARY}")
    target_link_libraries(LibTorch::CUDA INTERFACE LibTorch::LibTorch LibTorch::c10_cuda)
    # Registration of the CUDA kernels happens when the library loads, so keep it although no
    # symbol is used; its own CUDA libraries need not be present where it is only linked.
    target_link_options(LibTorch::CUDA INTERFACE
      "LINKER:--no-as-needed" "LINKER:--allow-shlib-undefined")
  endif()
endif()
