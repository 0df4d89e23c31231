# Reads `go test -json`, shows what failed, and ends with "N passed, N failed". Any awk will do.

# field is the raw value of a string field: inside a string every quote is escaped, so "name":" is found nowhere else.
function field(name,    key, rest) {
	key = "\"" name "\":\""
	if (!index($0, key))
		return ""
	rest = substr($0, index($0, key) + length(key))
	match(rest, /^([^"\\]|\\.)*/)
	return substr(rest, 1, RLENGTH)
}

function plain(s,    out, i, c) {
	out = ""
	while ((i = index(s, "\\")) > 0) {
		c = substr(s, i + 1, 1)
		out = out substr(s, 1, i - 1)
		s = substr(s, i + 2)
		if (c == "n") out = out "\n"
		else if (c == "t") out = out "\t"
		else if (c == "r") out = out "\r"
		else if (c == "u") {
			c = tolower(substr(s, 1, 4))
			s = substr(s, 5)
			out = out (c == "003c" ? "<" : c == "003e" ? ">" : c == "0026" ? "&" : "\\u" c)
		} else out = out c
	}
	return out s
}

!/^\{/ { print; next } # not an event

{
	action = field("Action")
	package = field("Package")
	test = field("Test")
	id = package " " test
}

action == "run" { running[id] = package; next }
action == "output" { output[id] = output[id] plain(field("Output")); next }
action == "build-output" { printf "%s", plain(field("Output")); next }

test != "" && action == "pass" { passed++; delete output[id]; delete running[id]; next }

test != "" && (action == "fail" || action == "skip") {
	failed++
	broken[package]++
	printf "\n=== %s %s\n%s", (action == "skip" ? "SKIPPED" : "FAILED"), plain(id), output[id]
	delete output[id]
	delete running[id]
	next
}

# a whole package
test == "" && action == "fail" {
	for (r in running)
		if (running[r] == package) {
			failed++
			broken[package]++
			printf "\n=== UNFINISHED %s\n%s", plain(r), output[r]
			delete output[r]
			delete running[r]
		}
	if (!broken[package]) { # it does not build, or ended badly outside its tests
		failed++
		printf "\n=== FAILED %s\n", package
	}
	printf "%s", output[id]
	delete output[id]
	next
}
test == "" && action == "pass" { printf "%s", summary(output[id]); delete output[id]; next }

# summary is the last line of a package's output: "ok  	package	1.2s".
function summary(s,    lines, n) {
	n = split(s, lines, "\n")
	return (n > 1 ? lines[n - 1] "\n" : "")
}

END {
	printf "%d passed, %d failed\n", passed, failed
	exit (failed > 0)
}
