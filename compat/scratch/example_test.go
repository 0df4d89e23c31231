package scratch_test

import (
	"context"
	"fmt"

	"github.com/phasedb/phased/compat/scratch"
)

// A command that wants a server for as long as it runs.
func ExampleStart() {
	ctx := context.Background()
	server, err := scratch.Start(ctx, scratch.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()
	db, err := server.CreateDatabase(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer db.Drop(ctx)
	var answer int
	if err := db.DB.QueryRowContext(ctx, `SELECT 6 * 7`).Scan(&answer); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer)
	// Output: 42
}
