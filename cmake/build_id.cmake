# Run at build time: writes OUTPUT with the build id of SOURCE, only if it changed.

set(commit "")
find_program(git git)
if(git AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${git} -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE commit
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(commit "")
  endif()
endif()
set(dirty "")
if(commit)
  execute_process(COMMAND ${git} -C ${SOURCE} status --porcelain --untracked-files=normal -- src
                  OUTPUT_VARIABLE dirty ERROR_QUIET)
endif()

set(id "${commit}")
if(NOT commit OR dirty)
  file(GLOB_RECURSE files ${SOURCE}/src/*.cpp ${SOURCE}/src/*.hpp ${SOURCE}/src/*.h)
  list(SORT files)
  set(all "")
  foreach(file IN LISTS files)
    file(SHA256 ${file} hash)
    string(APPEND all ${hash})
  endforeach()
  string(SHA256 hash "${all}")
  string(SUBSTRING ${hash} 0 12 hash)
  if(commit)
    set(id "${commit}+${hash}")
  else()
    set(id "src-${hash}")
  endif()
endif()
if(NOT id)
  set(id "unknown")
endif()

set(text "#include \"busbar_build.hpp\"\n\nnamespace busbar {
const char build_id[] = \"${id}\";
const char build_version[] = \"${VERSION}\";
}  // namespace busbar\n")
set(old "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} old)
endif()
if(NOT old STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
