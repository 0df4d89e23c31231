//go:build unix && !linux

package scratch

const bindsToParent = false
