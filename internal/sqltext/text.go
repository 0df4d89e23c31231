// Package sqltext tells apart what is code, what is quoted and what is comment in SQL
// text, for code that links no parser. It knows the words of SQL's lexical rules and
// nothing of its grammar.
package sqltext

import "strings"

// Text is what a scanner finds in a text.
type Text struct {
	Comments []Comment // to the end of their line, in order
	Blocks   int       // block comments
	Symbols  string    // each byte outside of words, quotes and comments, in order

	// Open names what has no end, where the text ran out; empty: nothing.
	Open     string
	OpenLine int // where it begins, from 1

	// Tokens are the words of the text; MySQL only.
	Tokens []Token
	// Problem is what servers read in different ways; nil: nothing. MySQL only.
	Problem *Problem
}

// Comment is a comment that ends with its line.
type Comment struct {
	Offset, Line int    // of its mark
	Text         string // behind its mark
}

// Problem is what makes a text unfit to be read, and the way out.
type Problem struct {
	Line      int
	What, Way string
}

// LineAt is the line of an offset, from 1.
func LineAt(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }

// QuotedEnd returns where the quoted text at i ends: its quote is doubled within
// it, and with escapes set a backslash takes the next byte. -1: nowhere.
func QuotedEnd(s string, i int, escapes bool) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch {
		case escapes && s[i] == '\\':
			i++
		case s[i] == quote:
			if i+1 >= len(s) || s[i+1] != quote {
				return i + 1
			}
			i++
		}
	}
	return -1
}
