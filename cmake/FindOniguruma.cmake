# SPDX-License-Identifier: Apache-2.0
# Oniguruma, the library of regular expressions (Debian: libonig-dev). Defines Oniguruma::Oniguruma.
# Oniguruma_ROOT or -DOniguruma_ROOT=... names a folder with include/ and lib/.
find_path(Oniguruma_INCLUDE_DIR oniguruma.h)
find_library(Oniguruma_LIBRARY onig)
mark_as_advanced(Oniguruma_INCLUDE_DIR Oniguruma_LIBRARY)
if(Oniguruma_INCLUDE_DIR)
  file(STRINGS "${Oniguruma_INCLUDE_DIR}/oniguruma.h" _onig_lines
    REGEX "^#define ONIGURUMA_VERSION_(MAJOR|MINOR|TEENY)")
  string(REGEX REPLACE "[^0-9;]" "" _onig_numbers "${_onig_lines}")
  string(REPLACE ";" "." Oniguruma_VERSION "${_onig_numbers}")
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(Oniguruma
  REQUIRED_VARS Oniguruma_LIBRARY Oniguruma_INCLUDE_DIR VERSION_VAR Oniguruma_VERSION)
if(Oniguruma_FOUND AND NOT TARGET Oniguruma::Oniguruma)
  add_library(Oniguruma::Oniguruma UNKNOWN IMPORTED)
  set_target_properties(Oniguruma::Oniguruma PROPERTIES
    IMPORTED_LOCATION "${Oniguruma_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${Oniguruma_INCLUDE_DIR}")
endif()
