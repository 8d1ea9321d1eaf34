# backstitch_options: what every target of ours is compiled with (warnings, hardening, sanitizers).
# The warnings are those of the style guide; the hardening flags follow the OpenSSF compiler guide,
# as far as gcc 12 and clang 14 know them.
include(CheckIPOSupported)

add_library(backstitch_options INTERFACE)
target_include_directories(backstitch_options INTERFACE "${PROJECT_SOURCE_DIR}")
# The version that --version and build_info say: with the commit, as build metadata, where the build knows it.
set(BACKSTITCH_FULL_VERSION "${PROJECT_VERSION}")
if(BACKSTITCH_COMMIT)
    string(APPEND BACKSTITCH_FULL_VERSION "+g${BACKSTITCH_COMMIT}")
endif()
target_compile_definitions(backstitch_options INTERFACE
    _POSIX_C_SOURCE=200809L
    BACKSTITCH_VERSION="${BACKSTITCH_FULL_VERSION}")
# Programs do not depend on the folder that they were built in. The linker compiles too (LTO), and its working folder
# would be in the debug information, hence in the build id.
set(own_paths -ffile-prefix-map=${PROJECT_SOURCE_DIR}/= -ffile-prefix-map=${PROJECT_BINARY_DIR}=build)
target_link_options(backstitch_options INTERFACE ${own_paths})
target_compile_options(backstitch_options INTERFACE
    ${own_paths}
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wformat=2
    -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wcast-qual -Wundef -Wswitch-enum
    -Wnull-dereference -Wimplicit-fallthrough
    -fstack-protector-strong -fno-strict-aliasing -fno-delete-null-pointer-checks)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc's flow analysis reports paths that our assertions exclude, at -O1 under sanitizers only.
    if(BACKSTITCH_SANITIZE)
        target_compile_options(backstitch_options INTERFACE -Wno-null-dereference -Wno-maybe-uninitialized)
    endif()
endif()
if(BACKSTITCH_WERROR)
    target_compile_options(backstitch_options INTERFACE -Werror)
endif()

if(BACKSTITCH_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(BACKSTITCH_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread -fno-omit-frame-pointer)
elseif(BACKSTITCH_SANITIZE STREQUAL "fuzz")
    set(sanitize -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
elseif(BACKSTITCH_SANITIZE)
    message(FATAL_ERROR "BACKSTITCH_SANITIZE is '${BACKSTITCH_SANITIZE}': use address, thread or fuzz")
endif()
if(BACKSTITCH_SANITIZE)
    target_compile_options(backstitch_options INTERFACE ${sanitize})
    target_link_options(backstitch_options INTERFACE ${sanitize})
else()
    target_compile_options(backstitch_options INTERFACE
        $<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE> $<$<NOT:$<CONFIG:Debug>>:-D_FORTIFY_SOURCE=2>
        -fstack-clash-protection)
    target_link_options(backstitch_options INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo" AND NOT BACKSTITCH_SANITIZE)
    check_ipo_supported(RESULT ipo_works OUTPUT ipo_reason LANGUAGES C)
    if(ipo_works)
        set(CMAKE_INTERPROCEDURAL_OPTIMIZATION ON)
    endif()
endif()

# backstitch_library(NAME sources...): a static library of ours.
function(backstitch_library name)
    add_library(${name} STATIC ${ARGN})
    target_link_libraries(${name} PUBLIC backstitch_options)
endfunction()
