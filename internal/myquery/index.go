package myquery

import "strings"

// index reads what an index is over, from the parenthesis on. Using is the index type
// that stood in front of it.
func index(c *cursor, out *CreateIndex, using string) error {
	keys, ok := c.group()
	if !ok {
		return errDiffers
	}
	var parts []string
	for _, key := range keys.parts() {
		part, err := keyPart(key)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	out.Definition = "(" + strings.Join(parts, ", ") + ")" + using
	for !c.done() {
		from := c.at
		switch {
		case c.is("USING"), c.is("TYPE"):
			out.Definition += takeUsing(c)
		case c.take("COMMENT"):
			c.at++
			out.Definition += " COMMENT " + c.slice(from+1, c.at)
		case c.take("KEY_BLOCK_SIZE"):
			c.take("=")
			c.at++
			out.Definition += " KEY_BLOCK_SIZE = " + c.slice(c.at-1, c.at)
		case c.is("VISIBLE"), c.is("INVISIBLE"):
			out.Definition += " " + c.upper(c.at)
			c.at++
		case c.is("ALGORITHM"), c.is("LOCK"):
			if rough := takeAlgorithm(c); rough != "" {
				out.Rough = rough
			}
		default:
			out.Others = append(out.Others, upperWords(c, from, len(c.toks)))
			c.at = len(c.toks)
		}
	}
	return nil
}

// keyPart writes one part of a key, its column's name quoted.
func keyPart(c *cursor) (string, error) {
	var out string
	if _, ok := c.group(); ok {
		out = c.slice(0, c.at)
	} else {
		name, ok := c.name()
		if !ok {
			return "", errDiffers
		}
		out = quote(name)
		from := c.at
		if _, ok := c.group(); ok { // the length of a prefix
			out += c.slice(from, c.at)
		}
	}
	if c.take("DESC") {
		out += " DESC"
	}
	c.take("ASC")
	if !c.done() {
		return "", errDiffers
	}
	return out, nil
}

// takeUsing consumes the type of an index.
func takeUsing(c *cursor) string {
	if c.takeAny("USING", "TYPE") == "" {
		return ""
	}
	c.at++
	return " USING " + upperWords(c, c.at-1, c.at)
}

// takeAlgorithm consumes ALGORITHM or LOCK, and returns it where it would stop writes:
// the rest is what a step asks for by itself.
func takeAlgorithm(c *cursor) (rough string) {
	word := c.upper(c.at)
	c.at++
	c.take("=")
	value := c.upper(c.at)
	c.at++
	switch value {
	case "DEFAULT", "NONE", "INSTANT", "NOCOPY", "INPLACE":
		return ""
	}
	return word + "=" + value
}
