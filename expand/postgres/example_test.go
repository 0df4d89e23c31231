package postgres_test

import (
	"fmt"

	"github.com/phasedb/phased/expand/postgres"
)

func ExampleParser() {
	m, err := postgres.Parser().Parse("migrations/0007_rename_email.sql", `
-- phased:up   users.email_address = lower(email)
-- phased:down users.email = email_address
ALTER TABLE users RENAME COLUMN email TO email_address;

CREATE INDEX users_created ON users (created_at) WHERE active;
`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Name)
	for _, s := range m.Statements {
		fmt.Printf("%s: %s\n", s.Where(), s.Change.Describe())
	}
	// Output:
	// 0007_rename_email
	// migrations/0007_rename_email.sql:4: statement 1: rename column users.email to email_address
	// migrations/0007_rename_email.sql:6: statement 2: create index users_created on users
}

// A statement without a safe form is an error with the way out.
func ExampleParser_refused() {
	_, err := postgres.Parser().Parse("migrations/0008_age.sql", "ALTER TABLE users ADD age int NOT NULL;")
	fmt.Println(err)
	// Output:
	// migrations/0008_age.sql:1: statement 1: ALTER TABLE users ADD COLUMN age: NOT NULL without a default is refused by any table with rows, and breaks the inserts of old code; add a default, or leave NOT NULL away
}
