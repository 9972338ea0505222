# SPDX-License-Identifier: Apache-2.0
#[[
FindArrowParquet
----------------
Arrow and Parquet for C++ as they lie in the pyarrow wheel (`libarrow.so.NN00`), or as system
libraries. Looked for in ARROW_ROOT, CMAKE_PREFIX_PATH and `<source>/.deps/arrow/pyarrow`.

Target: `ArrowParquet::ArrowParquet`. Sets `ArrowParquet_FOUND`, `ArrowParquet_VERSION`.
]]
set(_arrow_hints ${ARROW_ROOT} $ENV{ARROW_ROOT}
  "${CMAKE_CURRENT_LIST_DIR}/../.deps/arrow/pyarrow")
find_path(ArrowParquet_INCLUDE_DIR parquet/arrow/reader.h HINTS ${_arrow_hints}
  PATH_SUFFIXES include)
set(_arrow_names "")
foreach(_hint IN LISTS _arrow_hints)
  file(GLOB _found "${_hint}/libarrow.so.*" "${_hint}/libparquet.so.*")
  foreach(_file IN LISTS _found)
    get_filename_component(_name "${_file}" NAME)
    list(APPEND _arrow_names "${_name}")
  endforeach()
endforeach()
set(_arrow_core ${_arrow_names})
list(FILTER _arrow_core INCLUDE REGEX "^libarrow")
set(_arrow_parquet ${_arrow_names})
list(FILTER _arrow_parquet INCLUDE REGEX "^libparquet")
find_library(ArrowParquet_ARROW_LIBRARY NAMES ${_arrow_core} arrow HINTS ${_arrow_hints})
find_library(ArrowParquet_PARQUET_LIBRARY NAMES ${_arrow_parquet} parquet HINTS ${_arrow_hints})
mark_as_advanced(ArrowParquet_INCLUDE_DIR ArrowParquet_ARROW_LIBRARY
  ArrowParquet_PARQUET_LIBRARY)
if(ArrowParquet_INCLUDE_DIR AND EXISTS "${ArrowParquet_INCLUDE_DIR}/arrow/util/config.h")
  file(STRINGS "${ArrowParquet_INCLUDE_DIR}/arrow/util/config.h" _arrow_version
    REGEX "#define ARROW_VERSION_STRING ")
  string(REGEX REPLACE ".*\"([0-9.]+).*\".*" "\\1" ArrowParquet_VERSION "${_arrow_version}")
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(ArrowParquet
  REQUIRED_VARS ArrowParquet_ARROW_LIBRARY ArrowParquet_PARQUET_LIBRARY ArrowParquet_INCLUDE_DIR
  VERSION_VAR ArrowParquet_VERSION)
if(ArrowParquet_FOUND AND NOT TARGET ArrowParquet::ArrowParquet)
  add_library(ArrowParquet::arrow SHARED IMPORTED)
  set_target_properties(ArrowParquet::arrow PROPERTIES
    IMPORTED_LOCATION "${ArrowParquet_ARROW_LIBRARY}")
  add_library(ArrowParquet::ArrowParquet SHARED IMPORTED)
  set_target_properties(ArrowParquet::ArrowParquet PROPERTIES
    IMPORTED_LOCATION "${ArrowParquet_PARQUET_LIBRARY}")
  target_include_directories(ArrowParquet::ArrowParquet SYSTEM INTERFACE
    "${ArrowParquet_INCLUDE_DIR}")
  target_link_libraries(ArrowParquet::ArrowParquet INTERFACE ArrowParquet::arrow)
  get_filename_component(_arrow_dir "${ArrowParquet_ARROW_LIBRARY}" DIRECTORY)
  target_link_options(ArrowParquet::ArrowParquet INTERFACE
    "LINKER:-rpath,${_arrow_dir}" "LINKER:-rpath-link,${_arrow_dir}")
endif()
