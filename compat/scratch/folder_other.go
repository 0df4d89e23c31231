//go:build !linux

package scratch

const memoryDir = "/tmp"

func memoryDirs() []string { return nil }
