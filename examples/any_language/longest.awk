# The payload, ["one","three"], is one line: whatever stands between quotes is a field.
BEGIN { FS = "\"" }
{ for (i = 2; i <= NF; i += 2) if (length($i) > length(longest)) longest = $i }
END { printf "\"%s\"\n", longest }
