package scratch

import "syscall"

// memoryDir is a file system in memory that anybody may write to. Making a database takes some 15 ms there, and up
// to 300 ms on a disk: it is three hundred new files.
const memoryDir = "/dev/shm"

// memoryNeeded is the room that must be free there: a server takes some 150 MB, a database 8 MB, and several test
// processes run at the same time. Containers are often given 64 MB only.
const memoryNeeded = 2 << 30

func memoryDirs() []string {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(memoryDir, &fs); err != nil || fs.Bavail*uint64(fs.Bsize) < memoryNeeded {
		return nil
	}
	return []string{memoryDir}
}
