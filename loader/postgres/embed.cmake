# cmake -DINPUT=file.sql -DNAME=symbol -DOUTPUT=file.c -P embed.cmake: a text file as a NUL-ended C array. Bytes, not a string
# literal: C11 promises only 4,095 characters of those.
file(READ "${INPUT}" bytes HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${bytes}")
string(REGEX REPLACE "(0x..,0x..,0x..,0x..,0x..,0x..,0x..,0x..,)" "\\1\n" bytes "${bytes}")
file(WRITE "${OUTPUT}" "extern const char ${NAME}[];\nconst char ${NAME}[] = {\n${bytes}0x00};\n")
